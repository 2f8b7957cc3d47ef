"""Which field of a user a column gives: the names known from the sources, from `--map`, and from no one."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from resolvers.importers.rows import UnreadableFile

TEXTS = (
    *("email", "username", "name", "first_name", "last_name", "role", "password", "password_hash", "external_id"),
    "ref",
)
LISTS = ("tags", "aliases", "groups", "organizations", "organization_ids")
FLAGS = ("is_active", "saml", "can_create_projects_in_root")
LDAP = ("ldap.server_number", "ldap.login_dn")
IGNORE = "ignore"
NEVER = "never"
VARIABLE = "variables."
_FIELDS = frozenset((*TEXTS, *LISTS, *FLAGS, *LDAP, IGNORE))
_SECRETS = {
    "userpassword": "userPassword",
    "unicodepwd": "unicodePwd",
}  # hashes of a directory, of no use as a password here
_MOST_REMEMBERED = 10_000
_MOST_NOTED = 50
_LONGEST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Target:
    """Where a value goes. Of several columns for one field those of the lowest rank count, and must agree."""

    field: str
    rank: int = 0
    inverted: bool = False


_NAMES: dict[str, str] = {
    "email": "email emailaddress mail invitedemail inviteeemail emailaddresstoinvite",
    "username": "username login loginname accountname samaccountname",
    "name": "name displayname fullname",
    "first_name": "firstname givenname name.givenname",
    "last_name": "lastname surname familyname sn name.familyname",
    "role": "role rolename role.name",
    "password": "password initialpassword passwordprofile passwordprofile.password",
    "password_hash": "passwordhash hashedpassword",
    "tags": "tags tag",
    "aliases": "aliases alias",
    "groups": "groups group groupnames teams team",
    "organizations": "organizations organization organizationnames",
    "organization_ids": "organizationids organizationid",
    "external_id": "externalid",
    "is_active": "isactive active enabled accountenabled",
    "saml": "saml issaml",
    "can_create_projects_in_root": "cancreateprojectsinroot",
    "ldap.server_number": "ldapserverid ldapservernumber ldap.servernumber ldap.serverid",
    "ldap.login_dn": "logindn ldaplogindn ldap.logindn",
    "ref": "ref reference clientref clientreference",
    "variables": "variables",
    "variables.jobTitle": "jobtitle",
    "variables.department": "department",
    "variables.employeeNumber": "employeenumber",
    "variables.employeeId": "employeeid",
    "variables.employeeType": "employeetype",
}
KNOWN: dict[str, Target] = {
    **{name: Target(field) for field, names in _NAMES.items() for name in names.split()},
    **{name: Target("is_active", inverted=True) for name in ("blocked", "disabled", "blocksignin")},
    "userprincipalname": Target("email", 1),
    "emails": Target("email", 1),
    "name.formatted": Target("name", 1),
    "roles": Target("role", 1),
}
# inetOrgPerson (RFC 2798), 389 Directory Server and Active Directory. `ou`, `l` and telephone numbers stay
# out: they describe the directory's tree or are personal data that nobody asked for; --map takes them in.
DIRECTORY: dict[str, Target] = {
    "uid": Target("username"),
    "userid": Target("username"),
    "samaccountname": Target("username", 1),
    "rfc822mailbox": Target("email"),
    "cn": Target("name", 1),
    "commonname": Target("name", 1),
    "name": Target("name", 2),
    "gn": Target("first_name"),
    "title": Target("variables.jobTitle"),
    "departmentnumber": Target("variables.department", 1),
    "entryuuid": Target("external_id"),
    "nsuniqueid": Target("external_id", 1),
    "memberof": Target("groups"),
    "nsaccountlock": Target("is_active", inverted=True),
    "inetuserstatus": Target("is_active"),
    "useraccountcontrol": Target("is_active"),
    "password": Target(NEVER),
}


def normal(name: str) -> str:
    """Case, spaces, underscores and hyphens make no difference between names."""
    return re.sub(r"[\s_-]+", "", name).casefold()


class Columns:
    """The columns of one file, with a note for each that is left out."""

    def __init__(
        self,
        mapping: Mapping[str, str] | None = None,
        *,
        word: str = "column",
        known: Mapping[str, Target] = KNOWN,
    ) -> None:
        self.word = word
        self.notes: list[str] = []
        self._known = known
        self._mapping = {name: _mapped(name, field) for name, field in (mapping or {}).items()}
        self._claimed = {target.field for target in self._mapping.values()}
        self._met: dict[str, Target | None] = {}
        self._left_out = 0

    def target(self, name: str) -> Target | None:
        """Where the values of a column go; None, with a note, when they go nowhere."""
        if name in self._met:
            return self._met[name]
        target, note = self._found(name)
        if len(self._met) < _MOST_REMEMBERED:
            self._met[name] = target
            self._note(note)
        return target

    def knows(self, name: str) -> bool:
        return self._by_map(name) is not None or self._by_name(name) is not None

    def gives(self, field: str, names: Iterable[str]) -> str | None:
        """The first of these columns that gives the field."""
        return next((name for name in names if (target := self._found(name)[0]) and target.field == field), None)

    def refuse_missing(self) -> None:
        """A mapping from a column that the file lacks is a mistake of the caller's."""
        met = {normal(form) for name in self._met for form in (name, *_forms(name))}
        missing = [name for name in self._mapping if normal(name) not in met]
        if missing:
            there = ", ".join(shown(name) for name in list(self._met)[:30]) or "none"
            raise UnreadableFile(f"--map names the {self.word} {missing[0]!r}, which the file lacks: it has {there}")

    def all_notes(self) -> list[str]:
        more = [f"{self._left_out} more {self.word}s are not imported"] if self._left_out else []
        return [*self.notes, *more]

    def _found(self, name: str) -> tuple[Target | None, str]:
        if (mapped := self._by_map(name)) is not None:
            return (None, "") if mapped.field == IGNORE else (mapped, "")
        target = self._by_name(name)
        if target is None:
            return None, f"{self.word} {shown(name)} is not imported"
        if target.field == NEVER:
            return None, f"{_SECRETS.get(normal(name), name)} is never imported"
        if target.field in self._claimed:
            return None, f"{self.word} {shown(name)} is not imported: --map gives {target.field}"
        return (None, "") if target.field == IGNORE else (target, "")

    def _by_map(self, name: str) -> Target | None:
        if name in self._mapping:
            return self._mapping[name]
        plain = {normal(form) for form in (name, *_forms(name))}
        return next((target for key, target in self._mapping.items() if normal(key) in plain), None)

    def _by_name(self, name: str) -> Target | None:
        for form in _forms(name):
            plain = normal(form)
            if plain in ("", "error"):
                return Target(IGNORE)
            if plain in _SECRETS:
                return Target(NEVER)
            if plain.startswith(VARIABLE) and len(plain) > len(VARIABLE):
                return Target(VARIABLE + form.strip().split(".", 1)[1].strip())
            if target := self._known.get(plain):
                return Target("is_active", inverted=True) if normal(name).startswith("blocksignin") else target
        return None

    def _note(self, note: str) -> None:
        if note and len(self.notes) < _MOST_NOTED:
            self.notes.append(note)
        elif note:
            self._left_out += 1


def shown(name: str) -> str:
    """A column's name in a message, however long the file made it."""
    return repr(name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…")


def _forms(name: str) -> list[str]:
    """Entra's template heads its columns `First name [givenName] Required`: what stands in brackets wins."""
    before, opened, rest = name.rpartition("[")
    inside, closed, after = rest.partition("]")
    return [inside, before] if opened and closed and normal(after) in ("", "required") else [name]


def _mapped(name: str, field: str) -> Target:
    if normal(name) in _SECRETS and field != IGNORE:
        raise UnreadableFile(f"{name} is never imported: leave it out of --map")
    wanted = field.strip()
    if wanted.startswith(VARIABLE) and wanted != VARIABLE:
        return Target(wanted)
    plain = normal(wanted)
    found = next((known for known in _FIELDS if normal(known) == plain), None)
    if found is None:
        valid = ", ".join((*TEXTS, *LISTS, *FLAGS, *LDAP, "variables.NAME", IGNORE))
        raise UnreadableFile(f"--map {name}={field} names no field: the fields are {valid}")
    return Target(found)

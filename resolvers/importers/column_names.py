"""The names under which files give the fields of a user: the product's own, and those of other systems."""

import re
from dataclasses import dataclass
from functools import lru_cache

from resolvers.importers.account_readers import Reader

IGNORE = "ignore"
NEVER = "never"
VARIABLE = "variables."
EXTERNAL_ID = "external_ids."  # and the name of its source
SECRETS = {
    "userpassword": "userPassword",
    "unicodepwd": "unicodePwd",
}  # hashes of a directory, imported only where --map says so
_COMPANY = "organization is taken for the name of a company; --map organization=organizations makes memberships of it"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a value goes. Of several columns for one field those of the lowest rank count, and must agree.

    `read` turns a value of an account state into whether the account has access; of several states any without wins.
    """

    field: str
    rank: int = 0
    read: Reader | None = None
    note: str = ""


_NAMES: dict[str, str] = {
    "email": "email emailaddress mail invitedemail inviteeemail emailaddresstoinvite primaryemail primaryemailaddress"
    " workemail primaryworkemail businessemail companyemail emailprimary useremail",
    "username": "username login loginname accountname samaccountname userlogin rawlogin",
    "name": "name fullname",
    "first_name": "firstname givenname name.givenname",
    "last_name": "lastname surname familyname sn name.familyname name.surname",
    "role": "role rolename role.name",
    "password": "password initialpassword passwordprofile passwordprofile.password",
    "password_hash": "passwordhash hashedpassword",
    "password_hash_function": "passwordhashfunction hashfunction",
    "tags": "tags tag",
    "aliases": "aliases alias",
    "groups": "groups group groupnames teams team memberofgroup",
    "organizations": "organizations organizationnames organizationpaths",
    "organization_ids": "organizationids organizationid",
    "external_id": "externalid",
    "external_ids": "externalids",
    "saml": "saml issaml",
    "api_only": "apionly isapionly",
    "can_create_projects_in_root": "cancreateprojectsinroot",
    "ldap.server_number": "ldapserverid ldapservernumber ldap.servernumber ldap.serverid",
    "ldap.login_dn": "logindn ldaplogindn ldap.logindn",
    "ref": "ref reference clientref clientreference",
    "variables": "variables",
    "variables.jobTitle": "jobtitle employeetitle",
    "variables.department": "department",
    "variables.employeeNumber": "employeenumber",
    "variables.employeeId": "employeeid",
    "variables.employeeType": "employeetype",
}
KNOWN: dict[str, Target] = {
    **{name: Target(field) for field, names in _NAMES.items() for name in names.split()},
    "displayname": Target("name", 1),
    "userprincipalname": Target("email", 1),
    "emails": Target("email", 1),
    "name.formatted": Target("name", 2),
    "name.displayname": Target("name", 1),
    "name.fullname": Target("name", 1),
    "roles": Target("role", 1),
    "organization": Target("variables.organization", note=_COMPANY),
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user.organization": Target("variables.organization"),
}
# What exports of directories as CSV and JSON have besides; some names mean more there than elsewhere.
DIRECTORY_COLUMNS: dict[str, Target] = {
    "displayname": Target("name"),
    "name": Target("name", 2),
    "cn": Target("name", 1),
    "memberof": Target("groups"),
    "objectclass": Target(IGNORE),
}
# A file with one of these columns is the export of a directory.
DIRECTORY_MARKS = frozenset(
    "dn distinguishedname samaccountname useraccountcontrol objectclass objectguid memberof".split()
)
# Atlassian's export of users heads their full names so; usernames have no spaces.
ATLASSIAN_MARKS = frozenset(["addedtoorg", "orgrole"])
ATLASSIAN_COLUMNS: dict[str, Target] = {"username": Target("name")}
# inetOrgPerson (RFC 2798), 389 Directory Server and Active Directory. `ou`, `l` and telephone numbers stay
# out: they describe the directory's tree or are personal data that nobody asked for; --map takes them in.
DIRECTORY: dict[str, Target] = {
    **DIRECTORY_COLUMNS,
    "uid": Target("username"),
    "userid": Target("username"),
    "samaccountname": Target("username", 1),
    "rfc822mailbox": Target("email"),
    "commonname": Target("name", 1),
    "gn": Target("first_name"),
    "title": Target("variables.jobTitle"),
    "departmentnumber": Target("variables.department", 1),
    "entryuuid": Target("external_id"),
    "nsuniqueid": Target("external_id", 1),
    "password": Target(NEVER),
}
# Objects around the fields of a user, and those around the state of their account only.
_WRAPPERS = frozenset("profile user attributes userprofile person fields traits properties".split())
_STATE_WRAPPERS = frozenset(
    "account status state employment employee worker work login lifecycle security access accountstatus".split()
)
_ANNOTATION = re.compile(
    r"\s*[\[(](read only|required|upload only|optional|yes/no)[\])]\s*(required)?\s*$", re.IGNORECASE
)


@lru_cache(maxsize=1024)
def normal(name: str) -> str:
    """Case, spaces, underscores, hyphens and a question mark make no difference between names."""
    return re.sub(r"[\s_-]+|[?:*]+\s*$", "", name).casefold()


def name_forms(name: str) -> list[str]:
    """The names that a heading holds, the one that counts first.

    Entra's template heads its columns `First name [givenName] Required`: what stands in brackets wins. Google's
    `Status [READ ONLY]` has a remark there. `profile.email` is the email of the user.
    """
    plain = _ANNOTATION.sub("", name)
    if plain != name and plain.strip():
        return name_forms(plain)
    before, opened, rest = name.rpartition("[")
    inside, closed, after = rest.partition("]")
    if opened and closed and normal(after) in ("", "required"):
        return [inside, before]
    return [name, *_unwrapped(name, _WRAPPERS)]


def _unwrapped(name: str, wrappers: frozenset[str]) -> list[str]:
    """What stays of `profile.name.given_name` without the objects around it."""
    first, _, rest = name.partition(".")
    return [rest, *_unwrapped(rest, wrappers)] if rest and normal(first) in wrappers else []


def state_forms(name: str) -> list[str]:
    """The names under which a heading may be an account's state: what stands before brackets counts first."""
    forms = name_forms(name)
    forms += [form for form in _unwrapped(name, _WRAPPERS | _STATE_WRAPPERS) if form not in forms]
    return [_ANNOTATION.sub("", form) for form in reversed(forms)] if "[" in name else forms

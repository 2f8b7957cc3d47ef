"""A small crew in a real LDAP directory, taken in by jobs that run here and now."""

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.directories import SYNC, actions, job_of, work
from tests.service import Service
from tests.slapd import BASE, Slapd, person, record

CREW = f"ou=crew,{BASE}"
TEAMS = f"ou=teams,{BASE}"
NAMES = ("ann", "bob", "cid")
UPDATE = """mutation($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) {
  errors { code message path } } }"""
USER = """query($by: UserKey!) { user(by: $by) { id name email state role { name } identityProvider { id } loginDn
  externalId externalIds { source value } ldapServerNumber groups { nodes { id } } organizations { nodes { id } } } }"""
SAVING: dict[str, Any] = {"absencesBefore": 1, "maxDeactivations": {"users": 2}}
# Who leads works in IT, and in its group.
MAPPINGS: list[dict[str, Any]] = [{"group": "heads", "role": {"name": "IT"}, "groupIds": ["group_2"]}]


def dn(name: str) -> str:
    return f"uid={name},{CREW}"


def member(name: str, **more: Any) -> str:
    """LDIF of somebody of the crew."""
    cn = more.pop("cn", name.capitalize())
    return person(dn(name), name, cn, **{"mail": f"{name}@example.com", **more})


def team(name: str, *members: str) -> str:
    return record(f"cn={name},{TEAMS}", objectClass="groupOfNames", cn=name, member=[dn(each) for each in members])


def lead(crew: Slapd, team: str, *members: str) -> None:
    """Make these the members of a team."""
    lines = "\n".join(f"member: {dn(each)}" for each in members)
    crew.modify(f"dn: cn={team},{TEAMS}\nchangetype: modify\nreplace: member\n{lines}\n\n")


@contextlib.contextmanager
def hired(slapd: Slapd) -> Iterator[Slapd]:
    """Ann, Bob and Cid, of whom Bob leads; all gone afterwards."""
    unit = {"objectClass": "organizationalUnit"}
    slapd.add(record(CREW, **unit, ou="crew") + record(TEAMS, **unit, ou="teams"))
    try:
        slapd.add("".join(map(member, NAMES)))
        slapd.add(team("heads", "bob") + team("all", *NAMES))
        yield slapd
    finally:
        slapd.delete("-r", CREW, TEAMS)


async def configure(
    service: Service, slapd: Slapd, *, ceiling: int | None = 80, mappings: Any = MAPPINGS, **more: Any
) -> None:
    """Provider 2 reads the crew."""
    ldap = slapd.settings(baseDn=CREW, groupBaseDn=TEAMS, groupMappings=mappings, **more)
    given = {"id": "provider_2", "ldap": ldap, "ceilingWeight": ceiling}
    answer = await service.data(UPDATE, {"input": given})
    assert answer["updateIdentityProvider"]["errors"] == []


async def sync(service: Service, *, who: str = "admin", **given: Any) -> Any:
    """The finished job."""
    answer = (await service.data(SYNC, {"input": {"provider": "provider_2", **given}}, who=who))["syncDirectory"]
    assert answer["errors"] == [], answer["errors"]
    await work(service)
    return await job_of(service, answer["job"]["id"])


async def user(service: Service, name: str) -> Any:
    return (await service.data(USER, {"by": {"email": f"{name}@example.com"}}))["user"]


def of_crew(job: Any) -> dict[str, str]:
    """Name to action."""
    return {name.removesuffix("@example.com"): action for name, action in actions(job).items()}


def row_of(job: Any, name: str) -> Any:
    (row,) = (row for row in job["rows"]["nodes"] if row["label"] == f"{name}@example.com")
    return row


async def external_id(service: Service, name: str) -> str:
    """The id that the directory has given somebody, which is no id of the API."""
    found = await user(service, name)
    assert (found["externalId"], [each["source"] for each in found["externalIds"]]) == (None, ["provider_2"])
    return str(found["externalIds"][0]["value"])

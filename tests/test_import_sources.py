"""External ids in files: of the source that the import names, of others by name, and never of the product's own."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.server import usergraph
from tests.service import SECRET, Service

ASKED = '{ user(by: { email: "ada@acme.example" }) { externalIds { source value } } }'


async def run(service: Service, folder: Path, content: str, *words: str, command: str = "import") -> Any:
    (folder / "people.csv").write_text(content)
    settings = {"database_url": service.database.url, "secret_key": SECRET}
    return await asyncio.to_thread(usergraph, folder, command, "people.csv", *words, **settings)


async def ids(service: Service) -> dict[str, str]:
    found = (await service.data(ASKED))["user"]["externalIds"]
    return {each["source"]: each["value"] for each in found}


async def test_ids_go_to_the_source_that_the_import_names(service: Service, tmp_path: Path) -> None:
    done = await run(service, tmp_path, "email,externalId\nada@acme.example,17\n", "--source", "hr")
    assert (done.returncode, await ids(service)) == (0, {"hr": "17"})
    done = await run(service, tmp_path, "email,externalId,externalIds.crm\nada@acme.example,a-1,c-1\n")
    assert (done.returncode, await ids(service)) == (0, {"hr": "17", "api": "a-1", "crm": "c-1"})
    done = await run(service, tmp_path, "email,externalIds\nada@acme.example,hr=17|pay=p-1\n", "--source", "hr")
    assert (done.returncode, await ids(service)) == (0, {"hr": "17", "api": "a-1", "crm": "c-1", "pay": "p-1"})
    moved = "email,externalId\nada.new@acme.example,17\n"
    done = await run(service, tmp_path, moved, "--source", "hr")
    assert (done.returncode, done.stdout) == (0, "0 created, 1 updated, 0 unchanged, 0 refused\n")
    other = "email,externalId\nada.new@acme.example,18\n"
    done = await run(service, tmp_path, other, "--source", "hr")
    assert (done.returncode, done.stdout) == (3, "0 created, 0 updated, 0 unchanged, 1 refused\n")


async def test_reconcile_knows_people_by_the_id_of_its_source(service: Service, tmp_path: Path) -> None:
    content = "email,externalIds\nada@acme.example,hr=17|crm=c-1\n"
    done = await run(service, tmp_path, content, "--source", "hr", command="reconcile")
    assert (done.returncode, await ids(service)) == (0, {"hr": "17", "crm": "c-1"}), done.stderr
    moved = content.replace("ada@", "ada.new@")
    done = await run(service, tmp_path, moved, "--source", "hr", command="reconcile")
    assert (done.returncode, done.stdout.split(", ")[:2]) == (0, ["0 created", "1 updated"]), done.stderr


async def test_ids_of_providers_and_scim_are_left_to_their_own_runs(service: Service, tmp_path: Path) -> None:
    content = "email,externalIds\nada@acme.example,provider_2=e-1|scim:3=s-1|hr=17\n"
    done = await run(service, tmp_path, content)
    assert (done.returncode, await ids(service)) == (0, {"hr": "17"}), done.stderr
    done = await run(service, tmp_path, content, "--source", "provider_2")
    assert (done.returncode, "is the source of an identity provider" in done.stderr) == (1, True)


async def test_one_id_in_two_rows_of_a_file_is_refused_by_its_line(service: Service, tmp_path: Path) -> None:
    lines = "ada@acme.example,hr=17\nbo@acme.example,hr=17\ncy@acme.example,crm=17\n"
    done = await run(service, tmp_path, f"email,externalIds\n{lines}")
    assert (done.returncode, done.stdout) == (3, "2 created, 0 updated, 0 unchanged, 1 refused\n"), done.stderr
    assert "This external id is sent twice, first in line 2" in done.stderr


async def test_organizations_are_named_by_path_by_name_and_by_id(service: Service, tmp_path: Path) -> None:
    for parent in ("organization_2", "organization_5"):
        await service.data(
            'mutation ($parent: ID!) { createOrganization(input: { name: "Sales / EMEA", parentId: $parent })'
            " { errors { code } } }",
            {"parent": parent},
        )
    rows = [
        ("a", r"/Acme/Sales \/ EMEA|Acme West"),
        ("b", r"/other/SALES \/ emea"),
        ("c", "organization_3|/"),
        ("d", "Sales / EMEA"),
        ("e", "/Acme/Nowhere"),
    ]
    lines = "\n".join(f"{name}@acme.example,{cell}" for name, cell in rows)
    done = await run(service, tmp_path, f"email,organizations\n{lines}\n")
    assert (done.returncode, done.stdout) == (3, "3 created, 0 updated, 0 unchanged, 2 refused\n"), done.stderr
    found = await service.data(
        '{ users(where: { email: { endsWith: "@acme.example" } }) { nodes { email'
        " organizations { nodes { path } } } } }"
    )
    paths = {
        user["email"][0]: sorted(each["path"] for each in user["organizations"]["nodes"])
        for user in found["users"]["nodes"]
    }
    assert paths == {
        "a": ["/Acme/Acme West", r"/Acme/Sales \/ EMEA"],
        "b": [r"/Other/Sales \/ EMEA"],
        "c": ["/", "/Acme/Acme East"],
    }


async def test_a_path_follows_its_names_and_the_past_has_its_own(service: Service) -> None:
    query = """query ($at: DateTime) { users(asOf: $at, where: { username: { eq: "member" } }) {
        nodes { organizations { nodes { path } } } } }"""

    async def paths(at: str | None = None) -> list[str]:
        (user,) = (await service.data(query, {"at": at}))["users"]["nodes"]
        return [each["path"] for each in user["organizations"]["nodes"]]

    assert await paths() == ["/Acme/Acme East"]
    before = datetime.now(UTC).isoformat()
    change = 'mutation { updateOrganization(input: { id: "organization_2", name: "ACME/2" }) { errors { code } } }'
    assert (await service.data(change))["updateOrganization"]["errors"] == []
    assert await paths() == [r"/ACME\/2/Acme East"]
    assert await paths(before) == ["/Acme/Acme East"]


async def test_an_invited_user_of_a_file_gets_a_link_when_the_invitation_is_sent_again(
    service: Service, tmp_path: Path
) -> None:
    done = await run(service, tmp_path, "email,state,role.name\nada@acme.example,INVITED,Read only\n")
    assert (done.returncode, done.stdout) == (0, "1 created, 0 updated, 0 unchanged, 0 refused\n"), done.stderr
    asked = """{ user(by: { email: "ada@acme.example" }) {
        state accessibility role { name } invitations { nodes { id state } } } }"""
    user = (await service.data(asked))["user"]
    (invitation,) = user.pop("invitations")["nodes"]
    assert user == {"state": "INVITED", "accessibility": "NONE", "role": {"name": "Read only"}}
    sent = await service.data(
        "mutation ($id: ID!) { resendInvitations(input: { ids: [$id] }) {"
        " results { invitation { link } errors { code message } } } }",
        {"id": invitation["id"]},
    )
    (result,) = sent["resendInvitations"]["results"]
    assert result["errors"] == []
    token = result["invitation"]["link"].split("#")[1]
    accepted = await service.data(
        "mutation ($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {"
        " user { state } errors { code message } } }",
        {"input": {"token": token, "password": "plum violin harbour 41"}},
        who=None,
    )
    assert accepted == {"acceptInvitation": {"user": {"state": "ACTIVE"}, "errors": []}}
    again = await run(service, tmp_path, "email,state,role.name\nada@acme.example,INVITED,Read only\n")
    assert (again.returncode, again.stdout) == (0, "0 created, 0 updated, 1 unchanged, 0 refused\n")
    deactivated = await service.data('mutation { deactivateUsers(input: { ids: ["user_10"] }) { results { action } } }')
    assert deactivated["deactivateUsers"]["results"] == [{"action": "UPDATED"}]
    again = await run(service, tmp_path, "email,state,role.name\nada@acme.example,INVITED,Read only\n")
    assert (await service.data(asked))["user"]["state"] == "DEACTIVATED"

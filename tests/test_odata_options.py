"""Query options of the feed against what GraphQL answers to the same question."""

from typing import Any

from graph.odata.model import model
from tests.odata import body, fill, get, ids, refused, rows, walked
from tests.service import Service


async def asked(service: Service, query: str, who: str = "admin") -> Any:
    """The rows of a GraphQL query's one list."""
    found = next(iter((await service.data(query, who=who)).values()))
    return found["nodes"] if isinstance(found, dict) else found


async def test_select_answers_these_and_no_others(service: Service) -> None:
    found = await body(service, "Users", select="name, id", top=2)
    assert found["@odata.context"] == "http://127.0.0.1:8000/odata/$metadata#Users(id,name)"
    assert found["value"] == await asked(service, "{ users(first: 2) { nodes { id name } } }")
    whole = await rows(service, "Users", select="*", top=1)
    assert list(whole[0]) == list(model().types["User"].properties)
    again = await rows(service, "Users", top=1)
    for each in (*whole, *again):
        del each["lastApiRequestAt"]  # these requests are
    assert again == whole
    without = await body(service, "Users", select="name", top=1)
    link = without["value"][0]["@odata.id"]
    assert without["value"] == [{"@odata.id": link, "name": whole[0]["name"]}]
    assert (await get(service, link)).json()["id"] == whole[0]["id"]


async def test_lists_and_objects_are_selected_as_they_are(service: Service) -> None:
    await fill(service)
    found = await rows(
        service, "Users", select="id,tags,externalIds,variables", filter="tags/any() and variables/any()"
    )
    wanted = await asked(
        service,
        "{ users(where: {tags: {some: {}}, variables: {some: {}}}) {"
        " nodes { id tags externalIds { source value } variables { name value } } } }",
    )
    assert found == wanted
    assert len(found) > 10
    assert (await rows(service, "Roles", select="id,permissions,synonyms")) == await asked(
        service, "{ roles { id permissions synonyms } }"
    )


async def test_every_order_that_graphql_has(service: Service) -> None:
    await fill(service)
    enum = await service.data('{ __type(name: "UserOrderField") { enumValues { name } } }')
    paths = {path: of for path in model().types["User"].properties if (of := model().types["User"].order((path,)))}
    paths["role/weight"] = "ROLE"
    assert set(paths.values()) == {each["name"] for each in enum["__type"]["enumValues"]}
    for path, name in paths.items():
        for word, direction in (("", "ASC"), (" asc", "ASC"), (" desc", "DESC")):
            order = f"{{field: {name}, direction: {direction}}}"
            wanted = await asked(service, f"{{ users(first: 100, orderBy: [{order}]) {{ nodes {{ id }} }} }}")
            assert await ids(service, "Users", orderby=f"{path}{word}") == [each["id"] for each in wanted]
    wanted = await asked(
        service,
        "{ users(first: 100, orderBy: [{field: STATE, direction: DESC}, {field: NAME}]) { nodes { id } } }",
    )
    assert await ids(service, "Users", orderby="state desc,name") == [each["id"] for each in wanted]


async def test_orders_that_there_are_not(service: Service) -> None:
    for text in ("isActive", "role/name", "tags", "length(name)", "name sideways", "groups/name"):
        status, code, _ = await refused(service, "Users", orderby=text)
        assert (status, code) == (501, "NOT_IMPLEMENTED"), text
    for text in ("nothing", "nothing desc"):
        assert (await refused(service, "Users", orderby=text))[:2] == (400, "BAD_REQUEST"), text
    assert (await refused(service, "Memberships", orderby="createdAt"))[0] == 501


async def test_short_lists_are_put_in_any_order(service: Service) -> None:
    roles = await asked(service, "{ roles { id name weight } }")
    by_name = [each["id"] for each in sorted(roles, key=lambda each: each["name"].casefold())]
    assert await ids(service, "Roles", orderby="name") == by_name
    assert await ids(service, "Roles", orderby="name desc") == by_name[::-1]
    assert await ids(service, "Roles", orderby="isBuiltIn,weight desc", top=2, skip=1) == ["role_2", "role_3"]
    assert await ids(service, "IdentityProviders", orderby="serverNumber desc,name") == [
        "provider_3",
        "provider_2",
        "provider_1",
        "provider_4",
    ]
    assert await rows(service, "Roles", orderby="weight", select="name", top=1) == [
        {"@odata.id": "http://127.0.0.1:8000/odata/Roles('role_5')", "name": "Read only"}
    ]
    found = await body(service, "Roles", count="true", filter="weight ge 60", top=1)
    assert (found["@odata.count"], len(found["value"])) == (3, 1)


async def test_top_and_skip_and_count(service: Service) -> None:
    await fill(service)
    everybody = await ids(service, "Users")
    for skip, top in ((0, 5), (3, 2), (60, 100), (68, 5), (69, 5), (500, 5), (5, 0), (0, 0)):
        found = await body(service, "Users", skip=skip, top=top, select="id", count="true")
        assert [row["id"] for row in found["value"]] == everybody[skip : skip + top], (skip, top)
        assert found["@odata.count"] == len(everybody)
        assert "@odata.nextLink" not in found
    ordered = await ids(service, "Users", orderby="name desc")
    assert await ids(service, "Users", orderby="name desc", skip=7, top=4) == ordered[7:11]
    assert await ids(service, "Users", skip=60) == everybody[60:]
    assert (await body(service, "Users", filter="state eq 'INVITED'", count="true", top=1))["@odata.count"] > 1


async def test_skip_is_bounded(service_with: Any) -> None:
    async with service_with(max_page=5) as service:
        await fill(service)
        everybody = [row["id"] for row in (await walked(service, "Users", select="id"))[0]]
        assert len(everybody) == 69
        for skip in (4, 5, 6, 12, 66, 69, 70):
            assert await ids(service, "Users", skip=skip, top=3) == everybody[skip : skip + 3]
        status, code, message = await refused(service, "Users", skip=10_001)
        assert (status, code) == (400, "BAD_REQUEST")
        assert "nextLink" in message


async def test_expand_one_level(service: Service) -> None:
    await fill(service)
    expand = "role($select=name,weight),identityProvider($select=name),groups($select=id,name;$orderby=name desc)"
    found = await body(service, "Users", select="id", expand=expand, top=40)
    wanted = await asked(
        service,
        """{ users(first: 40) { nodes { id role { name weight } identityProvider { name }
             groups(orderBy: [{field: NAME, direction: DESC}]) { nodes { id name } } } } }""",
    )
    for row, of in zip(found["value"], wanted, strict=True):
        inner = dict(row["role"])
        assert inner.pop("@odata.id").startswith("http://127.0.0.1:8000/odata/Roles('role_")
        assert inner == of["role"]
        assert (row["identityProvider"] or {}).get("name") == (of["identityProvider"] or {}).get("name")
        assert row["groups"] == of["groups"]["nodes"]
    assert any(row["identityProvider"] is None for row in found["value"])
    assert found["@odata.context"].endswith(
        "$metadata#Users(id,role(name,weight),identityProvider(name),groups(id,name))"
    )
    plain = await body(service, "Users", expand="role", top=1)
    assert plain["@odata.context"].endswith("$metadata#Users")
    assert set(plain["value"][0]["role"]) == set(model().types["Role"].properties)


async def test_options_inside_expand(service: Service) -> None:
    await fill(service)
    expand = "users($filter=state eq 'ACTIVE' and startswith(name,'a');$top=2;$count=true;$select=id,name)"
    for row in await rows(service, "Groups", expand=expand, select="id"):
        query = """query ($id: ID!) { node(id: $id) { ... on Group { users(first: 2,
          where: {state: {eq: ACTIVE}, name: {startsWith: "a"}}) { totalCount nodes { id name } } } } }"""
        wanted = (await service.data(query, {"id": row["id"]}))["node"]["users"]
        assert row == {"id": row["id"], "users": wanted["nodes"], "users@odata.count": wanted["totalCount"]}
        assert wanted["totalCount"] > 2


async def test_what_expand_does_not_take(service: Service) -> None:
    for text in ("groups($expand=users)", "groups($search=a)", "groups($skip=1)", "groups/$count", "groups/users", "*"):
        status, code, _ = await refused(service, "Users", expand=text)
        assert (status, code) == (501, "NOT_IMPLEMENTED"), text
    wrong = (
        "nothing",
        "name",
        "role($top=1)",
        "groups($top=x)",
        "role,role",
        "groups($select)",
        "groups($top=1;$top=2)",
    )
    for text in wrong:
        assert (await refused(service, "Users", expand=text))[:2] == (400, "BAD_REQUEST"), text
    assert (await refused(service, "Users", select="role/name"))[0] == 501
    assert (await refused(service, "Users", select="nothing"))[0] == 400


async def test_search_looks_for_every_word(service: Service) -> None:
    await fill(service)
    for text, words in (
        ("ann", "ann"),
        ("ann lee", "ann lee"),
        ("ann AND lee", "ann lee"),
        ('"usergraph.test"', "usergraph.test"),
    ):
        query = "query ($text: String) { users(first: 100, search: $text) { nodes { id } } }"
        wanted = [row["id"] for row in (await service.data(query, {"text": words}))["users"]["nodes"]]
        assert await ids(service, "Users", search=text) == wanted
        assert wanted
    for text in ("ann OR lee", "NOT ann", '"ann lee"', "(ann)", ""):
        assert (await refused(service, "Users", search=text))[:2] == (501, "NOT_IMPLEMENTED"), text
    assert (await refused(service, "Groups", search="web"))[:2] == (501, "NOT_IMPLEMENTED")


async def test_options_that_do_not_go_with_an_address(service: Service) -> None:
    for path in ("Users('user_8')?$filter=name eq 'a'", "Users('user_8')?$top=1", "Users/$count?$top=1",
                 "Users('user_8')/name?$select=name", "$metadata?$top=1", "Roles?$skiptoken=x"):  # fmt: skip
        assert (await refused(service, path))[:2] == (400, "BAD_REQUEST"), path
    for option in ("$nothing=1", "$Top=1", "$top=-1", "$top=1.5", "$skip=x", "$count=yes", "$top=1&$top=2", "top=1",
                   "filter=name eq 'a'", "$top="):  # fmt: skip
        path = f"Users?{option}"
        assert (await refused(service, path))[:2] == (400, "BAD_REQUEST"), path
    assert len(await rows(service, "Users?mine=1&other")) == 9


async def test_memberships_are_tables_of_their_own(service: Service) -> None:
    found = await rows(
        service, "Memberships", expand="user($select=id),organization($select=id,name),role($select=name)"
    )
    assert [(m["user"]["id"], m["organization"]["name"], (m["role"] or {}).get("name")) for m in found] == [
        ("user_6", "Acme", "Admin"),
        ("user_8", "Acme East", None),
        ("user_9", "Other", None),
    ]
    assert await ids(service, "Memberships", filter="organization/name eq 'acme east'") == ["membership_2"]
    assert await ids(service, "Memberships", filter="role eq null and user/state eq 'ACTIVE'") == [
        "membership_2",
        "membership_3",
    ]
    groups = await rows(service, "GroupMemberships", expand="user($select=id),group($select=id)")
    assert [(m["user"]["id"], m["group"]["id"]) for m in groups] == [("user_8", "group_1")]
    assert await ids(service, "GroupMemberships", filter="group/id eq 'group_2'") == []

"""The OData feed: what it says of itself, single entities, what hangs on them, and the form of every answer."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from graph.odata.model import SETS, model
from tests.odata import body, get, ids, refused, rows
from tests.service import Service, key_of

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


async def test_the_service_document_names_every_set(service: Service) -> None:
    for path in ("", "?$format=json"):
        answer = await get(service, path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json;odata.metadata=minimal;charset=utf-8"
        assert answer.headers["odata-version"] == "4.0"
        assert answer.json() == {
            "@odata.context": "http://127.0.0.1:8000/odata/$metadata",
            "value": [{"name": name, "kind": "EntitySet", "url": name} for name in SETS],
        }
    assert (await service.client.get("/odata", headers={"x-apikey": key_of("admin")})).status_code == 200


async def test_metadata_describes_every_type_of_the_schema_that_has_a_set(service: Service) -> None:
    answer = await get(service, "$metadata")
    assert answer.headers["content-type"] == "application/xml;charset=utf-8"
    root = ET.fromstring(answer.text)
    assert root.tag == "{http://docs.oasis-open.org/odata/ns/edmx}Edmx"
    assert root.attrib["Version"] == "4.0"
    types = {each.attrib["Name"]: each for each in root.iter(f"{EDM}EntityType")}
    user = {each.attrib["Name"]: each.attrib for each in types["User"].findall(f"{EDM}Property")}
    asked = await service.data('{ __type(name: "User") { fields { name } } }')
    relations = {each.attrib["Name"]: each.attrib["Type"] for each in types["User"].findall(f"{EDM}NavigationProperty")}
    left_out = {"invitations", "apiKeys", "sessions"}  # their types have no set
    left_out |= {"stableId"}  # nothing of the feed is read as of a time, so it is the id
    assert set(user) | set(relations) == {each["name"] for each in asked["__type"]["fields"]} - left_out
    assert user["id"] == {"Name": "id", "Type": "Edm.String", "Nullable": "false"}
    assert user["state"]["Type"] == "Edm.String"
    assert user["groupCount"]["Type"] == "Edm.Int32"
    assert user["isActive"]["Type"] == "Edm.Boolean"
    assert user["lastLoginAt"] == {"Name": "lastLoginAt", "Type": "Edm.DateTimeOffset", "Precision": "6"}
    assert user["tags"] == {"Name": "tags", "Type": "Collection(Edm.String)", "Nullable": "false"}
    assert user["variables"]["Type"] == "Collection(usergraph.Variable)"
    assert relations["role"] == "usergraph.Role"
    assert relations["groups"] == "Collection(usergraph.Group)"
    sets = {each.attrib["Name"]: each.attrib["EntityType"] for each in root.iter(f"{EDM}EntitySet")}
    assert sets == {name: f"usergraph.{of.type.name}" for name, of in model().sets.items()}


async def test_metadata_holds_together(service: Service) -> None:
    """Every name in it leads to something: types, keys, bindings, and the properties that restrictions name."""
    root = ET.fromstring((await get(service, "$metadata")).text)
    types = {f"usergraph.{each.attrib['Name']}": each for each in root.iter(f"{EDM}EntityType")}
    complexes = {f"usergraph.{each.attrib['Name']}" for each in root.iter(f"{EDM}ComplexType")}
    primitives = {"Edm.String", "Edm.Int32", "Edm.Double", "Edm.Boolean", "Edm.DateTimeOffset"}
    sets = {each.attrib["Name"]: each for each in root.iter(f"{EDM}EntitySet")}
    for name, each in types.items():
        inner = [p.attrib["Name"] for p in each if p.tag in (f"{EDM}Property", f"{EDM}NavigationProperty")]
        assert len(inner) == len(set(inner)), name
        assert [ref.attrib["Name"] for ref in each.iter(f"{EDM}PropertyRef")] == ["id"]
        for found in each.findall(f"{EDM}Property"):
            named = found.attrib["Type"].removeprefix("Collection(").removesuffix(")")
            assert named in primitives | complexes, named
        for found in each.findall(f"{EDM}NavigationProperty"):
            assert found.attrib["Type"].removeprefix("Collection(").removesuffix(")") in types
    for of in sets.values():
        properties = {p.attrib["Name"] for p in types[of.attrib["EntityType"]].findall(f"{EDM}Property")}
        relations = {p.attrib["Name"] for p in types[of.attrib["EntityType"]].findall(f"{EDM}NavigationProperty")}
        bound = {each.attrib["Path"]: each.attrib["Target"] for each in of.findall(f"{EDM}NavigationPropertyBinding")}
        assert set(bound) == relations
        assert set(bound.values()) <= set(sets)
        assert {each.text for each in of.iter(f"{EDM}PropertyPath")} <= properties


async def test_metadata_is_the_same_to_all_and_comes_in_json_too(service: Service) -> None:
    whole = (await get(service, "$metadata")).text
    assert (await get(service, "$metadata", who="readonly")).text == whole
    told = (await body(service, "$metadata", format="json"))["usergraph"]
    root = ET.fromstring(whole)
    for each in root.iter(f"{EDM}EntityType"):
        names = [p.attrib["Name"] for p in each if p.tag in (f"{EDM}Property", f"{EDM}NavigationProperty")]
        assert [name for name in told[each.attrib["Name"]] if name[0] not in "$@"] == names
    assert [name for name in told["Directory"] if name[0] not in "$@"] == list(SETS)


async def test_metadata_is_xml_to_those_who_put_json_first_in_every_request(service: Service) -> None:
    """As Excel and Power BI do, which read nothing else."""
    accept = (
        "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,"
        "application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7"
    )
    for path, media in (("$metadata", "application/xml"), ("", "application/json"), ("Users", "application/json")):
        answer = await get(service, path, headers={"accept": accept, "odata-maxversion": "4.0"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media)
    answer = await get(service, "$metadata", headers={"accept": "application/json"})
    assert answer.json()["$Version"] == "4.01"


async def test_one_entity_by_its_key(service: Service) -> None:
    found = await body(service, "Users('user_8')")
    asked = await service.data(
        '{ user(by: {id: "user_8"}) { id username email name state groupCount tags variables { name value } createdAt'
        " role { id name } } }"
    )
    wanted = asked["user"]
    role = wanted.pop("role")
    assert found["@odata.context"] == "http://127.0.0.1:8000/odata/$metadata#Users/$entity"
    assert {name: found[name] for name in wanted} == wanted
    assert set(found) == {"@odata.context", *model().types["User"].properties}
    assert (await body(service, "Users(id='user_8')")) == found
    expanded = await body(service, "Users('user_8')", select="name", expand="role($select=id,name)")
    assert expanded == {
        "@odata.context": "http://127.0.0.1:8000/odata/$metadata#Users(name,role(id,name))/$entity",
        "@odata.id": "http://127.0.0.1:8000/odata/Users('user_8')",
        "name": "Member",
        "role": role,
    }


async def test_every_set_gives_its_entities_by_their_keys(service: Service) -> None:
    await service.data('mutation { updateUser(input: {id: "user_8", name: "Renamed"}) { errors { code } } }')
    for name in SETS:
        found = await rows(service, name)
        assert found, f"{name} is empty"
        for row in found[-3:]:
            one = await body(service, f"{name}('{row['id']}')")
            assert one.pop("@odata.context") == f"http://127.0.0.1:8000/odata/$metadata#{name}/$entity"
            assert one == row


async def test_what_hangs_on_an_entity(service: Service) -> None:
    role = await body(service, "Users('user_8')/role")
    assert role["@odata.context"] == "http://127.0.0.1:8000/odata/$metadata#Roles/$entity"
    assert role["name"] == "Normal user"
    groups = await body(service, "Users('user_8')/groups", select="name", count="true")
    assert groups == {
        "@odata.context": "http://127.0.0.1:8000/odata/$metadata#Groups(name)",
        "@odata.count": 1,
        "value": [{"@odata.id": "http://127.0.0.1:8000/odata/Groups('group_1')", "name": "Web work"}],
    }
    assert await ids(service, "Groups('group_1')/users", filter="name eq 'member'") == ["user_8"]
    assert await ids(service, "Groups('group_1')/users", filter="name eq 'admin'") == []
    assert await ids(service, "Roles('role_4')/users", orderby="name desc", top=2) == ["user_9", "user_6"]
    assert (await get(service, "Groups('group_1')/users/$count")).text == "1"
    assert (await get(service, "Organizations('organization_1')/parent")).status_code == 204
    user = await body(service, "Memberships('membership_2')/user", select="id,name")
    assert (user["id"], user["name"]) == ("user_8", "Member")


async def test_one_property(service: Service) -> None:
    assert await body(service, "Users('user_8')/name") == {
        "@odata.context": "http://127.0.0.1:8000/odata/$metadata#Users('user_8')/name",
        "value": "Member",
    }
    for name, wanted in (("name", "Member"), ("version", "1"), ("isActive", "true")):
        raw = await get(service, f"Users('user_8')/{name}/$value")
        assert (raw.status_code, raw.text) == (200, wanted)
        assert raw.headers["content-type"] == "text/plain;charset=utf-8"
    for path in ("Users('user_8')/firstName", "Users('user_8')/firstName/$value"):
        assert (await get(service, path)).status_code == 204
    created = (await body(service, "Users('user_8')/createdAt"))["value"]
    assert (await get(service, "Users('user_8')/createdAt/$value")).text == created


async def test_texts_of_json_are_texts(service: Service) -> None:
    await service.data('mutation { updateUser(input: {id: "user_8", name: "Renamed"}) { errors { code } } }')
    found = await rows(service, "AuditEvents", filter="subjectId eq 'user_8'")
    assert found[0]["changes"] == '{"name":["Member","Renamed"]}'
    assert found[0]["action"] == "UPDATED"


async def test_counts(service: Service) -> None:
    total = (await service.data("{ users { totalCount } }"))["users"]["totalCount"]
    answer = await get(service, "Users/$count")
    assert (answer.text, answer.headers["content-type"]) == (str(total), "text/plain;charset=utf-8")
    assert (await get(service, "Users/$count", filter="state eq 'ACTIVE' and name ne 'Member'")).text == str(total - 1)
    assert (await get(service, "Users/$count", search="member")).text == "1"
    assert (await get(service, "Roles/$count", filter="weight gt 50")).text == "3"


async def test_annotations_as_they_are_asked_for(service: Service) -> None:
    asked: dict[str, Any] = {"select": "name", "top": 1, "count": "true"}
    for media in ("application/json;odata.metadata=none", "application/json;odata=nometadata"):
        answer = await get(service, "Users", headers={"accept": media}, **asked)
        assert answer.headers["content-type"] == "application/json;odata.metadata=none;charset=utf-8"
        told = answer.json()
        assert set(told) == {"@odata.count", "value"}
        assert list(told["value"][0]) == ["name"]
    by_option = await get(service, "Users?$format=application/json;odata.metadata=none&$top=1&$select=name")
    assert set(by_option.json()) == {"value"}
    full = await get(service, "Users", headers={"accept": "application/json;odata.metadata=full"}, **asked)
    assert full.headers["content-type"] == "application/json;odata.metadata=minimal;charset=utf-8"
    assert (await refused(service, "Users", headers={"accept": "application/atom+xml"}))[:2] == (406, "NOT_ACCEPTABLE")
    assert (await refused(service, "Users", format="atom"))[:2] == (406, "NOT_ACCEPTABLE")
    assert (await refused(service, "$metadata", headers={"accept": "text/csv"}))[:2] == (406, "NOT_ACCEPTABLE")


async def test_versions(service: Service) -> None:
    for most in ("4.0", "4.01"):
        assert (await get(service, "Users", headers={"odata-maxversion": most})).headers["odata-version"] == "4.0"
    assert (await refused(service, "Users", headers={"odata-maxversion": "3.0"}))[:2] == (400, "BAD_REQUEST")
    assert (await refused(service, "Users", headers={"odata-maxversion": "new"}))[:2] == (400, "BAD_REQUEST")


async def test_head_answers_without_a_body(service: Service) -> None:
    keys = {"x-apikey": key_of("admin")}
    for path in ("", "$metadata", "Groups", "Users('user_8')", "Users/$count"):
        whole, head = await get(service, path), await service.client.head(f"/odata/{path}", headers=keys)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
        assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_it_is_for_reading(service: Service, method: str) -> None:
    before = await service.snapshot()
    keys = {"x-apikey": key_of("admin")}
    answer = await service.client.request(method, "/odata/Users('user_8')", headers=keys, json={"name": "x"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["error"]["code"] == "METHOD_NOT_ALLOWED"
    for path in ("$batch", "Users/$query"):
        answer = await service.client.request(method, f"/odata/{path}", headers=keys)
        assert answer.status_code == 501
        assert path.split("/")[-1] in answer.json()["error"]["message"]
    assert await service.snapshot() == before


async def test_what_there_is_not(service: Service) -> None:
    for path in (
        "Nothing",
        "users",
        "Users('user_999')",
        "Users('role_1')",
        "Users('')",
        "Users('user_8')/nothing",
        "Users('user_8')/name/length",
        "Users/user_8",
        "Users('user_999')/groups",
        "Users('user_999')/groups/$count",
        "Users('user_999')/name",
        "Memberships('membership_999')",
        "Memberships('user_8')",
        "()",
    ):
        assert (await refused(service, path))[:2] == (404, "NOT_FOUND"), path
    for path in ("Users(user_8)", "Users(8)", "Users(username='admin')"):
        assert (await refused(service, path))[:2] == (400, "BAD_REQUEST"), path


async def test_what_odata_has_and_this_feed_has_not(service: Service) -> None:
    for path in ("Users('user_8')/groups('group_1')", "Users('user_8')/role/name", "Users('user_8')/groups/$ref"):
        assert (await refused(service, path))[:2] == (501, "NOT_IMPLEMENTED"), path
    for option in ("$compute=1", "$deltatoken=1", "$index=1"):
        status, code, message = await refused(service, f"Users?{option}")
        assert (status, code) == (501, "NOT_IMPLEMENTED")
        assert option.split("=")[0] in message


async def test_requests_are_counted_and_logged_by_the_set_they_ask_for(service: Service) -> None:
    await get(service, "Users", top=1)
    await get(service, "Nothing")
    answer = await service.client.get("/metrics")
    assert 'operation="ODataUsers",outcome="ok"' in answer.text
    assert 'operation="none",outcome="refused"' in answer.text


async def test_the_same_question_is_the_same_document(service: Service) -> None:
    """Values are variables: neither a filter nor a page makes a text that has to be parsed and planned anew."""
    documents = service.app.state.engine.documents
    await get(service, "Users", filter="name eq 'a'", top=3, orderby="name", expand="groups($top=1)")
    before = documents.misses, documents.plan_misses
    await get(service, "Users", filter="state eq 'ACTIVE' or version gt 2", top=5, expand="groups($top=2)", skip=0)
    await get(service, "Users", search="x", orderby="email desc", expand="groups($orderby=name desc)")
    assert (documents.misses, documents.plan_misses) == before

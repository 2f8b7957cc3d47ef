"""What OData has and the feed has not is refused with 501 by its own name; what is no OData stays 400."""

import pytest

from graph.odata.standard import ANSWERED, FUNCTIONS, SEGMENTS
from tests.odata import get
from tests.service import Service

# Every function of the standard in a valid expression.
CALLS = {
    "concat": "concat(name,'a') eq 'b'",
    "indexof": "indexof(name,'a') gt 1",
    "length": "length(name) lt 3",
    "substring": "substring(name,1,2) eq 'a'",
    "trim": "trim(name) eq 'a'",
    "matchespattern": "matchesPattern(name,'^a.*')",
    "hassubset": "hassubset(tags,['a'])",
    "hassubsequence": "hassubsequence(tags,['a'])",
    "day": "day(createdAt) gt 3",
    "fractionalseconds": "fractionalseconds(createdAt) lt 0.5",
    "hour": "hour(createdAt) eq 3",
    "maxdatetime": "createdAt lt maxdatetime()",
    "mindatetime": "createdAt gt mindatetime()",
    "minute": "minute(createdAt) ge 3",
    "month": "month(createdAt) in (1,2)",
    "second": "second(createdAt) ne 3",
    "time": "time(createdAt) gt 12:00:00",
    "totaloffsetminutes": "totaloffsetminutes(createdAt) eq 0",
    "totalseconds": "totalseconds(duration'PT1S') eq 1",
    "ceiling": "ceiling(groupCount) eq 1",
    "floor": "floor(groupCount) eq 1",
    "round": "round(groupCount) eq 1",
    "cast": "cast(createdAt,Edm.String) eq 'a'",
    "isof": "isof(usergraph.User)",
    "case": "case(isActive:1,true:2) eq 1",
    "geo.distance": "geo.distance(name,geography'SRID=0;Point(1 2)') lt 1",
    "geo.intersects": "geo.intersects(name,geography'SRID=0;Point(1 2)')",
    "geo.length": "geo.length(name) lt 1",
}
OTHERS = {
    "groups/$count gt 2": "$count of a collection",
    "role/users/$count gt 2": "$count of a collection",
    "$it/name eq 'a'": "$it",
    "groups/any(g: $it/name eq g/name)": "$it",
    "$root/Users('user_1')/name eq name": "$root",
    "tags/any(t: $this eq 'a')": "$this",
    "groups/$filter(name eq 'a')/any()": "$filter in a path",
    "state has 'ACTIVE'": "the operator has",
    "groupCount divby 2 eq 1": "the operator divby",
    "groupCount mul 2 eq 4": "the operator mul",
    "groupCount mod 2 eq 0": "the operator mod",
    "name eq @p": "parameter aliases such as @p",
    "state eq usergraph.UserState'ACTIVE'": "literals of usergraph.UserState",
    "name eq binary'T0RhdGE'": "literals of binary",
    "role/usergraph.Role/name eq 'IT'": "the type usergraph.Role in a path",
    "groupCount lt INF": "the number INF",
    "not isof(role,usergraph.Role)": "isof()",
    "isActive and (cast(groupCount,'Edm.String') eq '1' or name eq 'a')": "cast()",
}
WRONG = (
    "frobnicate(name) eq 'a'",
    "$nothing eq 'a'",
    "name eq",
    "castle(name) eq 'a'",
    "name has",
    "lengthy eq 1",
)


async def refused(service: Service, path: str, **options: str) -> tuple[int, str, str]:
    answer = await get(service, path, **options)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_the_table_of_calls_is_that_of_the_standard() -> None:
    assert set(CALLS) == FUNCTIONS - ANSWERED


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_each_function_of_the_standard_that_is_not_answered_is_refused_by_its_name(
    service: Service, name: str
) -> None:
    status, code, message = await refused(service, "Users", filter=CALLS[name])
    assert (status, code) == (501, "NOT_IMPLEMENTED")
    assert f"{name}()" in message.lower()


async def test_other_parts_of_expressions_are_refused_by_their_names(service: Service) -> None:
    for text, name in OTHERS.items():
        status, code, message = await refused(service, "Users", filter=text)
        assert (status, code) == (501, "NOT_IMPLEMENTED"), text
        assert name in message, (text, message)
        nested = await refused(service, "Groups", expand=f"users($filter={text})")
        assert nested[:2] == (501, "NOT_IMPLEMENTED"), text


async def test_what_is_no_odata_is_still_wrong(service: Service) -> None:
    for text in WRONG:
        assert (await refused(service, "Users", filter=text))[:2] == (400, "BAD_REQUEST"), text


async def test_names_of_the_standard_inside_texts_are_texts(service: Service) -> None:
    for text in ("length(name)", "$it", "groups/$count", "a has b", "@p", "usergraph.User/x", "it''s cast(x)", "INF"):
        answer = await get(service, "Users", filter=f"name eq '{text}'")
        assert (answer.status_code, answer.json()["value"]) == (200, []), text


@pytest.mark.parametrize("segment", sorted(SEGMENTS))
async def test_segments_of_the_standard_are_refused_by_their_names(service: Service, segment: str) -> None:
    for path in (segment, f"Users/{segment}", f"Users('user_1')/{segment}", f"{segment}(Users,Groups)"):
        status, code, message = await refused(service, path)
        assert (status, code) == (501, "NOT_IMPLEMENTED"), path
        assert segment in message


async def test_types_in_addresses_are_refused_by_their_names(service: Service) -> None:
    for path in ("Users/usergraph.User", "Users('user_1')/usergraph.User/name", "Users/Edm.String"):
        status, code, message = await refused(service, path)
        assert (status, code) == (501, "NOT_IMPLEMENTED"), path
        assert path.split("/")[1].split("(")[0] in message
    assert (await refused(service, "Nothing"))[0] == 404
    assert (await refused(service, "Users/nothing"))[0] == 404


@pytest.mark.parametrize(
    "text",
    [
        "identity",
        "topcount(3,groupCount)",
        "concat(identity,identity)",
        "groupby((state))/topsum(1,n)",
        "orderby(name)",
    ],
)
async def test_transformations_of_the_standard_are_refused_by_their_names(service: Service, text: str) -> None:
    status, code, message = await refused(service, "Users", apply=text)
    assert (status, code) == (501, "NOT_IMPLEMENTED")
    assert any(name in message for name in ("identity", "topcount", "concat", "groupby"))

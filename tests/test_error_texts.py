"""Error texts: hostile values in every argument and input field are refused without telling of the inside."""

import re
from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_composite_type,
)

from tests.service import SECRET, Service, key_of

# SQL, databases, paths, modules, classes, objects and tracebacks.
INSIDE = re.compile(
    r"SELECT |INSERT INTO|DELETE FROM|\bWHERE\b|syntax error at|sqlite|postgres|asyncpg|SQLITE|constraint|\$1|"
    r"Traceback|File \"|line \d+, in |site-packages|\.venv|\.py\b|/work/|/tmp/|/home/|/root/|sys\.|"
    r"\b(graph|resolvers|models|tests|strawberry|tortoise|starlette|uvicorn|orjson)\.\w|"
    r"\b(?!UserError\b)[A-Z]\w+(Error|Exception)\b|<class|object at 0x|<\w+\.\w+|"
    r"Optional\[|dict_|\bstr\b|NoneType|Undefined|int_max_str"
)
SECRETS = (SECRET, key_of("admin"), key_of("normal"), "$argon2")
PASSWORD = "plum violin harbour 45"

# What each kind of value is tried with; a valid one stands elsewhere in the same call.
HOSTILE: dict[str, list[Any]] = {
    "String": [
        *(None, "", "  ", "x" * 70_000, "' OR 1=1 --", "%_\\", "a\r\nb", "\u202eabc\u200d", "😀" * 300, "|"),
        *(7, ["a"], {}),
    ],
    "ID": [
        *(None, "", "x", "user_", "user_0", "user_-1", "user_1e3", "role_99999999999999999999", "user_1; --", "user_①"),
        *(7, {}),
    ],
    "Int": [None, -1, 0, 2**31 - 1, -(2**31), 2**31, 1.5, "1", True],
    "Float": [None, -1.5, 0, 1e308, "1", True],
    "Boolean": [None, False, "true", 1],
    "DateTime": [
        *(None, "", "now", "2024-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        *("2024-01-01", "-P90D", "-P99999W", "2024-01-32", "2024-01-01T00:00:00", "24:00", 0, 1e300, {}),
    ],
    "JSON": [
        None,
        "",
        "x",
        "\x00",
        0,
        [],
        {},
        [[]],
        {"n": 1},
        {"n": "x"},
        {"n": "\x00"},
        {"n": 10**18},
        {"n": {"n": None}},
        {"": 1},
        {"unknown": 1},
        {"__class__": "\U0001f600"},
        {"n": [[[["deep"]]]] * 1_000},
    ],
}
VALID: dict[str, Any] = {
    "RoleRef": {"name": "Read only"},
    "AuthenticationInput": {"apiOnly": True},
    "UserKey": {"username": "it"},
    "DateTime": "2030-01-01T00:00:00Z",
    "Boolean": True,
    "Int": 9,
    "Float": 5.0,
    "email": "fresh@usergraph.test",
    "newPassword": PASSWORD,
    "document": "query($n: Int) { users(first: $n) { totalCount } }",
    "groups": "Web work",
    "IdentityProviderKind": "SAML",
}
IDS = {
    "group": "group_1",
    "organization": "organization_3",
    "parent": "organization_2",
    "role": "role_5",
    "identityprovider": "provider_2",
    "invitation": "invitation_1",
    "apikey": "key_2",
    "report": "report_1",
    "node": "group_1",
}


class Inputs:
    """Values for the arguments of one root field.

    The fields of a `where`, and of what stands within an input, are tried once over all root fields: one type is
    understood by one piece of code, wherever it stands.
    """

    def __init__(self, root: str, seen: set[tuple[str, str]]) -> None:
        self._root = root
        self._seen = seen

    def _id(self, name: str) -> str:
        for text in (name.lower(), self._root.lower()):
            for part, typed in IDS.items():
                if part in text and not text.startswith("user"):
                    return typed
        return "user_8"

    def valid(self, type_: Any, name: str) -> Any:
        if isinstance(type_, GraphQLNonNull):
            return self.valid(type_.of_type, name)
        if isinstance(type_, GraphQLList):
            return [self.valid(type_.of_type, name)]
        if type_.name in VALID or (name in VALID and type_.name == "String"):
            return VALID[type_.name if type_.name in VALID else name]
        if type_.name == "ID":
            return self._id(name)
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            needed = {n: f for n, f in type_.fields.items() if isinstance(f.type, GraphQLNonNull)}
            made = {each: self.valid(field.type, each) for each, field in needed.items()}
            return {**made, "dryRun": True} if "dryRun" in type_.fields else made
        return f"fresh {name}"

    def hostile(self, type_: Any, name: str, *, within: bool = False) -> Iterator[Any]:
        """Values of the type with one thing wrong in each."""
        if isinstance(type_, GraphQLNonNull):
            yield from self.hostile(type_.of_type, name, within=within)
        elif isinstance(type_, GraphQLList):
            yield from (
                [],
                [None],
                [[]],
                [self.valid(type_.of_type, name)] * 2,
                [self.valid(type_.of_type, name)] * 101,
            )
            for value in self.hostile(type_.of_type, name, within=within):
                yield [value]
        elif isinstance(type_, GraphQLInputObjectType):
            base = {} if type_.is_one_of else self.valid(type_, name)
            yield from (None, {}, [], "x", {**base, "unknown": 1})
            for each, field in type_.fields.items():
                place = (type_.name, each)
                if each != "dryRun" and place not in self._seen:
                    if within or type_.name.endswith("Where"):
                        self._seen.add(place)
                    for value in self.hostile(field.type, each, within=True):
                        yield {**base, each: value}
        elif isinstance(type_, GraphQLEnumType):
            yield from (None, "", "NOPE", 1, ["NOPE"], *type_.values)
        else:
            yield from HOSTILE[type_.name]


def calls(root: GraphQLObjectType, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a root with every argument hostile in turn."""
    seen: set[tuple[str, str]] = set()
    for name, field in root.fields.items():
        inputs = Inputs(name, seen)
        declared = ", ".join(f"${each}: {argument.type}" for each, argument in field.args.items())
        given = ", ".join(f"{each}: ${each}" for each in field.args)
        inside = "errors { code message path }" if kind == "mutation" else "__typename"
        if "nodes" in getattr(get_named_type(field.type), "fields", {}):
            inside = "totalCount nodes { __typename }"
        chosen = f" {{ {inside} }}" if is_composite_type(get_named_type(field.type)) else ""
        query = f"{kind}({declared}) {{ {name}({given}){chosen} }}" if declared else f"{{ {name}{chosen} }}"
        needed = {n: a for n, a in field.args.items() if isinstance(a.type, GraphQLNonNull)}
        base = {each: inputs.valid(argument.type, each) for each, argument in needed.items()}
        yield query, base
        for each, argument in field.args.items():
            for value in inputs.hostile(argument.type, each):
                yield query, {**base, each: value}


def share(service: Service, all_calls: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Most end before any database: PostgreSQL, which is strict about types, is tried with two of three, SQLite with
    the third.
    """
    is_postgres = service.database.dialect.name == "postgres"
    return (call for number, call in enumerate(all_calls) if (number % 3 > 0) is is_postgres)


async def check(service: Service, query: str, variables: Any, who: str | None = "admin") -> None:
    answer = await service.post({"query": query, "variables": variables}, who=who)
    body = answer.json()
    shown = f"{query} {str(variables)[:300]} {answer.text[:600]}"
    for error in body.get("errors", []):
        assert error["extensions"]["code"] not in ("INTERNAL", "SERVICE_UNAVAILABLE"), shown
        assert len(error["message"]) < 1_000, shown
    assert answer.status_code < 500, shown
    texts = [error["message"] for error in body.get("errors", [])]
    texts += [
        e["message"] for v in (body.get("data") or {}).values() if isinstance(v, dict) for e in v.get("errors", [])
    ]
    for text in texts:
        assert not INSIDE.search(text), (INSIDE.search(text), shown)
        assert not any(secret in text for secret in (*SECRETS, PASSWORD)), shown


async def read(service: Service) -> GraphQLSchema:
    return build_client_schema(await service.data(get_introspection_query()))


async def test_no_hostile_argument_of_a_query_is_a_bug_or_tells_of_the_inside(service: Service) -> None:
    before = await service.snapshot()
    root = (await read(service)).query_type
    assert root is not None
    count = 0
    for query, variables in share(service, calls(root, "query")):
        await check(service, query, variables)
        count += 1
    assert count > 500
    assert await service.snapshot() == before


async def test_no_hostile_input_of_a_mutation_is_a_bug_or_tells_of_the_inside(service: Service) -> None:
    before = await service.snapshot()
    root = (await read(service)).mutation_type
    assert root is not None
    count = 0
    for query, variables in share(service, calls(root, "mutation")):
        await check(service, query, variables)
        count += 1
    assert count > 1_000
    plans = ("directory_jobs", "directory_job_rows")  # what dry runs of directories are for
    after = await service.snapshot()
    assert {name: after[name] for name in after if name not in plans and after[name] != before[name]} == {}


async def test_what_was_sent_in_secret_is_not_repeated(service: Service) -> None:
    made = "mutation($i: CreateUserInput!) { createUser(input: $i) { errors { code message } } }"
    word = "mutation($i: ChangePasswordInput!) { changePassword(input: $i) { errors { code message } } }"
    local = {"local": {"password": PASSWORD}}
    asked: list[tuple[str, dict[str, Any]]] = [
        (made, {"i": {"username": "x", "authentication": local}}),
        (made, {"i": {"authentication": local, "role": 7, PASSWORD: 1}}),
        (made, {"i": {"authentication": {"local": PASSWORD}}}),
        (made, {"i": {"authentication": {"local": {"password": [PASSWORD]}}}}),
        (made, {"i": {"authentication": {**local, "apiOnly": True}}}),
        (made, {"i": PASSWORD}),
        (word, {"i": {"id": "user_1", "newPassword": [PASSWORD]}}),
        (word, {"i": {"id": "user_1", "newPassword": {"a": PASSWORD}}}),
        (word, {"i": {"id": [PASSWORD], "newPassword": PASSWORD, "currentPassword": PASSWORD}}),
        (word, {"i": {"id": "user_1", "newPassword": "short", "currentPassword": PASSWORD}}),
        (f'mutation {{ createUser(input: {{authentication: {{local: {{password: "{PASSWORD}"}}}}}}) {{ x }} }}', {}),
        (f'mutation {{ changePassword(input: {{id: 1.5, newPassword: "{PASSWORD}", x: 1}}) {{ x }} }}', {}),
        (f'mutation {{ changePassword(input: {{newPassword: ["{PASSWORD}"]}}) {{ x }} }}', {}),
        (f'{{ users(first: "{PASSWORD}") {{ totalCount }} }}', {}),
        (f'mutation {{ resetPassword(input: {{token: "{PASSWORD}", newPassword: ""}}) {{ errors {{message}} }} }}', {}),
        (f'mutation {{ acceptInvitation(input: {{token: "{PASSWORD}"}}) {{ errors {{ message }} }} }}', {}),
    ]
    for query, variables in asked:
        answer = await service.post({"query": query, "variables": variables})
        assert "message" in answer.text, answer.text
        assert PASSWORD not in answer.text, answer.text
        await check(service, query, variables)
    for headers in ({"x-apikey": PASSWORD}, {"authorization": f"Bearer {PASSWORD}"}):
        answer = await service.post({"query": "{ me { id } }"}, who=None, headers=headers)
        assert answer.status_code == 401
        assert PASSWORD not in answer.text + str(answer.headers)

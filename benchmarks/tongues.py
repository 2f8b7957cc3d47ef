"""How each kind of peer is asked, and how its answers are brought to one form."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from benchmarks.questions import Answer, Person, Question
from benchmarks.tools import BenchError


class Tongue(Protocol):
    """`cursors` tells whether `after` is a cursor, which the peer is asked for beforehand."""

    cursors: bool

    def path(self, question: Question) -> str: ...

    def body(self, question: Question, values: Mapping[str, Any]) -> bytes: ...

    def answer(self, question: Question, text: bytes) -> Answer: ...


def _documents(named: Mapping[str, tuple[str, str]], selection: str) -> dict[str, str]:
    return {kind: f"query({variables}) {{ {body % selection} }}" for kind, (variables, body) in named.items()}


class GraphQL:
    """A document with variables, posted as JSON."""

    cursors = True
    documents: Mapping[str, str]
    list_field = "users"
    one_field = "user"
    cursor_document = ""

    def path(self, question: Question) -> str:
        return "/graphql"

    def identifier(self, number: int) -> str:
        return str(number)

    def body(self, question: Question, values: Mapping[str, Any]) -> bytes:
        given = dict(values)
        if "id" in given:
            given["id"] = self.identifier(given["id"])
        if "after" in given:
            given["after"] = str(given["after"])
        return json.dumps({"query": self.documents[question.kind], "variables": given}).encode()

    def cursor_body(self, number: int) -> bytes:
        return json.dumps({"query": self.cursor_document, "variables": {"id": self.identifier(number)}}).encode()

    def cursor(self, text: bytes) -> str:
        return str(self.data(text)[self.list_field]["edges"][0]["cursor"])

    def data(self, text: bytes) -> Any:
        said = json.loads(text)
        if said.get("errors"):
            raise BenchError(f"it answered with errors: {said['errors'][:2]}")
        return said["data"]

    def answer(self, question: Question, text: bytes) -> Answer:
        data = self.data(text)
        if question.kind == "one":
            return Answer([self.person(data[self.one_field])])
        page = data[self.list_field]
        return Answer([self.person(row) for row in page["nodes"]], page.get("totalCount"))

    def person(self, row: Mapping[str, Any]) -> Person:
        raise NotImplementedError


class Usergraph(GraphQL):
    """The typed ids and cursors of `usergraph serve`."""

    documents = _documents(
        {
            "page": ("$first: Int!", "users(first: $first) { nodes { %s } }"),
            "one": ("$id: ID!", "user(by: {id: $id}) { %s }"),
            "filtered": (
                "$role: String!, $since: DateTime!, $first: Int!",
                "users(first: $first, where: {role: {name: {eq: $role}}, createdAt: {after: $since}},"
                " orderBy: [{field: LAST_LOGIN_AT, direction: DESC}]) { totalCount nodes { %s } }",
            ),
            "behind": ("$after: String!, $first: Int!", "users(first: $first, after: $after) { nodes { %s } }"),
            "search": ("$word: String!, $first: Int!", "users(first: $first, search: $word) { nodes { %s } }"),
        },
        "id username email name state lastLoginAt createdAt role { id name weight }"
        " organizations { nodes { id name } } createdBy { id username }",
    )
    cursor_document = "query($id: ID!) { users(first: 1, where: {id: {eq: $id}}) { edges { cursor } } }"

    def identifier(self, number: int) -> str:
        return f"user_{number}"

    def person(self, row: Mapping[str, Any]) -> Person:
        return person(row, row["organizations"]["nodes"])


class PostGraphile(GraphQL):
    """Names as PostGraphile's amber preset derives them from the tables; `id` is a row's key, not a global one.

    Organizations are asked through the many-to-many plugin as a plain list, the quickest of the ways it offers.
    """

    list_field = "allUsers"
    one_field = "userByRowId"
    documents = _documents(
        {
            "page": ("$first: Int!", "allUsers(first: $first) { nodes { %s } }"),
            "one": ("$id: BigInt!", "userByRowId(rowId: $id) { %s }"),
            "filtered": (
                "$role: String!, $since: Datetime!, $first: Int!",
                "allUsers(first: $first, filter: {roleByRoleId: {name: {equalTo: $role}},"
                " createdAt: {greaterThan: $since}}, orderBy: [RECENT_LOGIN_DESC, ROW_ID_DESC])"
                " { totalCount nodes { %s } }",
            ),
            "behind": ("$after: Cursor!, $first: Int!", "allUsers(first: $first, after: $after) { nodes { %s } }"),
            "search": (
                "$word: String!, $first: Int!",
                "allUsers(first: $first, filter: {searchKey: {includes: $word}}) { nodes { %s } }",
            ),
        },
        "rowId username email name state lastLoginAt createdAt role: roleByRoleId { rowId name weight }"
        " organizations: organizationsByOrganizationMemberUserIdAndOrganizationIdList { rowId name }"
        " createdBy: userByCreatedById { rowId username }",
    )
    cursor_document = "query($id: BigInt!) { allUsers(first: 1, condition: {rowId: $id}) { edges { cursor } } }"

    def person(self, row: Mapping[str, Any]) -> Person:
        return person(row, row["organizations"], key="rowId")


class Plain(GraphQL):
    """The service in benchmarks/plain.py."""

    cursors = False
    documents = _documents(
        {
            "page": ("$first: Int!", "users(first: $first) { nodes { %s } }"),
            "one": ("$id: ID!", "user(id: $id) { %s }"),
            "filtered": (
                "$role: String!, $since: DateTime!, $first: Int!",
                "users(first: $first, role: $role, createdAfter: $since, recentFirst: true)"
                " { totalCount nodes { %s } }",
            ),
            "behind": ("$after: ID!, $first: Int!", "users(first: $first, after: $after) { nodes { %s } }"),
            "search": ("$word: String!, $first: Int!", "users(first: $first, search: $word) { nodes { %s } }"),
        },
        "id username email name state lastLoginAt createdAt role { id name weight }"
        " organizations { id name } createdBy { id username }",
    )

    def person(self, row: Mapping[str, Any]) -> Person:
        return person(row, row["organizations"])


class Handwritten:
    """The handler in benchmarks/handwritten.py: a path for each question, the variables as the body."""

    cursors = False

    def path(self, question: Question) -> str:
        return f"/{question.kind}"

    def body(self, question: Question, values: Mapping[str, Any]) -> bytes:
        return json.dumps(values).encode()

    def answer(self, question: Question, text: bytes) -> Answer:
        said = json.loads(text)
        if question.kind == "one":
            return Answer([person(said, said["organizations"])])
        page = said if question.kind == "filtered" else {"nodes": said}
        return Answer([person(row, row["organizations"]) for row in page["nodes"]], page.get("totalCount"))


def person(row: Mapping[str, Any], organizations: Sequence[Mapping[str, Any]], key: str = "id") -> Person:
    role, maker = row["role"], row["createdBy"]
    return {
        "id": _number(row[key]),
        "columns": (
            *(row[name] for name in ("username", "email", "name", "state")),
            _moment(row["lastLoginAt"]),
            _moment(row["createdAt"]),
        ),
        "role": (_number(role[key]), role["name"], role["weight"]),
        "organizations": sorted((_number(each[key]), each["name"]) for each in organizations),
        "created_by": (_number(maker[key]), maker["username"]) if maker else None,
    }


def _number(identifier: Any) -> int:
    return int(str(identifier).rpartition("_")[2])


def _moment(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()

"""Random queries over the schema: valid, of bounded depth, with aliases, fragments, directives and arguments."""

import random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
)

DEPTH = 7
IDS = (
    "user_1",
    "user_3",
    "user_8",
    "user_99",
    "role_2",
    "group_1",
    "organization_2",
    "provider_1",
    "event_1",
    "session_1",
    "job_1",
    "key_1",
    "invitation_1",
    "nonsense",
)
KEYS = ('{id: "user_2"}', '{email: "ADMIN@usergraph.example"}', '{alias: "none"}')
WORDS = ("a", "adm", "normal", "USERGRAPH.test", "%", "_", "zz")
WHERES = {
    "User": (
        "{state: {eq: ACTIVE}}",
        '{not: {email: {contains: "or"}}}',
        '{or: [{role: {name: {eq: "it"}}}, {groups: {some: {name: {startsWith: "web"}}}}]}',
        '{organizations: {some: {id: {within: "organization_2"}}}}',
        '{createdBy: {username: {eq: "admin"}}, isLdap: {eq: false}}',
        '{lastLoginAt: {isNull: true}, createdAt: {before: "2100-01-01T00:00:00Z"}}',
        '{tags: {none: {eq: "x"}}, accessibility: {in: [INTERACTIVE, API_ONLY]}}',
    ),
    "Organization": ('{name: {contains: "acme"}}', '{parent: {name: {eq: "platform"}}}'),
    "Group": ('{name: {endsWith: "works"}}',),
    "Role": ("{weight: {gte: 60}}",),
    "AuditEvent": ("{action: {ne: DELETED}}",),
    "Invitation": ("{state: {eq: PENDING}}", '{user: {email: {contains: "three"}}, deliveryState: {eq: NONE}}'),
    "ApiKey": ("{isValid: {eq: true}}", '{name: {eq: "TEST"}}'),
    "Session": ("{isOpen: {eq: true}}", '{createdAt: {before: "2100-01-01T00:00:00Z"}}'),
    "DirectoryJob": ("{kind: {eq: RECONCILE}}", '{source: {eq: "hr"}, isDryRun: {eq: false}}'),
    "DirectoryJobRow": ("{action: {in: [CREATE, FAILED]}}",),
}


# Arguments of a report that go together, whichever of them are chosen.
REPORTS = (
    "groupBy: [{field: ROLE}, {field: GROUP}, {field: CREATED_AT, every: WEEK, fill: true}]",
    "measures: [{measure: COUNT, where: {isActive: {eq: true}}}, {measure: LAST, of: CREATED_AT}, {measure: SHARE}]",
    "where: {state: {ne: DEACTIVATED}}",
)


class Generator:
    """One random document after another; the same for the same seed."""

    def __init__(self, schema: GraphQLSchema, seed: int) -> None:
        self._schema = schema
        self._dice = random.Random(seed)
        self._fragments: list[str] = []

    def query(self) -> tuple[str, dict[str, Any]]:
        """A document and its variables."""
        self._fragments = []
        assert self._schema.query_type is not None
        body = self._selection(self._schema.query_type, DEPTH, roots=True)
        variables = {"yes": self._dice.random() < 0.7, "size": self._dice.randrange(1, 4)}
        # Every variable is used, whatever the dice chose.
        used = "used: viewer @include(if: $yes) { __typename } few: users(first: $size) { __typename }"
        parts = [f"query Random($yes: Boolean!, $size: Int) {{ {used} {body[1:]}", *self._fragments]
        return " ".join(parts), variables

    def _selection(self, type_: Any, depth: int, *, roots: bool = False) -> str:
        fields = dict(type_.fields)
        dice = self._dice
        leaves = [name for name, field in fields.items() if is_leaf_type(get_named_type(field.type))]
        nested = [name for name in fields if name not in leaves]
        chosen = dice.sample(leaves, min(len(leaves), dice.randrange(1, 6)))
        if depth > 0 and nested:
            chosen += dice.sample(nested, min(len(nested), dice.choice((1, 1, 2) if not roots else (1, 2, 3))))
        parts = [self._field(name, fields[name], depth) for name in chosen]
        if dice.random() < 0.3 or not parts:
            parts.insert(dice.randrange(len(parts) + 1), "__typename")
        if isinstance(type_, GraphQLInterfaceType):
            parts += self._typed(type_, depth)
        elif depth > 0 and not roots and dice.random() < 0.2:
            parts.append(self._fragment(type_, depth))
        return f"{{ {' '.join(parts)} }}"

    def _typed(self, interface: GraphQLInterfaceType, depth: int) -> list[str]:
        types = self._dice.sample(list(self._schema.get_possible_types(interface)), 2)
        return [f"... on {each.name} {self._leaves(each)}" for each in types]

    def _leaves(self, type_: GraphQLObjectType) -> str:
        leaves = [name for name, field in type_.fields.items() if is_leaf_type(get_named_type(field.type))]
        # Two types may have a field of one name and different types, which only an alias may answer side by side.
        names = self._dice.sample(leaves, min(3, len(leaves)))
        return f"{{ {' '.join(f'{type_.name.lower()}_{name}: {name}' for name in names)} }}"

    def _fragment(self, type_: GraphQLObjectType, depth: int) -> str:
        if self._dice.random() < 0.5:
            return f"... on {type_.name} {self._aliased(type_, depth - 1)}"
        name = f"F{len(self._fragments)}"
        self._fragments.append("")
        self._fragments[int(name[1:])] = f"fragment {name} on {type_.name} {self._aliased(type_, depth - 1)}"
        return f"...{name}"

    def _aliased(self, type_: GraphQLObjectType, depth: int) -> str:
        """A selection whose response names meet no others."""
        name, field = self._dice.choice(list(type_.fields.items()))
        return f"{{ {self._field(name, field, depth, alias=f'x{self._dice.randrange(10**9)}')} }}"

    def _field(self, name: str, field: GraphQLField, depth: int, alias: str | None = None) -> str:
        named: Any = get_named_type(field.type)
        dice = self._dice
        if alias is None and dice.random() < 0.2:
            alias = f"a{dice.randrange(10**9)}"
        directive = dice.choice(("", "", "", "", " @include(if: $yes)", " @skip(if: $yes)"))
        head = f"{alias}: {name}" if alias else name
        body = "" if is_leaf_type(named) else f" {self._selection(named, depth - 1)}"
        return f"{head}{self._arguments(name, field, named)}{directive}{body}"

    def _arguments(self, name: str, field: GraphQLField, named: Any) -> str:
        dice, given = self._dice, []
        if "id" in field.args:
            given.append(f'id: "{dice.choice(IDS)}"')
        if "ids" in field.args:
            given.append("ids: [" + ", ".join(f'"{each}"' for each in dice.sample(IDS, 4)) + "]")
        if "by" in field.args:
            given.append(f"by: {dice.choice(KEYS)}")
        if "token" in field.args:
            given.append(f'token: "{dice.choice(WORDS)}"')
        if "name" in field.args:
            given.append(f'name: "{dice.choice(("posture", "last-use", "nothing"))}"')
        if "keys" in field.args:
            given.append('keys: [{username: "it"}, {id: "user_9"}, {email: "no@body.test"}]')
        if "first" in field.args and dice.random() < 0.6:
            way = dice.choice(("first", "first", "last")) if "last" in field.args else "first"
            given.append(f"{way}: {dice.choice(('0', '1', '2', '50', '$size'))}")
        if "search" in field.args and dice.random() < 0.15:
            given.append(f'search: "{dice.choice(WORDS)}"')
        source = named.name.removesuffix("Connection")
        if "where" in field.args and source in WHERES and dice.random() < 0.3:
            given.append(f"where: {dice.choice(WHERES[source])}")
        if "groupBy" in field.args:
            given += [each for each in REPORTS if dice.random() < 0.4]
        elif "orderBy" in field.args and dice.random() < 0.4:
            enum: Any = self._schema.type_map[f"{source}OrderField"]
            assert isinstance(enum, GraphQLEnumType)
            steps = dice.sample(list(enum.values), min(2, len(enum.values)))
            ordered = ", ".join(f"{{field: {step}, direction: {dice.choice(('ASC', 'DESC'))}}}" for step in steps)
            given.append(f"orderBy: [{ordered}]")
        return f"({', '.join(given)})" if given else ""

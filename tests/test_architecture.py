"""The house: three rooms and one way down, modules that say what they own, a schema that explains itself."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    is_specified_scalar_type,
)

from graph import schema

ROOT = Path(__file__).parents[1]
ROOMS = ("graph", "resolvers", "models")
# What a room may import of the house, and which room alone (with those above it) may know a library.
BELOW = {"graph": set(ROOMS), "resolvers": {"resolvers", "models"}, "models": {"models"}}
KNOWN_ONLY_IN = {
    "starlette": {"graph"},
    "strawberry": {"graph"},
    "graphql": {"graph"},
    "uvicorn": {"graph"},
    "tortoise": {"resolvers", "models"},
    "aiosqlite": {"models"},
    "asyncpg": {"models"},
}
MOST_LINES = 300
GENERATED = ROOT / "models" / "migrations"
# The one module that reads settings, and the installer of GraphiQL, which hands its whole environment on to npm.
READS_ENVIRONMENT = {"graph/cli.py", "graph/playground/install.py"}


@cache
def modules() -> list[Path]:
    """Every Python file of the product."""
    return sorted(
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not {"node_modules", ".node"} & set(path.parts)
    )


def written() -> list[Path]:
    """The modules that people write: all but the generated migrations."""
    return [path for path in modules() if GENERATED not in path.parents]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> set[str]:
    """The top-level packages that a module imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_every_room_has_modules_to_check() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in written()}
    assert found == set(ROOMS)
    assert len(written()) > 50


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    wrong = [
        f"{name_of(path)} imports {package}"
        for path in modules()
        if path.relative_to(ROOT).parts[0] == room
        for package in imports(path) & {*ROOMS, "tests", "benchmarks"}
        if package not in BELOW[room]
    ]
    assert wrong == [], "the way is graph → resolvers → models, never back"


@pytest.mark.parametrize("library", KNOWN_ONLY_IN)
def test_a_library_is_known_only_in_its_rooms(library: str) -> None:
    users = {path.relative_to(ROOT).parts[0] for path in modules() if library in imports(path)}
    assert users, f"nothing imports {library} any more: take it out of KNOWN_ONLY_IN"
    wrong = [
        name_of(path)
        for path in modules()
        if library in imports(path) and path.relative_to(ROOT).parts[0] not in KNOWN_ONLY_IN[library]
    ]
    assert wrong == [], f"{library} belongs in {', '.join(sorted(KNOWN_ONLY_IN[library]))}"


def test_only_the_entry_points_read_the_environment() -> None:
    reading = {
        name_of(path)
        for path in modules()
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {"environ", "getenv"} & {a.name for a in node.names}
        )
    }
    assert reading == READS_ENVIRONMENT


def test_imports_are_absolute() -> None:
    relative = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_every_module_begins_with_one_sentence_on_what_it_owns() -> None:
    everything = [*written(), *sorted((ROOT / "tests").glob("*.py"))]
    wrong = [
        name_of(path)
        for path in everything
        if path.read_text(encoding="utf-8").strip()
        and not (ast.get_docstring(tree(path)) or "").split("\n")[0].rstrip().endswith((".", ":"))
    ]
    assert wrong == [], "the first line of a module is a docstring: one sentence"


def test_no_module_is_longer_than_can_be_overlooked() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in written()}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert long == {}, f"split what has more than {MOST_LINES} lines by noun"


def tracked() -> list[Path]:
    """What is in the repository or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git working tree: nothing tells which files are the repository's")
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


# Written in pieces, so that this file does not hold what it looks for.
NOT_HERE = {
    "a path of some machine": r"(?<![\w.$}/~-])/" + r"(?:home|root|Users|work|tmp|mnt|private)" + r"/[\w.-]",
    "the address of a package registry": r"https?://[\w.-]*"
    + r"(?:pypi|pythonhosted|npmjs|registry|artifactory|nexus)"
    + r"[\w.-]*",
    "an option that names a registry": r"--(?:extra-)?" + r"index-url[ =]\S",
}


@pytest.mark.parametrize("what", NOT_HERE)
def test_no_tracked_file_names_a_machine_or_a_registry(what: str) -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}: {match[0]}" for match in re.finditer(NOT_HERE[what], text)]
    assert found == []


def test_the_printed_schema_is_what_the_code_says() -> None:
    file = ROOT / "schema.graphql"
    assert file.exists(), "print it: make schema"
    assert file.read_text(encoding="utf-8") == schema.build().as_str() + "\n", "print it anew: make schema"


def undescribed() -> Iterator[str]:
    """What in the schema does not say what it is: types, fields, arguments, input fields, enum values."""
    built = schema.built()
    for name, type_ in sorted(built.type_map.items()):
        if name.startswith("__") or is_specified_scalar_type(type_):
            continue
        if not type_.description:
            yield name
        if isinstance(type_, GraphQLEnumType):
            yield from (f"{name}.{value}" for value, each in type_.values.items() if not each.description)
        elif isinstance(type_, GraphQLInputObjectType):
            yield from (f"{name}.{field}" for field, each in type_.fields.items() if not each.description)
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field, each in type_.fields.items():
                if not each.description:
                    yield f"{name}.{field}"
                yield from (f"{name}.{field}({a}:)" for a, argument in each.args.items() if not argument.description)


def test_everything_in_the_schema_is_described() -> None:
    missing = sorted(undescribed())
    assert not missing, f"a frontend developer reads the schema and nothing else; describe: {', '.join(missing)}"


def test_one_feature_has_one_name_in_every_room() -> None:
    """`ls */*users.py` prints a feature: what graph and resolvers have beside their own machinery is named alike."""
    graph, resolvers = ({path.stem for path in (ROOT / room).glob("*.py")} for room in ("graph", "resolvers"))
    tables = {path.stem for path in (ROOT / "models").glob("*.py")}
    for feature in ("users", "roles", "providers", "organizations", "groups", "invitations", "api_keys", "audit"):
        missing = [
            room
            for room, names in (("graph", graph), ("resolvers", resolvers), ("models", tables))
            if feature not in names
        ]
        assert missing == [], f"{feature} is not in {missing}"
    changes = {name for name in graph if name.endswith("_users") or name.startswith("change_")}
    assert changes <= resolvers, "a change has the same name in graph/ and resolvers/"

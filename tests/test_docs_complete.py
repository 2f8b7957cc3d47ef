"""What the code has, the documentation explains: error codes, fields and options of the import, commands."""

import argparse
import ast
import re
from pathlib import Path

from graph import cli
from models.errors import ErrorCode
from resolvers.importers.columns import FLAGS, LDAP, LISTS, TEXTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def codes_in_tables(page: Path) -> set[str]:
    """What stands in backquotes in the first cell of a row of some table."""
    cells = re.findall(r"^\| ([^|]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {code for cell in cells for code in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)}


GIVES_CODES = (
    "errors",
    "http",
    "incoming",
    "input_limits",
    "runs",
    "limits",
    "executor",
    "documents",
    "arguments",
    "run_reports",
)
GIVES_CODES += ("exports", "export_rows", "export_sheets")
MAKE_CODES = ("coded", "discreet", "BadRequest", "_most")  # the functions of graph/ that are given an error code


def request_codes() -> set[str]:
    """The codes of top-level errors: what graph/ hands to the functions that make them."""
    found = set()
    for name in GIVES_CODES:
        for node in ast.walk(ast.parse((ROOT / "graph" / f"{name}.py").read_text(encoding="utf-8"))):
            values: list[ast.expr] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                values = node.args if node.func.id in MAKE_CODES else []
            elif isinstance(node, ast.Dict):
                values = [v for k, v in zip(node.keys, node.values, strict=True) if _is_code(k)]
            found |= {
                v.value
                for v in values
                if isinstance(v, ast.Constant) and isinstance(v.value, str) and re.fullmatch("[A-Z_]+", v.value)
            }
    return found


def _is_code(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value == "code"


def test_every_error_code_is_explained_to_frontend_developers() -> None:
    explained = codes_in_tables(ROOT / "docs" / "frontend.md")
    known = request_codes() | {code.value for code in ErrorCode}
    assert len(request_codes()) > 15
    assert known - explained == set(), "docs/frontend.md has a row for each code"
    assert explained - known == set(), "docs/frontend.md explains codes that do not exist"


def test_every_field_and_option_of_the_import_is_explained_to_integrators() -> None:
    text = (ROOT / "docs" / "integrators.md").read_text(encoding="utf-8")
    subparsers = next(a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    options = {o for a in subparsers.choices["import"]._actions for o in a.option_strings if o not in ("-h", "--help")}
    missing = [name for name in (*TEXTS, *LISTS, *FLAGS, *LDAP, *sorted(options)) if f"`{name}" not in text]
    assert missing == []


def test_every_command_is_explained_in_the_readme() -> None:
    subparsers = next(a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    text = README.read_text(encoding="utf-8")
    assert [name for name in subparsers.choices if f"`usergraph {name}" not in text] == []

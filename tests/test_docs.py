"""The documentation under test: every query, command, link and setting in it is one that works."""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from graph import cli
from models.settings import PREFIX, Settings, variable
from tests.server import empty_database, key_of_demo, serving, usergraph
from tests.service import PEOPLE, Service, key_of, running

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *(ROOT / "docs" / f"{name}.md" for name in ("frontend", "integrators", "operators", "analysts"))]
EXAMPLES = sorted((ROOT / "graph" / "playground" / "examples").glob("*.graphql"))
MARKERS = ("<!-- settings: python -m tests.test_docs -->\n", "<!-- /settings -->\n")
# Programs that commands in the documentation may use besides usergraph, make and curl.
OTHERS = {"sqlite3", "export", "python", "pg_dump", "git", "cp", "chmod"}


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, and its text."""

    page: Path
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(page, text.count("\n", 0, match.start()) + 1, match[1]) for match in found]


# --- GraphQL ------------------------------------------------------------------------------------------------------


def first_line(block: Block) -> tuple[str | None, list[str]]:
    """Who asks (`# as admin`, `# as nobody`) and with which codes the block is refused (`# refused: CODE`)."""
    line = block.text.split("\n", 1)[0]
    who, refused = re.search(r"\bas (\w+)", line), re.search(r"refused: ([A-Z_, ]+)$", line)
    if not line.startswith("#"):
        return "admin", []
    assert who or refused, f"{block.place}: the first comment says nothing that is understood: {line}"
    name = who[1] if who else "admin"
    assert name in (*PEOPLE, "nobody"), f"{block.place}: the cast has no {name}"
    return None if name == "nobody" else name, refused[1].split(", ") if refused else []


def test_the_pages_for_those_who_write_queries_have_some() -> None:
    assert {page.stem for page in PAGES if len(blocks(page, "graphql")) > 5} == {"frontend", "integrators", "analysts"}


def refusals(answer: Any) -> Iterator[str]:
    """The codes of all errors in an answer, top-level ones and those in payloads and rows."""
    for error in answer.get("errors", ()):
        yield error["extensions"]["code"]
    waiting = [answer.get("data")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from (error["code"] for error in value.get("errors") or ())
            waiting += [each for name, each in value.items() if name != "errors"]
        elif isinstance(value, list):
            waiting += value


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "graphql")], ids=lambda page: page.stem)
async def test_every_query_in_a_page_answers_as_it_says(service: Service, page: Path) -> None:
    """The blocks of a page run in their order on one directory, as a reader would try them."""
    wrong = []
    for block in blocks(page, "graphql"):
        who, expected = first_line(block)
        answer = await service.ask(block.text, who=who)
        got = sorted(set(refusals(answer)))
        if got != sorted(expected):
            wrong.append(f"{block.place}: {got} instead of {expected}: {orjson.dumps(answer).decode()[:500]}")
    assert wrong == []


@pytest.fixture(params=["sqlite", "postgres"])
async def demo_service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """A directory that `usergraph demo` filled."""
    url = f"sqlite://{tmp_path}/demo.sqlite3"
    if request.param == "postgres":
        url = await empty_database(request.getfixturevalue("postgres"), "demo_of_docs")
    done = usergraph(tmp_path, "demo", database_url=url, admin_key=key_of("admin"))
    assert done.returncode == 0, done.stderr
    async with running(url) as service:
        yield service


async def test_every_example_of_the_playground_shows_something_in_the_demo_directory(demo_service: Service) -> None:
    assert EXAMPLES
    for path in EXAMPLES:
        answer = await demo_service.ask(path.read_text(encoding="utf-8"))
        assert list(refusals(answer)) == [], path.name
        for root, value in answer["data"].items():
            names = ("nodes", "results", "rows")
            rows = next((value[n] for n in names if n in value), [value]) if isinstance(value, dict) else value
            assert rows, f"{path.name}: {root} is empty"
            assert any(rows), f"{path.name}: {root} is null"


# --- commands -----------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """(place, command) for every command in a page's ```bash blocks; lines that end in \\ go on in the next."""
    for block in blocks(page, "bash"):
        joined = block.text.replace("\\\n", " ")
        if "curl" in joined:
            yield block.place, block.text  # JSON in quotes goes over several lines
            continue
        for line in joined.splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield block.place, line


def words_of(command: str) -> list[str]:
    """The words of a command, without the settings before it, which must exist."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        assert_setting(words.pop(0).split("=")[0], command)
    return words


def assert_setting(name: str, where: str) -> None:
    if name.startswith(PREFIX):
        assert name in {variable(field.name) for field in dataclasses.fields(Settings)}, f"{where}: no setting {name}"


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def unknown_command(command: str) -> str | None:
    """Why a command cannot be given, or None. `usergraph …` goes through the parser of the command line itself."""
    words = words_of(command)
    if not words:
        return None
    if words[0] == "make":
        unknown = [word for word in words[1:] if "=" not in word and word not in make_targets()]
        return f"no target {unknown}" if unknown else None
    if words[0] == "usergraph":
        try:
            cli._parser().parse_args(words[1:])
        except SystemExit as ended:
            return None if ended.code == 0 else f"not understood: {command}"
        return None
    return None if words[0] in OTHERS or words[0] == "curl" else f"what is {words[0]}?"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_in_a_page_exists(page: Path) -> None:
    found = list(commands(page))
    assert found or page.stem in ("frontend", "analysts")
    wrong = {place: why for place, command in found if (why := unknown_command(command))}
    assert wrong == {}


def test_a_wrong_command_would_be_found() -> None:
    for command in ("make tea", "usergraph import", "usergraph import x --wet-run", "usergraph dance", "rm -rf x"):
        assert unknown_command(command), command
    with pytest.raises(AssertionError, match="no setting"):
        unknown_command("USERGRAPH_PROT=1 usergraph serve")


def test_every_curl_command_answers(tmp_path: Path) -> None:
    """Against a real server with a demo directory, by the shell, with the key in $KEY."""
    found = [block for page in PAGES for block in blocks(page, "bash") if "curl" in block.text]
    assert found
    if shutil.which("curl") is None and os.environ.get("CI") != "true":
        pytest.skip("there is no curl on this machine")
    with serving(tmp_path) as address:
        for block in found:
            script = block.text.replace("http://127.0.0.1:8000", address)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                env={"PATH": os.environ["PATH"], "KEY": key_of_demo()},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, f"{block.place}: {done.stderr}"
            answers = [orjson.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            assert len(answers) == script.count("curl "), f"{block.place}: {done.stdout}"
            for answer in answers:
                assert answer.get("data") or answer == {"status": "ok"}, f"{block.place}: {answer}"
                assert list(refusals(answer)) == [], f"{block.place}: {answer}"


# --- names --------------------------------------------------------------------------------------------------------


def settings_table() -> str:
    """All settings as a table, from their declarations."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(Settings):
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        meaning = field.metadata["help"].rstrip(".")
        if field.metadata.get("low") is not None:
            meaning += f" ({field.metadata['low']:,} to {field.metadata['high']:,})"
        elif field.metadata.get("choices"):
            meaning += f" ({', '.join(field.metadata['choices'])})"
        rows.append(f"| `{variable(field.name)}` | {f'`{default}`' if default else ''} | {meaning} |")
    return "\n".join(rows) + "\n"


def settings_in_readme() -> tuple[str, str, str]:
    """The README before its table of settings, the table, and what comes after."""
    text = README.read_text(encoding="utf-8")
    before, begun, rest = text.partition(MARKERS[0])
    table, ended, after = rest.partition(MARKERS[1])
    assert begun, f"the README has lost the line {MARKERS[0].strip()}"
    assert ended, f"the README has lost the line {MARKERS[1].strip()}"
    return before + begun, table, ended + after


def test_the_table_of_settings_is_what_the_code_says() -> None:
    assert settings_in_readme()[1] == settings_table(), "write it anew: .venv/bin/python -m tests.test_docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_named_in_a_page_exists(page: Path) -> None:
    for name in re.findall(r"USERGRAPH_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")):
        assert_setting(name, page.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_in_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked = (page.parent / file) if file else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name} links to {target}"


if __name__ == "__main__":
    before, _, after = settings_in_readme()
    README.write_text(before + settings_table() + after, encoding="utf-8")
    sys.stdout.write("README.md: the table of settings is written anew.\n")

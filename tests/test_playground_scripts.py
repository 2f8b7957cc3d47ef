"""The GraphQL page's pure scripts, in Node's own test runner: they need no browser."""

import subprocess
from pathlib import Path

import pytest

from graph.playground import install
from tests.playground import need

SCRIPTS = sorted(Path(__file__).parent.glob("playground_*.mjs"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scripts_of_the_page(script: Path) -> None:
    found = install.system_node() or (install.packaged_node() if (install.NODE / ".stamp").is_file() else None)
    need(found, "no Node.js on this machine: run python -m graph.playground.install")
    need((install.MODULES / "graphql").is_dir(), "no packages of the page: run python -m graph.playground.install")
    assert found
    done = subprocess.run([found[0], "--test", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0" not in done.stdout


def test_there_are_scripts_to_test() -> None:
    assert [script.stem for script in SCRIPTS] == ["playground_charts", "playground_rows"]

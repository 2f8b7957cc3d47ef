"""`docs/notebooks.md` under test: its lines run one after the other, as in a notebook, on a directory being served."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.server import key_of_demo, serving
from tests.test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "notebooks.md"


def test_the_lines_of_the_page_read_what_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "DIRECTORY_KEY", key_of_demo())
    names: dict[str, Any] = {}
    with serving(tmp_path) as address:
        for block in blocks(PAGE, "python"):
            exec(compile(block.text.replace("http://127.0.0.1:8000", address), block.place, "exec"), names)
    assert names["by_role"]["people"].sum() == 301
    assert names["tagged"]["len"].sum() >= 301
    assert sum(row[2] for row in names["found"].fetchall()) > 0
    assert names["actions"]["CREATED"] > 0
    said = capsys.readouterr().out
    assert "Normal user" in said
    assert "CREATED" in said

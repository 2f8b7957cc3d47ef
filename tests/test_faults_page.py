"""The page on reliability names tests that exist, and none that were made for it is missing there."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"


def test_every_test_that_the_page_names_exists_and_every_test_of_faults_is_named() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", PAGE.read_text(encoding="utf-8")))
    assert {name for name in named if not (TESTS / name).is_file()} == set()
    assert {path.name for path in TESTS.glob("test_faults_*.py")} - named == {Path(__file__).name}

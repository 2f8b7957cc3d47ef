"""What the tests of the GraphQL page need of the machine."""

import os

import pytest

from graph.playground import page as playground


def need(available: object, reason: str) -> None:
    """Skips where a tool is missing, except in CI, which must run everything."""
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_assets() -> None:
    need(
        (playground.ASSETS / "manifest.json").is_file(),
        "no page assets: run python -m graph.playground.install",
    )

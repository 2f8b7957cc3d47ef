"""LibreOffice without a window: opens a file and saves it in another format, as people do with a spreadsheet."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

AS_UTF_8 = "CSV:44,34,76,1"  # how to open a CSV; without it LibreOffice takes Windows-1252
CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1"  # commas, quotation marks, UTF-8


def convert(file: Path, to: str, folder: Path, *, read_as: str | None = None) -> Path:
    """The file in another format, in a folder. Without LibreOffice the test is skipped, but never in CI."""
    program = shutil.which("soffice")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("LibreOffice is needed in CI: install libreoffice-calc")
        pytest.skip("no LibreOffice on this machine")
    folder.mkdir(exist_ok=True)
    profile = f"-env:UserInstallation=file://{folder.absolute()}/profile"
    done = subprocess.run(
        [
            program,
            profile,
            "--headless",
            *([f"--infilter={read_as}"] if read_as else []),
            "--convert-to",
            to,
            "--outdir",
            str(folder),
            str(file),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )
    made = folder / f"{file.stem}.{to.split(':')[0]}"
    assert made.exists(), done.stdout + done.stderr
    return made

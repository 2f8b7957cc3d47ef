"""Installs the client libraries whose caches are tested, by their lock file: `python -m tests.client_caches`."""

import os
import subprocess
import sys
from pathlib import Path

from graph.playground import install

FOLDER = Path(__file__).parent / "caches"
MODULES = FOLDER / "node_modules"
LOCK = FOLDER / "package-lock.json"


def is_installed() -> bool:
    return install.stamp_is(MODULES, install.digest(LOCK))


def node() -> Path | None:
    """Node.js of this machine, or the one that was installed with the GraphQL page."""
    found = install.system_node() or (install.packaged_node() if (install.NODE / ".stamp").is_file() else None)
    return found[0] if found else None


def main() -> int:
    if is_installed():
        return 0
    binary, npm = install.system_node() or install.packaged_node()
    env = {**os.environ, "PATH": f"{binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
        return 1
    (MODULES / ".stamp").write_text(install.digest(LOCK), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())

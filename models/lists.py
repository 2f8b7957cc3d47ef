r"""Several texts in one, with marks between them (S2). A mark within a text is written `\|`.

Backslashes are themselves, but those right before a mark, which are doubled: so texts that hold none stay as they are.
"""

import re
from collections.abc import Sequence

MARK = "|"
_LAST = re.compile(r"\\+$")
_PIECE = re.compile(r"([^\\|]*)(\\*)(\|?)")
_ESCAPED = {mark: re.compile(rf"(\\*){re.escape(mark)}") for mark in (MARK, "=")}


def escaped(text: str, mark: str = MARK) -> str:
    return _ESCAPED[mark].sub(lambda found: f"{found[1] * 2}\\{mark}", text) if mark in text else text


def together(texts: Sequence[str], mark: str = MARK) -> str:
    made = mark.join(texts)
    if "\\" not in made and made.count(mark) == len(texts) - 1:
        return made
    parts = [escaped(text, mark) for text in texts]
    return mark.join([*(_LAST.sub(lambda found: found[0] * 2, part) for part in parts[:-1]), *parts[-1:]])


def separated(text: str) -> list[str]:
    if "\\|" not in text:
        return text.split(MARK)
    parts = [""]
    for piece, backslashes, mark in _PIECE.findall(text):
        parts[-1] += piece + (backslashes[: len(backslashes) // 2] if mark else backslashes)
        if mark and len(backslashes) % 2:
            parts[-1] += mark
        elif mark:
            parts.append("")
    return parts


def pair(text: str) -> tuple[str, str] | None:
    r"""A name and a value with a `=` between them, each without its own marks (`\=`); None where there is none."""
    for found in re.finditer(r"(\\*)=", text):
        if len(found[1]) % 2 == 0:
            name = text[: found.start()] + found[1][: len(found[1]) // 2]
            return _unescaped(name), _unescaped(text[found.end() :])
    return None


def _unescaped(text: str) -> str:
    return re.sub(r"(\\*)\\=", lambda mark: mark[1][: len(mark[1]) // 2] + "=", text)


def path_names(path: str) -> list[str]:
    r"""The names in a path such as `/Acme/Sales`. Within a name `/` is written `\/`, and a backslash is doubled."""
    names = re.findall(r"(?:[^\\/]|\\.)+", path.strip(), re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) for name in names]

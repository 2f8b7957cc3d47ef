"""Which reader a file needs."""

from collections.abc import Mapping
from pathlib import Path

from resolvers.importers.delimited import Delimited
from resolvers.importers.encodings import Text, open_text
from resolvers.importers.entries import Directory
from resolvers.importers.objects import Json, NdJson
from resolvers.importers.rows import Source, UnreadableFile

FORMATS: dict[str, type[Delimited] | type[Json] | type[NdJson] | type[Directory]] = {
    "csv": Delimited,
    "json": Json,
    "ndjson": NdJson,
    "ldif": Directory,
}
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".ldif": "ldif",
    ".ldi": "ldif",
}


def open_rows(
    path: Path,
    *,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    encoding: str | None = None,
    ldap_server: int | None = None,
) -> Source:
    """Look through a file once and say what is in it; raises `UnreadableFile` when none of it can be used.

    With `ldap_server`, a number from 1 to 9, people of LDIF files become users of that server under their DN.
    """
    if format is not None and format.lower() not in FORMATS:
        raise UnreadableFile(f"there is no format {format!r}: --format takes {', '.join(FORMATS)}")
    if ldap_server is not None and ldap_server not in range(1, 10):
        raise UnreadableFile(f"{ldap_server} is not the number of an LDAP server: give 1 to 9")
    text = open_text(path, encoding)
    chosen = format.lower() if format else _SUFFIXES.get(path.suffix.lower()) or _looks_like(text)
    return FORMATS[chosen](text, mapping=mapping, ldap_server=ldap_server)


def _looks_like(text: Text) -> str:
    """The format of a file whose name does not tell, by its first line that is not blank or a comment."""
    lines = (line.strip().casefold() for line in text.lines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith("dn:") or first.replace(" ", "") == "version:1":
        return "ldif"
    if first.startswith("{") and first.endswith("}"):
        return "ndjson"
    return "json" if first.startswith(("[", "{")) else "csv"

"""What a request wants its answer in, by $format or Accept, and in which version of OData."""

import re
from functools import lru_cache

from graph.odata.refusals import Refused, bad

JSON = "application/json"
XML = "application/xml"
_METADATA = re.compile(r"odata(?:\.metadata)?=(\w+)", re.IGNORECASE)
_VERSION = re.compile(r"\d{1,2}\.\d{1,2}")
_MAXIMUM = re.compile(r"(?:odata\.)?maxpagesize\s*=\s*\"?(\d{1,9})\"?", re.IGNORECASE)
_SHORT = {"json": JSON, "xml": XML}


@lru_cache(maxsize=100)
def annotates(accept: str, format: str | None) -> bool:
    """Whether JSON says anything of itself: `minimal`, with which `full` is answered too, as a service may."""
    asked = [_SHORT.get(format, format)] if format else [part.strip() for part in accept.split(",") if part.strip()]
    for each in asked or [JSON]:
        media = each.partition(";")[0].strip().lower()
        if media in (JSON, "application/*", "*/*"):
            found = _METADATA.search(each)
            return found is None or found[1].lower() not in ("none", "nometadata")
    raise Refused(f"Data is answered as {JSON}.", "NOT_ACCEPTABLE", 406)


@lru_cache(maxsize=100)
def describes_in_json(accept: str, format: str | None) -> bool:
    """Whether $metadata is wanted as JSON: only where that is all that is taken.

    Excel and Power BI put JSON first in every request, and read $metadata as XML alone.
    """
    if format:
        media = _SHORT.get(format, format).partition(";")[0].strip().lower()
        if media not in (JSON, XML):
            raise Refused(f"$metadata is answered as {XML} or {JSON}.", "NOT_ACCEPTABLE", 406)
        return media == JSON
    taken = {part.partition(";")[0].strip().lower() for part in accept.split(",") if part.strip()}
    if not taken or taken & {XML, "application/*", "*/*"}:
        return False
    if JSON in taken:
        return True
    raise Refused(f"$metadata is answered as {XML} or {JSON}.", "NOT_ACCEPTABLE", 406)


def check_version(most: str) -> None:
    """Refuse a client that understands nothing of 4.0."""
    if not most:
        return
    if not _VERSION.fullmatch(most.strip()):
        bad("OData-MaxVersion is a version, such as 4.0.", "OData-MaxVersion")
    if int(most.strip().partition(".")[0]) < 4:
        bad("This feed speaks OData 4.0, which OData-MaxVersion does not allow.", "OData-MaxVersion")


def page_size_of(prefer: str) -> int | None:
    """The largest page that the client prefers; what it wishes beside that is its own affair."""
    found = _MAXIMUM.search(prefer)
    return int(found[1]) if found and int(found[1]) > 0 else None

"""The address that the service listens on: whether it can, found out before anything else is done."""

import errno
import socket
from typing import Any

from models.settings import BadSetting

IN_USE = "Port {port} of {host} is in use by another program. Stop that, or set USERGRAPH_PORT to a free port."
NO_PERMISSION = "Port {port} needs more permission than this process has. Set USERGRAPH_PORT to one above 1023."
NOT_HERE = "USERGRAPH_HOST: {host} is no address of this machine."
REASONS = {
    errno.EADDRINUSE: IN_USE,
    errno.EACCES: NO_PERMISSION,
    errno.EADDRNOTAVAIL: NOT_HERE,
}


def require_free_port(host: str, port: int) -> None:
    """Raises BadSetting where nobody can listen there now: the web server would say so only after the start."""
    try:
        # A name of plain characters needs no codec, which Python would have to load first.
        name = host.encode() if host.isascii() else host
        places = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise BadSetting(NOT_HERE.format(host=host)) from error
    failures = [failed for place in places if (failed := _failure(place[0], place[4])) is not None]
    # A name may have addresses of a family that this machine lacks; one that is left is enough.
    serious = [error for error in failures if error.errno in (errno.EADDRINUSE, errno.EACCES)]
    if serious or len(failures) == len(places):
        first = (serious or failures)[0]
        reason = REASONS.get(first.errno or 0, f"USERGRAPH_HOST and USERGRAPH_PORT: {first.strerror}.")
        raise BadSetting(reason.format(host=host, port=port)) from first


def _failure(family: int, place: Any) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(place)
    except OSError as error:
        return error
    return None

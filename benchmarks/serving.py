"""How the Python peers are served: by the loop and the HTTP implementation that `usergraph serve` uses."""

from typing import Any

import uvicorn

from benchmarks.tools import HOST

POOL = 10  # connections to the database, the same for every peer


def serve(app: Any, port: int) -> None:
    uvicorn.run(
        app,
        host=HOST,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        limit_concurrency=500,
        server_header=False,
    )

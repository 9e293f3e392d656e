"""An empty Litestar route on uvicorn, the least that a request can cost on this stack: `python -m benchmarks.empty_route`.

Prints its port and serves `POST /` and `GET /` until it is told to stop. It is a reference and no benchmark.
"""

import asyncio
import socket

from litestar import Litestar, route
from litestar.enums import HttpMethod
from uvicorn import Config, Server


@route("/", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)
async def empty() -> dict[str, str]:
    """Nothing."""
    return {}


def main() -> None:
    """Listens on a free port of the loopback."""
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # said, because asyncio sends without delay only where it is
    listening.bind(("127.0.0.1", 0))
    listening.listen(1_024)  # from here on connections wait instead of being refused
    app = Litestar([empty], openapi_config=None, logging_config=None)
    config = Config(
        app, http="httptools", ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False
    )
    server = Server(config)

    async def serve() -> None:
        print(listening.getsockname()[1], flush=True)
        await server.serve(sockets=[listening])

    asyncio.run(serve())


if __name__ == "__main__":
    main()

"""The service on a socket, by uvicorn."""

import socket
from collections.abc import Awaitable, Callable

import uvicorn
from fastapi import FastAPI

from pipeline.errors import PipelineError
from pipeline.predict.service.app import LOOPBACK

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer: a page loads nothing from elsewhere, and no copy is kept."""

IDLE_S = 20
"""A connection without a request is closed after once or twice as long."""

ENDS_IN_S = 1
"""How long requests are waited for that are answered when the service ends."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that is listened on; port 0 takes any that is free.

    Raises:
        PipelineError: there is no such host here, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0].lower()
        raise PipelineError(f"{host}, port {port}: {why}; name others: --host, --port") from None


def hosts_of(host: str) -> tuple[str, ...]:
    """Names by which a service at `host` may be called: on loopback, those of loopback."""
    return LOOPBACK if is_loopback(host) else ("*",)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host in (*LOOPBACK, "::1") or host.startswith("127.")


def make_server(app: FastAPI) -> uvicorn.Server:
    """What answers on a socket until SIGINT or SIGTERM; of requests nothing is logged."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=list(HEADERS.items()),
        timeout_graceful_shutdown=ENDS_IN_S,
        timeout_notify=IDLE_S,
    )
    server = uvicorn.Server(config)
    config.callback_notify = _closing_idle(server)
    return server


def _closing_idle(server: uvicorn.Server) -> Callable[[], Awaitable[None]]:
    """Closes who has sent no whole request since the last call: uvicorn waits for a head forever.

    See github.com/Kludex/uvicorn/issues/157.
    """
    idle_before: set[object] = set()

    async def close_idle() -> None:
        idle = {one for one in server.server_state.connections if _is_idle(one)}
        for one in idle & idle_before:
            one.transport.close()
        idle_before.clear()
        idle_before.update(idle)

    return close_idle


def _is_idle(connection: object) -> bool:
    cycle = getattr(connection, "cycle", None)
    return cycle is None or cycle.response_complete

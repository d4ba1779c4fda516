"""How many requests with a body are let in, how large they may be, and how slow.

FastAPI's own `max_body_size` says "Content Too Large" and no more, in plain text where a request
declares its length; here the answer says how large a file may be. Neither FastAPI nor uvicorn
limits the time of an upload. What a refused client still sends, uvicorn reads and drops.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.predict.service.limits import Limits

RETRY_AFTER_S = 5


class Gate:
    """ASGI middleware: who is refused is told before memory is taken for a body."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, limited(receive, self._limits), send)
        finally:
            self._inside -= 1

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limits.body_bytes:
            return JSONResponse({"detail": too_large(self._limits)}, 413)
        if self._inside > self._limits.waiting:
            detail = f"{self._inside} requests are waiting already; try again in a few seconds"
            return JSONResponse({"detail": detail}, 503, {"Retry-After": str(RETRY_AFTER_S)})
        return None


def too_large(limits: Limits) -> str:
    """Why a body is not read."""
    return f"larger than {limits.megabytes} MB; `cxr serve --max-mb` admits larger files"


def limited(receive: Receive, limits: Limits) -> Receive:
    """`receive`, which counts what a client sends, whatever length it declares, and times it.

    It raises HTTPException, 413 or 408, where that is too much or too slow.
    """
    until = asyncio.get_running_loop().time() + limits.seconds
    taken, ended = 0, False

    async def receive_limited() -> Message:
        nonlocal taken, ended
        if ended:  # what comes now is that the client has gone
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            ended = True
            detail = f"the upload took longer than {limits.seconds:g} s"
            raise HTTPException(408, detail, {"Connection": "close"}) from None
        ended = not message.get("more_body", False)
        taken += len(message.get("body", b""))
        if taken > limits.body_bytes:
            raise HTTPException(413, too_large(limits))
        return message

    return receive_limited

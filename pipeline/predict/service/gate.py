"""How many requests with a body are let in, how large they may be, and how slow.

FastAPI's own `max_body_size` says "Content Too Large" and no more, in plain text where a request
declares its length; here the answer says how large a file may be. Neither FastAPI nor uvicorn
limits the time of an upload.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.predict.service.limits import Limits

RETRY_AFTER_S = 5

_DRAINED_S = 5.0
"""How long a refused request is still read: who sends does not hear an answer before."""


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
        headers = Headers(scope=scope)
        body = Body(receive, self._limits, asked_for="expect" not in headers)
        refusal = self._refusal(headers)
        if refusal is not None:
            await refusal(scope, receive, body.before(send))
            return
        self._inside += 1
        try:
            await self._app(scope, body.receive, body.before(send))
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


class Body:
    """What a request sends: counted and timed while it is read."""

    def __init__(self, receive: Receive, limits: Limits, *, asked_for: bool) -> None:
        """`asked_for`: whether a client sends it without waiting for leave (Expect, RFC 9110)."""
        self._receive, self._limits, self._asked_for = receive, limits, asked_for
        self._until = asyncio.get_running_loop().time() + limits.seconds
        self._taken, self._ended = 0, False

    async def receive(self) -> Message:
        """The next part.

        Raises:
            HTTPException: 413 or 408, too much was sent or too slowly.
        """
        self._asked_for = True
        if self._ended:  # what comes now is that the client has gone
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self._ended = True
            detail = f"the upload took longer than {self._limits.seconds:g} s"
            raise HTTPException(408, detail, {"Connection": "close"}) from None
        self._ended = not message.get("more_body", False)
        self._taken += len(message.get("body", b""))
        if self._taken > self._limits.body_bytes:
            raise HTTPException(413, too_large(self._limits))
        return message

    def before(self, send: Send) -> Send:
        """`send`, before whose first word what is still sent is read and thrown away.

        A connection that is closed with bytes unread is reset, and its answer lost.
        """

        async def after_draining(message: Message) -> None:
            if message["type"] == "http.response.start" and self._asked_for:
                await self._drain()
            await send(message)

        return after_draining

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAINED_S):
                while not self._ended:
                    message = await self._receive()
                    self._ended = not message.get("more_body", False)
        except TimeoutError:
            self._ended = True

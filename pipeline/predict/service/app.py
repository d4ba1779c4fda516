"""The service: a page, and JSON over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, cast

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from pipeline.errors import PipelineError
from pipeline.predict.model import Model
from pipeline.predict.service.answer_schema import Answer, Example, Health, PatientAnswer, Problem
from pipeline.predict.service.answering import predict_upload
from pipeline.predict.service.gate import Gate
from pipeline.predict.service.limits import Limits
from pipeline.predict.service.synthetic import Drawn
from pipeline.predict.service.upload import read_upload, request_body
from pipeline.predict.service.worker import Worker

PAGE = Path(__file__).with_name("page")

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""How a browser on this machine calls it."""

_REFUSED = {
    400: "The form cannot be read, or holds more than one file.",
    408: "The upload takes too long.",
    413: "The upload is too large.",
    415: "The body is no form.",
    422: "No file, no radiograph of a chest, or no such age, gender or view.",
    500: "The prediction failed.",
    503: "Too many requests wait; see Retry-After.",
    504: "The prediction takes too long.",
}


def create_app(
    model: Model, limits: Limits, examples: Mapping[str, Drawn], *, hosts: tuple[str, ...]
) -> FastAPI:
    """The service of one model.

    Args:
        model: that predicts.
        limits: what a request may cost.
        examples: radiographs to try, by name.
        hosts: names by which it may be called, against DNS rebinding; ("*",) for any.
    """
    worker = Worker(seconds=limits.seconds)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        worker.stop()

    app = FastAPI(
        title="Findings of a chest radiograph",
        description="Research use only. Not a medical device.",
        version=model.about.revision or "0",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Gate, limits=limits)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_exception_handler(PipelineError, _refused)
    app.add_exception_handler(ValueError, _refused)
    app.add_exception_handler(RequestValidationError, _mistyped)
    app.add_exception_handler(ClientDisconnect, _gone)
    _predicts(app, model, limits, worker)
    _tells(app, model, limits)
    _shows_examples(app, examples)
    _shows_pages(app)
    return app


def _predicts(app: FastAPI, model: Model, limits: Limits, worker: Worker) -> None:
    refused = {status: {"model": Problem, "description": why} for status, why in _REFUSED.items()}

    @app.post(
        "/predict",
        responses=refused,  # type: ignore[arg-type]
        openapi_extra=request_body(),
        response_model_exclude_unset=True,
    )
    async def predict(
        request: Request,
        heatmaps: Annotated[bool, Query(description="Whether pictures are sent, too.")] = False,
    ) -> Answer:
        """What the model says of one radiograph. Nothing of it is kept."""
        upload = await read_upload(request, limits)
        return await worker.run(partial(predict_upload, model, upload, heatmaps=heatmaps))


def _tells(app: FastAPI, model: Model, limits: Limits) -> None:
    about = model.about

    @app.get("/health")
    async def health() -> Health:
        """That the service answers, and for which model; also while it predicts."""
        return Health(
            status="ok",
            revision=about.revision,
            cohort=about.cohort.digest,
            members=list(about.members),
            findings=list(about.findings),
            megabytes=limits.megabytes,
        )

    @app.get("/card", response_class=PlainTextResponse)
    async def card() -> Response:
        """The model's card, in Markdown."""
        return Response(model.card, media_type="text/markdown")


def _shows_examples(app: FastAPI, examples: Mapping[str, Drawn]) -> None:
    files = {f"{number}.png": one for number, one in enumerate(examples.values())}

    @app.get("/examples", include_in_schema=False)
    async def listed() -> list[Example]:
        """Synthetic radiographs to try."""
        return [
            Example(
                name=name,
                place=f"examples/{file}",
                patient=PatientAnswer(**asdict(one.patient)),
            )
            for name, (file, one) in zip(examples, files.items(), strict=True)
        ]

    @app.get("/examples/{file}", include_in_schema=False)
    async def example(file: str) -> Response:
        """One of them."""
        if file not in files:
            raise HTTPException(404, f"no such example; there are {', '.join(files)}")
        return Response(files[file].png, media_type="image/png")


def _shows_pages(app: FastAPI) -> None:
    for place, file in {"/": "index.html", "/docs": "api.html", "/about": "card.html"}.items():
        app.get(place, include_in_schema=False)(_file(PAGE / file))
    app.mount("/page", StaticFiles(directory=PAGE))


def _file(path: Path) -> Callable[[], Awaitable[FileResponse]]:
    async def send() -> FileResponse:
        return FileResponse(path)

    return send


async def _refused(_: Request, error: Exception) -> Response:
    """What a person is meant to read."""
    return JSONResponse({"detail": " ".join(str(error).split())}, 422)


async def _mistyped(_: Request, error: Exception) -> Response:
    """What is no value of a field, in a line in place of FastAPI's list."""
    first = cast("RequestValidationError", error).errors()[0]
    return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 422)


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody hears it."""
    return Response(status_code=400)

"""Command `serve`: a trained model in a browser, and as JSON over HTTP."""

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.model import local_model
from pipeline.predict.model import load_model
from pipeline.predict.service.app import create_app
from pipeline.predict.service.limits import Limits
from pipeline.predict.service.server import hosts_of, is_loopback, listen, make_server
from pipeline.predict.service.synthetic import draw_examples

OPEN = "anybody who reaches this machine can use it: there is no login and no encryption"

Folder = Annotated[
    Path, typer.Option(help="A packaged model's folder, or models:/<name>/<version>.")
]
Host = Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
Megabytes = Annotated[int, typer.Option(min=1, help="Largest upload.")]
Seconds = Annotated[
    float, typer.Option(min=1, help="Longest upload, and then longest wait for a prediction.")
]
Queue = Annotated[int, typer.Option(min=0, help="Requests that may wait; each is held in memory.")]


def main(
    model: Folder = Path("data/models"),
    host: Host = "127.0.0.1",
    port: Port = 8000,
    max_mb: Megabytes = 64,
    timeout: Seconds = 60.0,
    queue: Queue = 32,
) -> None:
    """Show a trained model in a browser, and answer POST /predict with JSON.

    Nothing that is sent is written to disk or logged. Research use only: not a medical device.
    """
    warnings.simplefilter("ignore")  # pydicom's quote what is in a file
    with listen(host, port) as at:
        limits = Limits(max_mb, timeout, queue)
        loaded = load_model(local_model(model))
        examples = draw_examples(loaded.about.image_side)
        app = create_app(loaded, limits, examples, hosts=hosts_of(host))
        named = f"[{host}]" if ":" in host else host
        typer.echo(f"http://{named}:{at.getsockname()[1]} (Ctrl-C ends it)", err=True)
        if not is_loopback(host):
            typer.echo(OPEN, err=True)
        try:
            make_server(app).run(sockets=[at])
        except KeyboardInterrupt:
            sys.stderr.flush()
            os._exit(0)  # else a prediction that still runs would be waited for

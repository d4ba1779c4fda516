"""What every stage's command line shares: option types, tracking, a guard, readable errors."""

import atexit
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import tracking
from pipeline.errors import readable
from pipeline.guard.stage import guarded

STARTED = "CXR_STARTED_NS"
"""Of the environment: when Python began to read the code, as `stages/__init__.py` notes it."""

_READ_NS = time.time_ns()  # of what is no module of `stages`

Dep = Annotated[Path, typer.Option(help="Read by the stage.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Written by the stage.", show_default=False)]
ParamsFile = Annotated[Path, typer.Option("--params", help="Every number that may be tuned.")]
Choice = Annotated[str, typer.Option(show_default=False)]


def run(
    main: Callable[..., Any], *, tracked: bool = True, before: Callable[[], None] = lambda: None
) -> None:
    """Run a stage's `main` as a command: exit 0, or say what was wrong and exit 1.

    A stage of the graph fails, too, if what it depends on changed while it ran, or if another
    process is at it.

    Args:
        main: what typer makes a command line of.
        tracked: whether MLflow keeps a run of it.
        before: what is to be done first.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(_guarded(main) if tracking.is_first_process() else main)
    try:
        with readable(speaks=tracking.is_first_process()):
            before()
            with tracking.stage(sys.argv) if tracked else nullcontext():
                app()
    except SystemExit as end:
        if isinstance(end.code, int):
            _end_at_once(end.code)
        raise


def _end_at_once(code: int) -> None:
    """End as Python does, but for its search for garbage: of torch's objects that takes a second.

    So do the processes of Python's own multiprocessing.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    with suppress(OSError):  # where output cannot be written, Python's own end says so
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _guarded(main: Callable[..., Any]) -> Callable[..., None]:
    """`main` with the same options, guarded while it runs."""
    parameters = inspect.signature(main).parameters.values()
    deps = [one.name for one in parameters if one.annotation == Dep]

    @wraps(main)
    def guarded_main(**given: Any) -> None:
        with guarded(
            Path(sys.argv[0]).stem,
            given.get("member", ""),
            inputs=[given[name] for name in deps],
            params=given.get("params", Path("params.yaml")),
            since_ns=int(os.environ.get(STARTED, _READ_NS)),
        ):
            main(**given)

    return guarded_main

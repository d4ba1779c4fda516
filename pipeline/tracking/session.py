"""What a stage says about itself: its options, its epochs, its numbers, its files, its end."""

import dataclasses
import logging
import math
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from pathlib import Path
from typing import Any

from pipeline.base.checkout import checkout
from pipeline.tracking.address import given
from pipeline.tracking.display import Shown, is_first_process
from pipeline.tracking.launch import spool_folder, start_writer
from pipeline.tracking.origin import Origin, flatten, origin_of
from pipeline.tracking.spool import Record, Spool, size_mb
from pipeline.tracking.trouble import reason

log = logging.getLogger(__name__)

MAX_ARTIFACT_MB = 16
"""Larger artifacts are named in MLflow, not copied to it: DVC keeps them."""

MAX_WAITING_MB = 1024
"""What waits for MLflow grows no larger: artifacts above that are only named, too."""

_INTERRUPTED = 128 + signal.SIGINT
"""Exit code into which a command line parser turns a Ctrl-C."""


@dataclasses.dataclass
class _Session:
    """A stage as it is tracked; without a spool it is not, and yet its epochs are shown."""

    spool: Spool | None = None
    known_until: int = 0
    """Epochs of a training that an earlier process began."""
    has_warned: bool = False

    def say(self, record: Record) -> None:
        if self.spool is not None:
            self.attempt(self.spool.append, record)

    def attempt(self, action: Callable[..., None], *args: Any) -> None:
        """Tracking never costs a stage: what goes wrong is a warning, and the rest is tracked."""
        try:
            action(*args)
        except Exception as error:
            missing = "not tracked" if self.spool is None else "tracked with gaps"
            self.warn(f"this stage is {missing}: {reason(error)}")

    def warn(self, words: str) -> None:
        """Once for each stage."""
        if not self.has_warned:
            log.warning("warning: %s", words)
        self.has_warned = True

    def open(self, argv: Sequence[str]) -> None:
        root = checkout()
        name, words = Path(argv[0]).stem, options(argv[1:])
        title = " ".join(filter(None, [name, words.get("member")]))
        params = Path(words.get("params", "params.yaml"))
        origin = origin_of(title, root=root, params=params)
        opening = opening_of(origin, root) | {"stage": name, "title": title, "options": words}
        self.spool = Spool(spool_folder(root), title.replace(" ", "-"), opening)
        start_writer(self.spool.path.parent)

    def close(self, status: str) -> None:
        if self.spool is not None:
            spool, self.spool = self.spool, None
            spool.append({"kind": "end", "status": status})
            spool.close()
            start_writer(spool.path.parent)

    def add_artifact(self, path: Path, headline: bool) -> None:
        if self.spool is None:
            return
        files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
        size = sum(file.stat().st_size for file in files) / 1e6
        if not files:
            log.warning("%s: nothing there to log as an artifact", path)
        elif size > MAX_ARTIFACT_MB or self._is_too_much(self.spool.path.parent, size):
            named = {"kind": "named", "path": str(path), "size_mb": round(size)}
            self.spool.append(named | {"headline": headline})
        else:
            copied = {"kind": "artifact", "path": self.spool.add(path)}
            self.spool.append(copied | {"headline": headline})

    def _is_too_much(self, folder: Path, more_mb: float) -> bool:
        """Whether the reports that wait leave no room for so much more; that is said."""
        waiting_mb = size_mb(folder)
        if waiting_mb + more_mb <= MAX_WAITING_MB:
            return False
        self.warn(
            f"{waiting_mb:.0f} MB wait in {folder}, of {MAX_WAITING_MB} at most: further files "
            "are only named in MLflow. `python -m pipeline.tracking.writer .tracking` in the "
            "checkout writes what waits, or says what is in the way."
        )
        return True


_current: ContextVar[_Session] = ContextVar("session")


def _session() -> _Session:
    """That of the stage which runs; outside of one, a session that tracks nothing."""
    return _current.get(None) or _Session()


@contextmanager
def stage(argv: Sequence[str]) -> Iterator[None]:
    """Track the block as one stage of a pipeline run, until it ends or fails.

    `CXR_TRACKING=off` in the environment tracks nothing; neither do `--help` and the ranks of
    a `torchrun` other than the first.

    Args:
        argv: The stage's command line: `[".../stages/split.py", "--index", ...]`.
    """
    session = _Session()
    ours = _current.set(session)
    if "--help" not in argv and is_wanted():
        session.attempt(session.open, argv)
    status = "FINISHED"
    try:
        yield
    except BaseException as error:
        status = _status_after(error)
        raise
    finally:
        session.attempt(session.close, status)
        _current.reset(ours)


def log_epoch(numbers: Mapping[str, Any], shown: Shown) -> None:
    """Show an epoch, and log its numbers as a step.

    An epoch that a resumed training had already is neither shown nor logged a second time.

    Args:
        numbers: `epoch`, counted from 1; every other one that holds a number is a metric. None
            and NaN mean that there is none.
        shown: Where a person sees them.
    """
    fields = numbers_of(numbers)
    number = int(fields.pop("epoch"))
    session = _session()
    session.say({"kind": "metrics", "values": fields, "step": number})
    if number > session.known_until:
        shown.epoch(number, fields)


def run_id() -> str:
    """Under which a later process finds this stage's run again; empty if it is not tracked."""
    spool = _session().spool
    return spool.path.stem if spool is not None else ""


def go_on_with(run: str, epoch: int) -> None:
    """This stage continues a training that was stopped: its run goes on, not a new one.

    Args:
        run: The `run_id` of the stage that began it.
        epoch: The last one that it finished.
    """
    session = _session()
    session.known_until = epoch
    if run:
        session.say({"kind": "continues", "run": run, "epoch": epoch})


def log_metrics(values: Mapping[str, Any], *, headline: bool = False) -> None:
    """Log nested numbers under dotted names, to the stage's run.

    Args:
        values: Entries that are no finite number are left out.
        headline: Also to the pipeline's run, which holds few: what one looks at first.
    """
    values = numbers_of(values)
    _session().say({"kind": "metrics", "values": values, "step": 0, "headline": headline})


def log_artifact(path: Path, *, headline: bool = False) -> None:
    """Copy a file or a small folder to the stage's run.

    What is larger than `MAX_ARTIFACT_MB` is only named there, with its size.

    Args:
        path: What is there now; it may be gone later.
        headline: To the pipeline's run instead.
    """
    session = _session()
    session.attempt(session.add_artifact, path, headline)


def describe(text: str) -> None:
    """Say what came of the pipeline's run, in Markdown: MLflow shows it on the run's page."""
    _session().say({"kind": "note", "text": text})


def is_wanted() -> bool:
    """Whether anything is to be tracked, by this process."""
    off = os.environ.get("CXR_TRACKING", "on").lower() in {"off", "0", "false", "no"}
    return not off and is_first_process()


def opening_of(origin: Origin, root: Path) -> Record:
    """The first record of a spool, apart from what the run is: which store, under which run."""
    uri, experiment = given()
    return {
        "kind": "open",
        "uri": uri,
        "experiment": experiment,
        "root": str(root),
        "parent": dataclasses.asdict(origin),
    }


def _status_after(error: BaseException) -> str:
    code = error.code if isinstance(error, SystemExit) else None
    if isinstance(error, KeyboardInterrupt) or code == _INTERRUPTED:
        return "KILLED"
    return "FINISHED" if isinstance(error, SystemExit) and not code else "FAILED"


def options(words: Sequence[str]) -> dict[str, str]:
    """`--a 1 --b=2 --c` as a mapping; values of a repeated option are joined by spaces."""
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
        else:
            value = word
        if name:
            found[name] = " ".join(filter(None, [found.get(name), value]))
    return found


def numbers_of(values: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among the leaves, under dotted names."""
    flat = {name: leaf for name, leaf in flatten(values).items() if isinstance(leaf, Real)}
    return {name: float(leaf) for name, leaf in flat.items() if math.isfinite(leaf)}

"""A search from its spec to its best trial; killed and called again, it goes on."""

import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.base.files import read_json, read_yaml, write_json, write_text
from pipeline.errors import ParamsError, PipelineError
from pipeline.graph.code_deps import code_files
from pipeline.params.whole import parse_params
from pipeline.search.fits import Work, own_params
from pipeline.search.logbook import Logbook, Standing
from pipeline.search.scope import Scope, digests, expect_current, read_scope
from pipeline.search.space import SearchSpec, load_search
from pipeline.search.table import progress_table, write_trials
from pipeline.search.trials import Trial, as_word, expect_possible, propose, reproducing_line
from pipeline.tracking import SearchRun
from pipeline.tracking.origin import flatten
from pipeline.tracking.spool import exclusive

log = logging.getLogger(__name__)

_LOCK = "lock"
"""A file of the search's folder; who holds it leads the search."""

_LOG = "log.jsonl"

TABLE_EVERY_S = 60.0
"""Longest pause between two tables while epochs come in; a trial that ends has one at once."""


@dataclass(frozen=True)
class Search:
    """A search that may begin, or go on."""

    spec: SearchSpec
    trials: list[Trial]
    base: dict[str, Any]
    """The values of params.yaml."""
    params: Path
    scope: Scope
    root: Path
    folder: Path

    @property
    def place(self) -> str:
        """The folder, for people."""
        return self.folder.relative_to(self.root).as_posix()

    def work(self) -> Work:
        """What a trial needs to know beside its changes."""
        return Work(
            self.spec.branch,
            self.scope.inputs(),
            self.base,
            self.root.resolve(),
            self.folder.resolve(),
            threads=self._threads(),
        )

    def line(self, trial: Trial) -> str:
        """The command that repeats a trial and runs what follows from it.

        On a CPU the last digits depend on the number of threads; where `train.threads` is a
        number, it is that of the trial, and the line need not say it.
        """
        is_said = trial.params(self.base, of=trial.name).train.threads != "auto"
        on_gpu = self.spec.resources.gpu > 0
        threads = "" if is_said or on_gpu else f"OMP_NUM_THREADS={self._threads()} "
        return threads + reproducing_line(trial.changes)

    def _threads(self) -> int:
        return self.spec.resources.threads

    @property
    def epochs(self) -> dict[str, int]:
        """Of each trial, by its name, if it is not stopped."""
        return {
            one.name: own_params(one.params(self.base, of=one.name), self.spec.branch).epochs
            for one in self.trials
        }

    @property
    def keep(self) -> dict[str, str]:
        """The rule by which an epoch of each trial is kept, by the trial's name."""
        return {one.name: one.params(self.base, of=one.name).train.keep for one in self.trials}


def prepare_search(
    spec: Path, root: Path, *, name: str | None = None, fresh: bool = False
) -> Search:
    """Read and check all that a search needs, before anything starts.

    Args:
        spec: file that says what is tried.
        root: of the checkout, whose params.yaml its trials change.
        name: of the search, and of its folder below `.search/`; None is that of the file.
        fresh: whether an earlier search of this name is forgotten.

    Raises:
        ParamsError: the spec or a trial is faulty, or a search of this name was begun with
            other values.
        ArtifactError: what trials read is missing or stale.
    """
    called = _expect_name(name or spec.stem)
    wanted = load_search(spec)
    params = root / "params.yaml"
    base = read_yaml(params)
    parse_params(base, name=params.name)
    scope = read_scope(wanted.branch, root)
    trials = propose(wanted)
    expect_possible(wanted, trials, base, scope, name=str(spec))
    expect_current(scope, root)
    folder = root / ".search" / called
    search = Search(wanted, trials, base, params, scope, root, folder)
    with _leading(search):
        if fresh:
            for old in (one for one in folder.iterdir() if one.name != _LOCK):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        _expect_same(search)
    return search


def _expect_name(name: str) -> str:
    """It names a folder, which `--fresh` empties, and is looked for in MLflow."""
    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise ParamsError(
            f"the search's name is {name!r}, expected letters, digits, '.', '_' and '-', and a "
            "letter or digit first; without --name it is that of the file of --spec"
        )
    return name


@contextmanager
def _leading(search: Search) -> Iterator[None]:
    search.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(search.folder / _LOCK) as mine:
        if not mine:
            raise PipelineError(
                f"another process is at the search in {search.place}; wait for it, or give this "
                "one another --name"
            )
        yield


def _expect_same(search: Search) -> None:
    """Trials are compared with each other: all that decides on one must be alike for all."""
    path = search.folder / "search.json"
    about = _about(search)
    if not path.exists():
        if (search.folder / _LOG).exists():
            raise ParamsError(
                f"{search.place} holds what trials came to, and not of which search they are "
                f"({path.name}); put that back, or give this search another --name, or begin anew "
                "with --fresh"
            )
        write_json(about | {"began": time.time_ns()}, path)
        return
    known = read_json(path)
    different = [
        f"{key} was {known.get(key)!r}, is {about.get(key)!r}"
        for key in {**known, **about}
        if key != "began" and known.get(key) != about.get(key)
    ]
    if different:
        more = f" and {len(different) - 5} more" if len(different) > 5 else ""
        raise ParamsError(
            f"{search.place} holds a search with other values: {'; '.join(different[:5])}{more}. "
            "Put them back, or give this search another --name, or begin anew with --fresh"
        )


def _about(search: Search) -> dict[str, Any]:
    """All that decides on a trial's result; more trials do not."""
    spec = search.spec
    space = {key: [one.kind, *one.values] for key, one in spec.space.items()}
    tree = {
        "branch": spec.branch,
        "seed": spec.seed,
        "asha": spec.asha.model_dump(),
        "resources": spec.resources.model_dump(),
        "params": search.base,
        "code": _code(search),
    }
    apart: dict[str, dict[str, Any]] = {"space": space, "data": digests(search.scope, search.root)}
    flat = flatten(tree) | {f"{n}.{key}": v for n, one in apart.items() for key, v in one.items()}
    # keys that are tried have no value of their own
    flat = {key: v for key, v in flat.items() if key.removeprefix("params.") not in space}
    about: dict[str, Any] = json.loads(json.dumps(flat))
    return about


def _code(search: Search) -> str:
    """A digest of the code that trains: the stage's, and what stands in for it here."""
    files = {*code_files(f"train_{search.spec.branch}", search.root), "pipeline/search/fits.py"}
    texts = ((search.root / file).read_bytes() for file in sorted(files))
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


def run_search(search: Search, *, address: str | None) -> str:
    """Train what is left of the trials, and write what came out; what to say of it.

    Args:
        search: what is to be done.
        address: of a Ray cluster; None is this machine.

    Raises:
        PipelineError: Ray is not installed, another process leads the same search, or no trial
            could be trained to its end.
    """
    run_trials = _ray().run_trials
    with _leading(search):
        logbook = Logbook(search.folder / _LOG, search.trials, keep=search.keep)
        audience = Audience(search, logbook)
        if logbook.left():
            _announce(search, logbook)
            try:
                run_trials(
                    search.spec,
                    search.work(),
                    logbook,
                    epochs=search.epochs,
                    address=address,
                    tell=audience.tell,
                )
            except KeyboardInterrupt:
                log.warning("stopped; the same command goes on")
                raise
        return _conclude(search, logbook, audience)


def _ray() -> ModuleType:
    try:
        from pipeline.search import tune  # noqa: PLC0415 (an extra, and seconds)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("ray"):
            raise
        raise PipelineError(
            "a search needs Ray Tune, which is not installed: pip install 'ray[tune]' (the extra "
            "`search` of this project); without it, dvc exp run --queue tries a grid"
        ) from None
    return tune


def _announce(search: Search, logbook: Logbook) -> None:
    over = len(search.trials) - len(logbook.left())
    log.info(
        "%s: %d trials of %s, %d at a time, at most %d epochs each%s",
        search.place,
        len(search.trials),
        search.scope.stage.target,
        search.spec.concurrent,
        max(search.epochs.values()),
        f"; goes on, {over} are over" if over else "",
    )


class Audience:
    """Who hears of a search as it goes: the person who waits, trials.csv, MLflow."""

    def __init__(self, search: Search, logbook: Logbook) -> None:
        self._search, self._logbook = search, logbook
        key = str(read_json(search.folder / "search.json")["began"])
        self._runs = SearchRun(search.folder.name, key=key, params=search.params)
        self._told = {name: len(one.epochs) for name, one in logbook.standings.items()}
        self._running: set[str] = set()
        self._shown_at = time.monotonic()

    def tell(self, name: str) -> None:
        """Something happened to a trial."""
        standing = self._logbook.standings[name]
        is_over = standing.state != "running"
        ends = is_over and name in self._running  # one that is stopped is told of twice
        self._track(standing, is_over=is_over)
        is_late = time.monotonic() - self._shown_at > TABLE_EVERY_S
        if self._goes_on() and (ends or is_late):  # the last table is shown in the end
            self.show()

    def show(self) -> None:
        """The table, for the person and as a file."""
        standings = self._logbook.standings.values()
        log.info("%s\n", progress_table(standings))
        write_trials(standings, self._search.folder / "trials.csv")
        self._shown_at = time.monotonic()

    def finish(self, numbers: dict[str, float], files: list[Path]) -> None:
        """The search is over."""
        self._runs.finish(numbers, files)

    def _goes_on(self) -> bool:
        """Whether more is to come; what has failed is left for the next call."""
        standings = self._logbook.standings.values()
        return any(one.state in ("waiting", "running") for one in standings)

    def _track(self, standing: Standing, *, is_over: bool) -> None:
        name = standing.trial.name
        if name not in self._running and not is_over:
            changes = {key: as_word(value) for key, value in standing.trial.changes.items()}
            self._runs.start(name, changes)
            self._running.add(name)
        for epoch in standing.epochs[self._told[name] :]:
            self._runs.epoch(name, epoch)
        self._told[name] = len(standing.epochs)
        if is_over and name in self._running:
            self._runs.end(name, standing.state)
            self._running.remove(name)


def _conclude(search: Search, logbook: Logbook, audience: Audience) -> str:
    for one in logbook.standings.values():
        if one.state == "failed":
            log.warning("%s failed: %s", one.trial.name, one.why)
    audience.show()
    best = logbook.best()
    if best is None:
        raise PipelineError(
            f"no trial was trained to its end; {search.place}/trials.csv says why, and the "
            "same command tries those that failed again"
        )
    line = search.line(best.trial)
    table, file = search.folder / "trials.csv", search.folder / "best.txt"
    write_text(f"{line}\n", file)
    audience.finish({"val_auroc": best.auroc()}, [table, file])
    return (
        f"best of {len(search.trials)}: {best.trial.name}, mean AUROC {best.auroc():.4f} on "
        f"validation images; this runs the pipeline with it ({search.place}/best.txt):\n{line}"
    )

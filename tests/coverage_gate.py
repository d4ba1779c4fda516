"""Which lines of `pipeline/` the tests run.

`python -m pytest -p tests.coverage_gate --least-coverage 95`; `pytest` alone does not look for
plugins in the current folder.

SlipCover counts a line once and takes its counter out again, which costs a few percent; tracing
doubles the time of our tests. What a test starts as another process is not counted.
"""

import gc
import json
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from jaxtyping import _import_hook
from slipcover import Slipcover, merge_coverage

PACKAGE = Path(__file__).parents[1] / "pipeline"
TRACED = PACKAGE / "predict/onnx/regions.py"
"""Its loops are bytecode to PyTorch's exporter, which knows no counters: it is left out."""

_WORST = 10
_KEY = "coverage"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Of this plugin."""
    parser.addoption(
        "--least-coverage", type=float, default=0.0, help="percent of the lines of pipeline/"
    )


class _Loader(_import_hook._JaxtypingLoader):
    """As jaxtyping's, which keeps what it compiles; counters are put into what is run."""

    def get_code(self, name: str) -> CodeType:
        """Of a module."""
        code = super().get_code(name)
        path = Path(self.path)
        counts = path.is_relative_to(PACKAGE) and path != TRACED
        return _counter.instrument(code) if counts else code

    def exec_module(self, module: ModuleType) -> None:
        """Where counters are taken out again."""
        _counter.register_module(module)
        super().exec_module(module)


class _Counter(Slipcover):
    """Lets go of frames at once: a test may wait for what their locals hold, such as a lock."""

    def deinstrument_seen(self) -> None:
        """Below Python 3.12: looks into every frame, its own too, which then refers to itself."""
        super().deinstrument_seen()
        gc.collect(1)  # it is young; all that called it hangs on it


_counter = _Counter(source=[str(PACKAGE)])
_found: list[dict[str, Any]] = []
"""Of workers that have ended."""


def pytest_configure() -> None:
    """Before anything of `pipeline/` is imported."""
    _import_hook._JaxtypingLoader = _Loader


@pytest.hookimpl(tryfirst=True)  # a worker's output leaves when pytest-xdist is told
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells what it has seen; the last process judges all."""
    seen = _counter.get_coverage()
    seen["files"] = {f: one for f, one in seen["files"].items() if Path(f).resolve() != TRACED}
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told[_KEY] = json.dumps(seen)
        return
    for other in _found:
        merge_coverage(seen, other)
    _found[:] = [seen]
    if _percent(seen) < session.config.getoption("--least-coverage"):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Of pytest-xdist: a worker has ended; one that crashed tells nothing."""
    if hasattr(node, "workeroutput"):
        _found.append(json.loads(node.workeroutput[_KEY]))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The share, and the files that lack most."""
    (seen,) = _found
    least = config.getoption("--least-coverage")
    terminalreporter.section("lines of pipeline/ that were run")
    lacking = {name: len(one["missing_lines"]) for name, one in seen["files"].items()}
    for name in sorted(lacking, key=lacking.__getitem__)[: -_WORST - 1 : -1]:
        terminalreporter.line(f"{lacking[name]:5d} were not: {name}")
    short = "" if _percent(seen) >= least else f", fewer than the {least:g} % wanted"
    terminalreporter.line(f"{_percent(seen):.2f} % of {_lines(seen):,} lines{short}")


def _lines(seen: dict[str, Any]) -> int:
    found = seen["files"].values()
    return sum(len(one["executed_lines"]) + len(one["missing_lines"]) for one in found)


def _percent(seen: dict[str, Any]) -> float:
    missing = sum(len(one["missing_lines"]) for one in seen["files"].values())
    return 100 * (1 - missing / _lines(seen))

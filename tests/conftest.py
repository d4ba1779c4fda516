"""What every test shares: one thread per worker, no tracking, no network."""

import os
import signal

import pytest
from first_calls import forget_calls
from hypothesis import settings

os.environ.setdefault("CXR_TRACKING", "off")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["OMP_NUM_THREADS"] = "1"  # what train.threads: auto goes by, here and in commands
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # there are several workers: none spins

settings.register_profile("tests", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("tests")

# What a shell starts in the background ignores Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Workers of pytest-xdist share the cores; results must not depend on how many there are."""
    import torch  # noqa: PLC0415 (seconds, which the process that starts the workers need not wait)

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _checks_begin_anew():
    forget_calls()


LONG = {
    "test_backbone", "test_benchmarks", "test_box_frame", "test_box_laws", "test_branch",
    "test_capsnet_training", "test_centring", "test_cli", "test_commands", "test_distributed",
    "test_evaluation", "test_extract", "test_fit", "test_fusion", "test_golden", "test_grid",
    "test_heatmap", "test_localisation", "test_nih", "test_operating", "test_phantom_cohort",
    "test_plot_page", "test_report", "test_resume", "test_snapshots", "test_split",
    "test_standalone", "test_step", "test_threads", "test_trials", "test_weights", "test_zoo",
}  # fmt: skip
"""Modules of more than eight seconds, which `make check` leaves to `make test`."""


def pytest_xdist_auto_num_workers() -> int:
    """One more than cores, for while a test waits for a lock or a server, the next can run."""
    from pipeline.base.cores import cores  # noqa: PLC0415 (behind jaxtyping's import hook)

    return cores() + 1


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests run on one worker, where what they share is made once."""
    for item in items:
        if item.path.stem in LONG:
            item.add_marker("long")
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))

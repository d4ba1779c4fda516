"""How threads wait is set where nobody has said it."""

import os
from unittest import mock

import pytest

from pipeline.guard.thread_waits import WAITS, let_threads_sleep


@pytest.mark.parametrize(
    "said",
    [{}, {"OMP_WAIT_POLICY": "PASSIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "0"}],
)
def test_whoever_has_said_how_threads_wait_is_not_overruled(said):
    with mock.patch.dict(os.environ, said, clear=True):
        let_threads_sleep()
        assert dict(os.environ) == (said or WAITS)

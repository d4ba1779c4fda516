"""The learning rate as a function of steps and epochs."""

import pytest
import torch

from pipeline.training.schedule import build_schedule


def optimizer(rate=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rates(name, *, steps):
    moved = optimizer()
    schedule = build_schedule(name, moved, steps=steps)
    found = []
    for _ in range(steps):
        found.append(moved.param_groups[0]["lr"])
        moved.step()
        schedule.after_step()
    return found


@pytest.mark.parametrize("steps", range(1, 41))
def test_one_cycle_runs_over_any_number_of_steps_and_never_above_the_rate(steps):
    found = rates("one_cycle", steps=steps)
    assert all(0 < rate <= 1 + 1e-9 for rate in found)
    assert max(found) > 0.9 or steps == 1  # the peak may lie between two steps


@pytest.mark.parametrize("steps", [20, 100, 1000])
def test_one_cycle_peaks_after_a_tenth_of_the_steps_and_ends_near_nothing(steps):
    found = rates("one_cycle", steps=steps)
    assert found.index(max(found)) == steps // 10 - 1
    assert found[-1] < 1e-4


def test_plateau_divides_by_ten_after_the_third_epoch_that_is_no_better():
    moved = optimizer()
    schedule = build_schedule("plateau", moved, steps=1)
    found = []
    for loss in (5.0, 4.0, 4.0, 4.1, 3.99999, 4.0, 4.0, 4.0, 4.0):
        schedule.after_epoch(loss)
        found.append(moved.param_groups[0]["lr"])
    # a hair better counts as better; equal does not
    assert found == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.1, 0.1])

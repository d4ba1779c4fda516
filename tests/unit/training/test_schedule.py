"""The learning rate as a function of steps and epochs."""

import math

import pytest
import torch

from pipeline.training.schedule import SCHEDULES, build_schedule, slow_down


def optimizer(rate=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def run(moved, schedule, *, steps):
    found = []
    for _ in range(steps):
        found.append(moved.param_groups[0]["lr"])
        moved.step()
        schedule.after_step()
    return found


def rates(name, *, steps, warmup=0.1):
    moved = optimizer()
    return run(moved, build_schedule(name, moved, steps=steps, warmup=warmup), steps=steps)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.99])
@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
@pytest.mark.parametrize("steps", range(1, 41))
def test_a_cycle_runs_over_any_number_of_steps_and_never_above_the_rate(name, steps, warmup):
    found = rates(name, steps=steps, warmup=warmup)
    assert all(0 < rate <= 1 + 1e-9 for rate in found)
    if warmup < 0.5:
        assert max(found) > 0.9 or steps == 1  # the peak may lie between two steps


@pytest.mark.parametrize("steps", [20, 100, 1000])
def test_one_cycle_peaks_after_a_tenth_of_the_steps_and_ends_near_nothing(steps):
    found = rates("one_cycle", steps=steps)
    assert found.index(max(found)) == steps // 10 - 1
    assert found[-1] < 1e-4


def test_cosine_rises_in_equal_steps_and_falls_as_a_cosine():
    found = rates("cosine", steps=100, warmup=0.1)
    assert found[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    falls = [0.5 * (1 + math.cos(math.pi * step / 90)) for step in range(90)]
    assert found[10:] == pytest.approx(falls)


def test_cosine_without_warmup_begins_at_the_rate():
    assert rates("cosine", steps=10, warmup=0.0)[0] == 1.0


def test_plateau_divides_by_ten_after_the_third_epoch_that_is_no_better():
    moved = optimizer()
    schedule = build_schedule("plateau", moved, steps=1, warmup=0.1)
    found = []
    for loss in (5.0, 4.0, 4.0, 4.1, 3.99999, 4.0, 4.0, 4.0, 4.0):
        schedule.after_epoch(loss)
        found.append(moved.param_groups[0]["lr"])
    # a hair better counts as better; equal does not
    assert found == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.1, 0.1])


@pytest.mark.parametrize("name", SCHEDULES)
def test_slowing_down_multiplies_all_that_comes(name):
    plain = rates(name, steps=50)
    moved = optimizer()
    schedule = build_schedule(name, moved, steps=50, warmup=0.1)
    run(moved, schedule, steps=20)
    slow_down(moved, schedule, 0.2)
    assert run(moved, schedule, steps=30) == pytest.approx([0.2 * rate for rate in plain[20:]])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_where_it_stood(name):
    def begin():
        moved = optimizer()
        return moved, build_schedule(name, moved, steps=50, warmup=0.1)

    moved, schedule = begin()
    run(moved, schedule, steps=20)
    schedule.after_epoch(1.0)
    slow_down(moved, schedule, 0.2)
    again, copy = begin()
    again.load_state_dict(moved.state_dict())
    copy.load_state_dict(schedule.state_dict())
    for one in (schedule, copy):
        for loss in (2.0, 2.0, 2.0):
            one.after_epoch(loss)
    assert run(again, copy, steps=30) == run(moved, schedule, steps=30)

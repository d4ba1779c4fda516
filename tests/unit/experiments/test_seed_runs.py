"""Names of experiments under several seeds, and the queue as DVC prints it."""

import pytest

from pipeline.errors import ExperimentError
from pipeline.experiments import queue
from pipeline.experiments.exp_show import FAILED, FINISHED, Experiment
from pipeline.experiments.queue import ended, read_status, share_of_cores
from pipeline.experiments.repeats import expect_all, names_of, read_from_outside

PARAMS = {"seed": 7, "model": {"global": "resnet18"}, "split": {"seed": 7}}


def test_more_seeds_keep_the_names_of_fewer():
    three, five = names_of(7, 3, PARAMS, "commit"), names_of(7, 5, PARAMS, "commit")
    assert list(five) == [7, 8, 9, 10, 11]
    assert three.items() <= five.items()
    assert names_of(8, 1, PARAMS | {"seed": 8}, "commit")[8] == three[8]


@pytest.mark.parametrize(
    ("params", "commit"),
    [
        (PARAMS, "another"),
        (PARAMS | {"model": {"global": "resnet50"}}, "commit"),
        (PARAMS | {"split": {"seed": 8}}, "commit"),
    ],
)
def test_another_configuration_or_commit_has_other_names(params, commit):
    ours = set(names_of(7, 3, PARAMS, "commit").values())
    assert not ours & set(names_of(7, 3, params, commit).values())


def test_no_seed_at_all_is_refused():
    with pytest.raises(ExperimentError, match="at least 1"):
        names_of(7, 0, PARAMS, "commit")


STATUS = """Task     Name           Created       Status
0a2d8e9  slow1          10:49 PM      Running
92d2467  seed-8-cb2e58  Nov 24, 2026  Queued
a7c9a4e  broken         10:47 PM      Failed
bdc4c12  Running        10:46 PM      Success

Worker status: 0 active, 0 idle
"""


def test_what_waits_and_what_runs_is_read_by_name():
    assert read_status(STATUS) == (frozenset({"seed-8-cb2e58"}), frozenset({"slow1"}))
    assert read_status("No experiment tasks in the queue.\n") == (frozenset(), frozenset())


WAITS, RUNS, DONE = (
    f"a7c9a4e  seed-8  10:47 PM  {state}\n" for state in ("Queued", "Running", "Success")
)


@pytest.fixture
def looks(monkeypatch, tmp_path):
    """Wait for one seed, while the queue is seen in these states; how often DVC was to start."""
    starts = []

    def wait(*seen, jobs=1):
        workers, said = (iter(column) for column in zip(*seen, strict=True))

        def dvc(*words, root, env=None):
            if words[1] == "start":
                assert env == share_of_cores(jobs)
                starts.append(words)
            return next(said) if words[1] == "status" else ""

        monkeypatch.setattr(queue, "workers", lambda root: next(workers))
        monkeypatch.setattr(queue, "dvc", dvc)
        assert list(ended(["seed-8"], jobs=jobs, root=tmp_path, poll_s=0.0)) == ["seed-8"]
        return len(starts)

    return wait


def test_workers_are_started_where_there_are_none_and_topped_up_once(looks):
    assert looks((0, WAITS), (1, RUNS), (1, RUNS), (0, DONE)) == 1
    assert looks((1, WAITS), (1, WAITS), (1, DONE), jobs=2) == 2
    assert looks((1, WAITS), (1, DONE)) == 2  # none more


def test_workers_share_the_cores_unless_a_number_of_threads_is_said(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(queue, "cores", lambda: 5)
    assert [share_of_cores(jobs).get("OMP_NUM_THREADS") for jobs in (1, 2, 9)] == [None, "2", "1"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert share_of_cores(2) == {}


def test_a_worker_that_starts_between_two_questions_is_not_missed(looks):
    assert looks((0, RUNS), (1, RUNS), (0, RUNS), (1, DONE)) == 0


def test_a_worker_that_is_missed_twice_was_killed(looks):
    with pytest.raises(ExperimentError, match="seed-8: counts as running, but its worker was k"):
        looks((1, RUNS), (0, RUNS), (0, RUNS))


def test_a_worker_that_never_comes_is_not_waited_for(looks):
    with pytest.raises(ExperimentError, match="was called 5 times, and no worker came"):
        looks(*[(0, WAITS)] * 10)


def test_what_is_read_from_outside_is_what_no_stage_writes_whole_or_in_part():
    lock = {
        "stages": {
            "ingest": {
                "deps": [
                    {"path": "/radiographs", "md5": "a.dir"},
                    {"path": "code.py", "md5": "b"},
                ],
                "outs": [{"path": "data/cache", "md5": "c.dir"}],
            },
            "train@m": {
                "deps": [
                    {"path": "data/cache/images", "md5": "d"},
                    {"path": "code.py", "md5": "b"},
                ],
                "outs": [{"path": "data/votes/m", "md5": "e"}],
            },
            "vote": {"deps": [{"path": "data/votes", "md5": "f"}]},
        }
    }
    assert read_from_outside(lock) == {"/radiographs": "a.dir", "code.py": "b"}


def test_a_seed_that_failed_is_named_with_its_log():
    def one(state):
        return Experiment("n", "r", "b", state, {}, {})

    names = {7: "seed-7-a", 8: "seed-8-a", 9: "seed-9-a"}
    expect_all(names, dict.fromkeys(names, one(FINISHED)))
    with pytest.raises(ExperimentError, match="dvc queue logs seed-8-a") as raised:
        expect_all(names, {7: one(FINISHED), 8: one(FAILED)})
    assert "dvc queue logs seed-9-a" in str(raised.value)
    assert "seed-7-a" not in str(raised.value)


def test_a_lock_of_no_run_yet_has_read_nothing():
    assert read_from_outside({"schema": "2.0"}) == {}

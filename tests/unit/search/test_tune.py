"""ASHA, told again of what it was told before it was killed, stands where it stood."""

import socket
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import ParamsError
from pipeline.search.fits import Work
from pipeline.search.logbook import Logbook
from pipeline.search.space import load_search
from pipeline.search.trials import Trial

pytest.importorskip("ray")

TRIALS = [Trial(f"t00{n}", {"seed": n}) for n in range(1, 7)]
AUROC = {1: 0.60, 2: 0.55, 3: 0.70, 4: 0.67, 5: 0.50, 6: 0.72}


def begun(path, trials, keep="loss"):
    return Logbook(path, trials, keep=dict.fromkeys((one.name for one in trials), keep))


def halving(book: Logbook):
    from pipeline.search.tune import Halving  # noqa: PLC0415 (seconds)

    return Halving(
        book,
        lambda name: None,
        epochs=dict.fromkeys(book.standings, 4),
        asha={"grace": 1, "reduction": 2},
    )


def trial_of(number: int) -> SimpleNamespace:
    name = f"t00{number}"
    return SimpleNamespace(trial_id=f"of Ray {number}", config={"known": {"name": name}})


def result(number: int, epoch: int) -> dict[str, float]:
    others = dict.fromkeys(("train_loss", "val_loss", "learning_rate", "images_per_second"), 0.5)
    return {"epoch": epoch, "val_auroc": AUROC[number] + epoch / 100, "took_s": 1.0, **others}


def decide(scheduler, number: int, epoch: int) -> str:
    return scheduler.on_trial_result(None, trial_of(number), result(number, epoch))


ORDER = [(1, 1), (2, 1), (3, 1), (1, 2), (3, 2), (4, 1), (3, 3), (4, 2), (5, 1), (3, 4), (6, 1)]
"""Trial and epoch, as they come in; those of a trial that was stopped are left out."""


def run(book: Logbook, scheduler, order, known=()) -> dict[tuple[int, int], str]:
    decided, seen, stopped = {}, set(known), set()
    for number, epoch in order:
        if number in stopped:
            continue
        if number not in seen:
            seen.add(number)
            scheduler.on_trial_add(None, trial_of(number))
        decided[number, epoch] = decide(scheduler, number, epoch)
        if decided[number, epoch] == "STOP":
            stopped.add(number)
            book.end(f"t00{number}", "finished")
    return decided


@pytest.mark.parametrize("killed_after", range(1, len(ORDER)))
def test_a_killed_search_decides_as_one_that_was_let_alone(tmp_path, killed_after):
    whole = begun(tmp_path / "whole.jsonl", TRIALS)
    expected = run(whole, halving(whole), ORDER)
    assert {"STOP", "CONTINUE"} == set(expected.values())
    path = tmp_path / "killed.jsonl"
    first = begun(path, TRIALS)
    decided = run(first, halving(first), ORDER[:killed_after])
    second = begun(path, TRIALS)
    over = {n for n in AUROC if second.standings[f"t00{n}"].state in ("finished", "stopped")}
    rest = [(number, epoch) for number, epoch in ORDER[killed_after:] if number not in over]
    decided |= run(second, halving(second), rest)
    assert decided == expected
    assert [s.state for s in second.standings.values()] == [
        s.state for s in whole.standings.values()
    ]


def test_the_last_epoch_is_an_end_and_no_stop(tmp_path):
    book = begun(tmp_path / "log.jsonl", TRIALS)
    run(book, halving(book), [(6, epoch) for epoch in (1, 2, 3, 4)])
    assert book.standings["t006"].state == "finished"
    assert len(book.standings["t006"].epochs) == 4


def test_ray_may_pickle_what_holds_an_open_file(tmp_path):
    import pickle  # noqa: PLC0415

    book = begun(tmp_path / "log.jsonl", TRIALS)
    assert pickle.dumps(halving(book))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Traceback\nRuntimeError: boom\n", "RuntimeError: boom"), ("", "no reason")],
)
def test_a_failed_trial_s_reason_is_the_last_line_that_ray_wrote(tmp_path, text, reason):
    from pipeline.search.tune import Notes  # noqa: PLC0415 (seconds)

    book = begun(tmp_path / "log.jsonl", TRIALS)
    (tmp_path / "error.txt").write_text(text)
    trial = trial_of(1)
    trial.error_file = str(tmp_path / "error.txt")
    Notes(book, lambda name: None, tmp_path).on_trial_error(0, [trial], trial)
    assert book.standings["t001"].state == "failed"
    assert reason in book.standings["t001"].why


def test_a_trial_of_fewer_epochs_that_trained_them_all_is_not_stopped(tmp_path):
    from pipeline.search.tune import Halving  # noqa: PLC0415 (seconds)

    book = begun(tmp_path / "log.jsonl", TRIALS)
    lengths = dict.fromkeys(book.standings, 4) | {"t005": 1}
    scheduler = Halving(book, lambda name: None, epochs=lengths, asha={"grace": 1, "reduction": 2})
    for number in (1, 3, 4, 5):  # the last one is the worst of them
        decide(scheduler, number, 1)
    assert book.standings["t005"].state != "stopped"


SPEC = load_search(Path(__file__).parents[3] / "search.yaml")


@pytest.fixture
def ray_calls(monkeypatch):
    """What is asked of Ray, which begins no process here, on two cores."""
    import ray  # noqa: PLC0415 (seconds)

    calls = []
    monkeypatch.setattr(ray, "init", lambda address, **how: calls.append(f"init {address}"))
    monkeypatch.setattr(ray, "shutdown", lambda: calls.append("shutdown"))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    return calls


def search(book, folder, *, address=None, tell=lambda name: None, **resources):
    """Train what is left of trials of two epochs."""
    from pipeline.search.tune import run_trials  # noqa: PLC0415 (seconds)

    each = SPEC.resources.model_copy(update=resources)
    run_trials(
        SPEC.model_copy(update={"resources": each}),
        Work("global", {}, {}, folder, folder, threads=1),
        book,
        epochs=dict.fromkeys(book.standings, 2),
        address=address,
        tell=tell,
    )


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"cpu": 4.0}, "resources.cpu: a trial asks for 4, and this machine has 2"),
        ({"gpu": 0.5}, "resources.gpu: a trial asks for 0.5, and this machine has 0"),
    ],
)
def test_what_this_machine_has_not_is_said_and_ray_is_ended(ray_calls, tmp_path, resources, said):
    with pytest.raises(ParamsError) as caught:
        search(begun(tmp_path / "log.jsonl", TRIALS), tmp_path, **resources)
    assert str(caught.value) == said
    assert ray_calls == ["init local", "shutdown"]


def test_an_address_that_is_none_is_named(tmp_path):
    with pytest.raises(ParamsError) as caught:
        search(begun(tmp_path / "log.jsonl", TRIALS), tmp_path, address="nowhere")
    assert str(caught.value) == (
        "--address nowhere: no Ray cluster answers there (Invalid address format: nowhere); "
        "without --address the search runs on this machine"
    )


def test_where_nobody_answers_ray_is_not_asked_to_try(tmp_path, monkeypatch):
    import ray  # noqa: PLC0415 (seconds)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("it would try for two minutes"))
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(ParamsError, match=r"no Ray cluster answers there \(.*[Rr]efused"):
            search(begun(tmp_path / "log.jsonl", TRIALS), tmp_path, address=address)


class Tuner:
    """In place of Ray's: trains nothing, and calls as Ray does, one trial after the other."""

    def __init__(self, trainable, *, param_space, tune_config, run_config):
        self.scheduler, (self.notes,) = tune_config.scheduler, run_config.callbacks
        self.begun = {one["name"]: one["epochs"] for one in param_space["known"]["grid_search"]}
        self.folder = Path(run_config.storage_path, ".ckpt")

    def fit(self):
        for name, known in self.begun.items():
            number = int(name[1:])
            trial = trial_of(number)
            (self.folder / name).mkdir(parents=True)
            self.notes.on_trial_start(0, [trial], trial)
            for epoch in range(known + 1, 3):
                if decide(self.scheduler, number, epoch) == "STOP":
                    break
            last = result(number, epoch) | {"done": True}
            assert self.scheduler.on_trial_result(None, trial, last) == "CONTINUE"
            self.notes.on_trial_complete(0, [trial], trial)


def test_what_is_left_is_trained_on_and_leaves_no_snapshots(
    ray_calls, tmp_path, monkeypatch, caplog
):
    from ray import tune  # noqa: PLC0415 (seconds)

    monkeypatch.setattr(tune, "Tuner", Tuner)
    book, told = begun(tmp_path / "log.jsonl", TRIALS), []
    book.add("t001", result(1, 1) | {"seconds": 1.0}, stopped=False)
    search(book, tmp_path, address="auto", tell=told.append, gpu=1)
    assert ray_calls == ["init auto", "shutdown"]
    assert caplog.messages == [
        "warning: resources.gpu: a trial asks for 1 and waits until the cluster has it; now it "
        "has 0 in all"
    ]
    found = {name: (one.state, len(one.epochs)) for name, one in book.standings.items()}
    assert found["t001"] == ("finished", 2)
    assert found["t005"] == ("stopped", 1)  # the worst of those so far
    assert told.count("t001") == 3  # its start, its second epoch, its end
    assert list((tmp_path / ".ckpt").iterdir()) == []


def test_ray_is_ended_though_a_search_is_interrupted(ray_calls, tmp_path, monkeypatch):
    from ray import tune  # noqa: PLC0415 (seconds)

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Tuner, "fit", interrupted)
    monkeypatch.setattr(tune, "Tuner", Tuner)
    with pytest.raises(KeyboardInterrupt):
        search(begun(tmp_path / "log.jsonl", TRIALS), tmp_path)
    assert ray_calls == ["init local", "shutdown"]

"""ASHA, told again of what it was told before it was killed, stands where it stood."""

from types import SimpleNamespace

import pytest

from pipeline.search.logbook import Logbook
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

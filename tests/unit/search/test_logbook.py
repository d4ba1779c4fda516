"""The logbook: a search that was killed knows all that it had come to."""

import pytest

from pipeline.search.logbook import Logbook
from pipeline.search.trials import Trial

TRIALS = [Trial(f"t00{n}", {"seed": n}) for n in (1, 2, 3, 4)]


def begun(path, trials, keep="loss"):
    return Logbook(path, trials, keep=dict.fromkeys((one.name for one in trials), keep))


def epoch(number: int, val_loss: float, val_auroc: float) -> dict[str, float]:
    return {"epoch": number, "val_loss": val_loss, "val_auroc": val_auroc, "seconds": 2.0}


@pytest.fixture
def killed(tmp_path):
    """The file of a search in which every state occurs."""
    book = begun(tmp_path / "log.jsonl", TRIALS)
    for name in ("t001", "t002", "t003", "t004"):
        book.start(name)
    book.add("t001", epoch(1, 0.5, 0.6), stopped=False)
    book.add("t001", epoch(2, 0.6, 0.7), stopped=False)
    book.end("t001", "finished")
    book.add("t002", epoch(1, 0.4, 0.9), stopped=True)
    book.add("t003", epoch(1, 0.4, 0.55), stopped=False)
    book.end("t004", "failed", "no memory")
    return tmp_path / "log.jsonl"


def states(book: Logbook) -> list[str]:
    return [one.state for one in book.standings.values()]


def test_what_is_over_stays_so_and_the_rest_is_begun_again(killed):
    book = begun(killed, TRIALS)
    assert states(book) == ["finished", "stopped", "waiting", "waiting"]
    assert [one.trial.name for one in book.left()] == ["t003", "t004"]
    assert [len(one.epochs) for one in book.standings.values()] == [2, 1, 1, 0]


def test_a_line_that_was_cut_short_counts_as_not_written(killed):
    whole = killed.read_bytes()
    killed.write_bytes(whole + b'{"trial": "t003", "epo')
    book = begun(killed, TRIALS)
    assert killed.read_bytes() == whole
    book.add("t003", epoch(2, 0.3, 0.6), stopped=False)
    assert [e["epoch"] for e in begun(killed, TRIALS).standings["t003"].epochs] == [1, 2]


def test_a_stopped_trial_is_not_finished_by_its_end(killed):
    book = begun(killed, TRIALS)
    book.end("t002", "finished")
    assert book.standings["t002"].state == "stopped"


def test_the_best_is_of_those_trained_to_their_end_by_the_epoch_that_is_kept(killed):
    book = begun(killed, TRIALS)
    assert book.best().trial.name == "t001"
    assert book.best().auroc() == 0.6  # of the lowest loss, not the highest AUROC
    book.add("t003", epoch(2, 0.3, 0.65), stopped=False)
    book.end("t003", "finished")
    assert book.best().trial.name == "t003"


def test_the_kept_epoch_and_with_it_the_best_trial_follow_the_trial_s_rule(killed):
    for keep, auroc in (("loss", 0.6), ("auroc", 0.7), ("last", 0.7)):
        assert begun(killed, TRIALS, keep).best().auroc() == auroc
    mixed = Logbook(
        killed, TRIALS, keep={"t001": "loss", "t002": "auroc", "t003": "last", "t004": "loss"}
    )
    assert [one.keep for one in mixed.standings.values()] == ["loss", "auroc", "last", "loss"]


def test_more_trials_join_a_search_that_is_over(killed):
    book = begun(killed, [*TRIALS, Trial("t005", {"seed": 5})])
    assert [one.trial.name for one in book.left()] == ["t003", "t004", "t005"]


def test_trials_that_are_not_wanted_now_are_remembered_for_when_they_are_again(killed):
    fewer = begun(killed, TRIALS[1:2])
    assert states(fewer) == ["stopped"]
    assert states(begun(killed, TRIALS)) == ["finished", "stopped", "waiting", "waiting"]

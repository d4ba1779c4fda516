"""The table of a search says what is best, and is short."""

import pandas as pd

from pipeline.search.logbook import Standing
from pipeline.search.table import SHOWN, progress_table, write_trials
from pipeline.search.trials import Trial


def standing(number: int, state: str, *aurocs: float) -> Standing:
    changes = {"global.epochs": number, "local.epochs": 5, "train.ema": 0.0}
    epochs = [
        {"epoch": n, "val_loss": 1 / n, "val_auroc": auroc, "seconds": 3.0}
        for n, auroc in enumerate(aurocs, start=1)
    ]
    return Standing(Trial(f"t{number:03d}", changes), "loss", state, epochs)


def test_those_trained_to_their_end_stand_first_best_first_and_all_are_counted():
    table = progress_table(
        [
            standing(1, "stopped", 0.9),
            standing(2, "finished", 0.5, 0.6),
            standing(3, "finished", 0.5, 0.7),
            standing(4, "running"),
            standing(5, "waiting"),
        ]
    )
    assert table.splitlines() == [
        "5 trials: 2 finished, 1 running, 1 stopped, 1 waiting",
        "trial  state     epoch  val AUROC  seconds  global.epochs  local.epochs  ema",
        "t003   finished  2      0.7000     6        3              5             0.0",
        "t002   finished  2      0.6000     6        2              5             0.0",
        "t004   running   0      -          0        4              5             0.0",
        "t001   stopped   1      0.9000     3        1              5             0.0",
    ]


def test_of_many_trials_the_best_are_shown():
    table = progress_table([standing(n, "finished", n / 100) for n in range(1, 31)])
    assert len(table.splitlines()) == SHOWN + 3
    assert table.splitlines()[2].startswith("t030")
    assert table.endswith("(15 more in trials.csv)")


def test_the_file_has_all_trials(tmp_path):
    write_trials([standing(1, "finished", 0.6), standing(2, "waiting")], tmp_path / "t.csv")
    frame = pd.read_csv(tmp_path / "t.csv")
    assert list(frame["state"]) == ["finished", "waiting"]
    assert frame["val_auroc"].isna().tolist() == [False, True]
    assert list(frame["global.epochs"]) == [1, 2]

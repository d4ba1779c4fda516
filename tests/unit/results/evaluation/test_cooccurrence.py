"""What is called on the images of each label, by hand."""

import numpy as np
import pandas as pd

from pipeline.results.evaluation.cooccurrence import cooccurrence
from pipeline.results.evaluation.scores import LabelledSet

YES, NO = True, False


def images(**targets):
    n = len(next(iter(targets.values())))
    names = pd.Series([f"{row}.png" for row in range(n)])
    return LabelledSet(names, np.arange(n), {k: np.array(v) for k, v in targets.items()})


def test_shares_are_of_the_images_with_a_label_by_hand():
    held = images(Mass=[YES, YES, NO, NO], Edema=[NO, YES, YES, NO])
    calls = {"Mass": np.array([YES, NO, NO, YES]), "Edema": np.array([NO, YES, YES, NO])}
    table = cooccurrence(calls, held).set_index(["actual", "called"])
    expected = {
        ("Mass", "Mass"): (0.5, 1.0, 2), ("Mass", "Edema"): (0.5, 0.5, 2),
        ("Edema", "Mass"): (0.0, 0.5, 2), ("Edema", "Edema"): (1.0, 1.0, 2),
        ("No Finding", "Mass"): (1.0, 0.0, 1), ("No Finding", "Edema"): (0.0, 0.0, 1),
    }  # fmt: skip
    assert {key: tuple(row) for key, row in table.iterrows()} == expected


def test_calls_that_are_all_right_are_called_as_they_are_labelled():
    rng = np.random.default_rng(0)
    held = images(Mass=rng.random(50) < 0.4, Edema=rng.random(50) < 0.2)
    table = cooccurrence(held.targets, held)
    assert (table["share"] == table["labelled"]).all()


def test_a_label_that_no_image_has_is_left_out():
    held = images(Mass=[YES, YES], Edema=[YES, NO])
    assert set(cooccurrence(held.targets, held)["actual"]) == {"Mass", "Edema"}

"""The score followed during training, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.training.score import mean_auroc


def test_it_is_scikit_learns_macro_auroc_ties_included():
    rng = np.random.default_rng(0)
    targets = rng.random((200, 14)) < 0.2
    scores = rng.integers(0, 10, (200, 14)) / 10
    assert mean_auroc(targets, scores) == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)


def test_a_finding_with_one_class_has_no_say():
    targets = np.array([[True, False], [False, False]])
    scores = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert mean_auroc(targets, scores) == 1.0
    with pytest.raises(ValueError, match="no finding has both classes"):
        mean_auroc(targets[:, 1:], scores[:, 1:])

"""The fusion head: where it starts, and what it may know."""

import numpy as np
import pandas as pd
import torch

from pipeline.findings import FINDINGS
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.networks.fusion import build_fusion, fit_metadata, restore_head


def metadata_table(**columns):
    table = {"age_years": [40.0, 60.0], "gender": ["M", "F"], "view_position": ["PA", "AP"]}
    return pd.DataFrame(table | columns)


def test_an_untrained_head_gives_the_mean_of_both_branches_logits():
    branches = [
        build_branch(
            BranchSpec(name, FINDINGS, 16, 64, standardise=False), weights=None, seed=seed
        ).eval()
        for seed, name in enumerate(("mobilenet_v2", "resnet18"))
    ]
    images, crops = torch.rand(2, 3, 1, 64, 64)
    joined = [branches[0].pooled(images), branches[1].pooled(crops), torch.randn(3, 4)]
    heads = [restore_head(branch.state_dict()) for branch in branches]
    logits = build_fusion(*heads, metadata=4)(torch.cat(joined, dim=1))
    torch.testing.assert_close(logits, (branches[0](images) + branches[1](crops)) / 2)


def test_ages_are_standardised_by_the_rows_that_were_fitted():
    encoder = fit_metadata(metadata_table(), ["age", "gender", "view"])
    encoded = encoder.encode(metadata_table(age_years=[50.0, np.nan]))
    np.testing.assert_allclose(encoded, [[0, 0, 1, -1], [0, 1, -1, 1]])


def test_features_that_are_not_asked_for_are_not_there():
    table = metadata_table()
    assert fit_metadata(table, []).encode(table).shape == (2, 0)
    assert fit_metadata(table, ["view"]).encode(table).tolist() == [[-1.0], [1.0]]


def test_a_cohort_without_ages_is_encoded_without_nan():
    table = metadata_table(age_years=[np.nan, np.nan])
    assert np.isfinite(fit_metadata(table, ["age"]).encode(table)).all()

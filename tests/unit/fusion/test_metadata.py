"""Age, gender and view as numbers."""

import numpy as np
import pandas as pd

from pipeline.fusion.metadata import METADATA, fit_metadata


def metadata_table(**columns):
    table = {"age_years": [40.0, 60.0], "gender": ["M", "F"], "view_position": ["PA", "AP"]}
    return pd.DataFrame(table | columns)


def test_ages_are_standardised_by_the_rows_that_were_fitted():
    encoder = fit_metadata(metadata_table(), METADATA)
    encoded = encoder.encode(metadata_table(age_years=[50.0, np.nan]))
    np.testing.assert_allclose(encoded, [[0, 0, 1, -1], [0, 1, -1, 1]])


def test_features_that_are_not_asked_for_are_not_there():
    table = metadata_table()
    assert fit_metadata(table, []).encode(table).shape == (2, 0)
    assert fit_metadata(table, ["view"]).encode(table).tolist() == [[-1.0], [1.0]]


def test_a_cohort_without_ages_is_encoded_without_nan():
    table = metadata_table(age_years=[np.nan, np.nan])
    assert np.isfinite(fit_metadata(table, ["age"]).encode(table)).all()

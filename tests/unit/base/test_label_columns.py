"""Labels in the index: true, false, or unknown, which is never false by mistake."""

import numpy as np
import pandas as pd
import pytest
from made_results import made_index

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import known, positive, read_index, targets_of, write_index


@pytest.fixture
def partly():
    index = made_index(patients=10)
    index["Mass"] = index["Mass"].astype("boolean").mask(index.index % 3 == 0)
    return index.assign(Hernia=pd.array([None] * len(index), dtype="boolean"), gender=None)


def test_unknown_labels_come_back_unknown(tmp_path, partly):
    write_index(partly, tmp_path / "index.parquet")
    found = read_index(tmp_path / "index.parquet")
    assert known(found, "Mass").tolist() == [at % 3 != 0 for at in range(len(found))]
    assert not known(found, "Hernia").any()
    assert known(found, "Edema").all()
    assert (positive(found, "Mass") == partly["Mass"].fillna(False)).all()
    assert not positive(found, "Hernia").any()
    assert found["gender"].isna().all()
    targets = targets_of(found)
    assert targets.dtype == np.float32
    assert (np.isnan(targets) == ~np.stack([known(found, f) for f in FINDINGS], axis=1)).all()
    assert (np.nan_to_num(targets) == np.stack([positive(found, f) for f in FINDINGS], 1)).all()


def test_what_takes_an_unknown_label_for_a_known_one_fails(tmp_path, partly):
    write_index(partly, tmp_path / "index.parquet")
    found = read_index(tmp_path / "index.parquet")
    with pytest.raises(ValueError, match="missing values"):
        found["Mass"].to_numpy(bool)


def test_where_all_is_known_columns_and_bytes_are_as_ever(tmp_path):
    index = made_index(patients=10)
    write_index(index, tmp_path / "one.parquet")
    write_index(index.astype(dict.fromkeys(FINDINGS, "boolean")), tmp_path / "other.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()
    found = read_index(tmp_path / "other.parquet")
    assert set(found[list(FINDINGS)].dtypes) == {np.dtype(bool)}
    plainly = np.array(found[list(FINDINGS)], np.float32)
    assert targets_of(found).tobytes() == plainly.tobytes()
    assert targets_of(found).strides == plainly.strides  # on which the order of sums depends

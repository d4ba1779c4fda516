"""Parquet tables keyed by `image_index`; findings are columns with names, never positions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float

from pipeline.base.files import replacing
from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError

_BOX = [("x1", pa.float64()), ("y1", pa.float64()), ("x2", pa.float64()), ("y2", pa.float64())]

INDEX = pa.schema(
    [
        ("image_index", pa.string()),
        ("patient_id", pa.int64()),
        ("follow_up", pa.int64()),
        ("age_years", pa.float64()),
        ("gender", pa.string()),
        ("view_position", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("shard", pa.int64()),
        ("row", pa.int64()),
        *((finding, pa.bool_()) for finding in FINDINGS),
    ]
)
"""One row per image: metadata, original size in pixels, place in the shards, labels.

A label is true, false, or null: unknown, which is never counted as false. In memory a column of
which all is known is of numpy's `bool`, any other of pandas' `boolean`, which refuses to become a
`bool`; `known`, `positive` and `targets_of` say what a label is. Age, gender and view may be null.
"""

BOXES = pa.schema([("image_index", pa.string()), ("finding", pa.string()), *_BOX])
"""Radiologists' boxes: xyxy, half-open, as fractions of the original width and height."""

SPLIT_NAMES = ("train", "val", "test")

SPLITS = pa.schema([("image_index", pa.string()), ("split", pa.string())])
"""`split` is one of SPLIT_NAMES."""

CROPS = pa.schema(
    [("image_index", pa.string()), *_BOX, ("source", pa.string()), ("finding", pa.string())]
)
"""Where each crop was cut, as BOXES: as many rows for each image as it has crops, in the order in
which they lie on its sheet. `source` is the heatmap that drew it, or "whole image"; `finding` the
findings whose maps those were, joined by "|"; null for a map that knows none."""

LOCALISATION = pa.schema(
    [
        ("member", pa.string()),
        ("method", pa.string()),
        ("finding", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""A measure of a method against radiologists' boxes, and its 95 % interval; null where there is
none. `n` is the number of cases."""

PREDICTIONS = pa.schema(
    [
        ("image_index", pa.string()),
        ("split", pa.string()),
        *((finding, pa.float32()) for finding in FINDINGS),
    ]
)
"""Probabilities on the validation and test images."""

OFFICIAL_LISTS = pa.schema([("image_index", pa.string()), ("official", pa.string())])
"""`official` is "train_val" or "test"; no rows when the cohort came without lists."""


def write_index(index: pd.DataFrame, path: Path) -> None:
    """Write the image index (schema INDEX)."""
    write_table(index, INDEX, path, by="image_index")


def read_index(path: Path) -> pd.DataFrame:
    """The image index (schema INDEX), sorted by image_index."""
    index = read_table(path, INDEX)
    partly = [name for name in FINDINGS if index[name].dtype != bool]
    return index.astype(dict.fromkeys(partly, "boolean"))


def known(images: pd.DataFrame, finding: str) -> Bool[np.ndarray, " n"]:
    """Of which images (with the labels of INDEX) it is known whether they show the finding."""
    return images[finding].notna().to_numpy(bool)


def positive(images: pd.DataFrame, finding: str) -> Bool[np.ndarray, " n"]:
    """Which images are known to show the finding; the others do not, or nobody knows."""
    return images[finding].to_numpy(bool, na_value=False)


def findings_of(image: pd.Series) -> list[str]:
    """The findings that one image (a row of INDEX) is known to show."""
    return [name for name in FINDINGS if pd.notna(image[name]) and image[name]]


def targets_of(images: pd.DataFrame) -> Float[np.ndarray, "n f"]:
    """Labels in the order of FINDINGS: 1, 0, or NaN where unknown; as float32.

    As in a frame, labels of a finding lie in a row: sums depend on it in the last digit.
    """
    columns = [images[name].to_numpy(np.float32, na_value=np.nan) for name in FINDINGS]
    return np.stack(columns).T


def write_boxes(boxes: pd.DataFrame, path: Path) -> None:
    """Write radiologists' boxes (schema BOXES)."""
    write_table(boxes, BOXES, path, by="image_index")


def read_boxes(path: Path) -> pd.DataFrame:
    """Radiologists' boxes (schema BOXES)."""
    return read_table(path, BOXES)


def write_official_lists(lists: pd.DataFrame, path: Path) -> None:
    """Write the cohort's official train_val / test membership (schema OFFICIAL_LISTS)."""
    write_table(lists, OFFICIAL_LISTS, path, by="image_index")


def read_official_lists(path: Path) -> pd.DataFrame:
    """The cohort's official train_val / test membership (schema OFFICIAL_LISTS)."""
    return read_table(path, OFFICIAL_LISTS)


def write_splits(splits: pd.DataFrame, path: Path) -> None:
    """Write the split of every image (schema SPLITS)."""
    write_table(splits, SPLITS, path, by="image_index")


def read_splits(path: Path) -> pd.DataFrame:
    """The split of every image (schema SPLITS)."""
    return read_table(path, SPLITS)


def write_crop_boxes(boxes: pd.DataFrame, path: Path) -> None:
    """Write where each image's crops were cut (schema CROPS)."""
    write_table(boxes, CROPS, path, by="image_index")


def read_crop_boxes(path: Path) -> pd.DataFrame:
    """Where each image's crops were cut (schema CROPS)."""
    return read_table(path, CROPS)


def write_localisation(table: pd.DataFrame, path: Path) -> None:
    """Write measures of localisation (schema LOCALISATION), rows as they are."""
    write_table(table, LOCALISATION, path)


def read_localisation(path: Path) -> pd.DataFrame:
    """Measures of localisation (schema LOCALISATION)."""
    return read_table(path, LOCALISATION)


def write_predictions(predictions: pd.DataFrame, path: Path) -> None:
    """Write probabilities (schema PREDICTIONS).

    Raises:
        ArtifactError: one of them is no number in [0, 1].
    """
    probs = predictions.filter(list(FINDINGS))
    wrong = predictions.loc[~probs.apply(lambda p: p.between(0, 1)).all(axis=1), "image_index"]
    if len(wrong):
        first = wrong.iloc[0]
        raise ArtifactError(
            f"{path}: {len(wrong)} of {len(probs)} images have probabilities that are no number "
            f"in [0, 1]; first: {first}"
        )
    write_table(predictions, PREDICTIONS, path, by="image_index")


def read_predictions(path: Path) -> pd.DataFrame:
    """Probabilities (schema PREDICTIONS), sorted by image_index."""
    return read_table(path, PREDICTIONS)


def write_table(
    frame: pd.DataFrame, schema: pa.Schema, path: Path, *, by: str | None = None
) -> None:
    """Write a table of exactly this schema, sorted by a column if one is named.

    Raises:
        ArtifactError: a column is missing, unexpected, or of another type.
    """
    _check_columns(list(frame.columns), schema, path)
    if by is not None:
        frame = frame.sort_values(by, kind="stable")
    try:
        table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    with replacing(path) as fresh:
        pq.write_table(table.replace_schema_metadata(None), fresh)


def read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a table of exactly this schema.

    Raises:
        ArtifactError: the file is missing or damaged, or its columns are others.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(f"{path}: not a whole parquet file ({error})") from None
    _check_columns(table.column_names, schema, path)
    for field in schema:
        found = table.schema.field(field.name).type
        if found != field.type:
            raise ArtifactError(f"{path}: column {field.name} is {found}, expected {field.type}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _check_columns(found: list[str], schema: pa.Schema, path: Path) -> None:
    missing = [name for name in schema.names if name not in found]
    extra = [name for name in found if name not in schema.names]
    if missing or extra:
        raise ArtifactError(f"{path}: columns missing {missing}, unexpected {extra}")

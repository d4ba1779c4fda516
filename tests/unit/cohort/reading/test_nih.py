from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_cohort import FIRST, HEADER_FIRST, HEADER_V2020, V2020, name, row, table

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.cohort_source import TextFile, find_cohort
from pipeline.cohort.reading.nih import Entries, parse_entries
from pipeline.cohort.reading.nih_boxes import parse_boxes
from pipeline.cohort.reading.nih_lists import parse_lists

SAMPLE = Path(__file__).parents[4] / "../shared/nih-sample"
needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the real metadata is not here")


def parse(text: str, file_name: str = V2020) -> Entries:
    return parse_entries(TextFile(file_name, text))


@given(order=st.permutations(range(9)))
def test_the_order_of_rows_does_not_matter(order):
    rows = [row(number) for number in order]
    shuffled = parse("\n".join([HEADER_V2020, *rows])).table
    assert shuffled.equals(parse(table(range(9))).table)


def test_findings_are_columns_with_names():
    found = parse(table(range(4))).table
    positives = {
        image: {finding for finding in FINDINGS if found[finding][i]}
        for i, image in enumerate(found["image_index"])
    }
    assert positives == {
        name(0): set(),
        name(1): {"Effusion"},
        name(2): {"Mass", "Hernia"},
        name(3): {"Pleural_Thickening", "Edema", "Infiltration"},
    }


def test_both_releases_and_line_ends_say_the_same():
    plain = parse(table(range(6))).table
    old_rows = [
        row(i).replace(",1,41,", ",00000001,041Y,").replace(",2,44,", ",00000002,044Y,")
        for i in range(6)
    ]
    for header, end, comma in ((HEADER_FIRST, "\r\n", ""), (HEADER_FIRST, "\n", ",")):
        text = end.join([header, *(line + comma for line in old_rows)])
        assert parse(text, FIRST).table.equals(plain)


@pytest.mark.parametrize(
    ("age", "years"),
    [("58", 58), ("058Y", 58), ("006M", 0.5), ("000", 0), ("0", 0), ("120", 120)],
)
def test_ages_are_years_whatever_their_unit(age, years):
    text = table(range(1)).replace(",40,M", f",{age},M")
    assert parse(text).table["age_years"].tolist() == [years]


def test_a_day_is_a_small_part_of_a_year():
    days = parse(table(range(1)).replace(",40,M", ",001D,M")).table["age_years"][0]
    assert days * 365.25 == pytest.approx(1)


def test_absurd_and_missing_ages_are_null_and_counted():
    text = table(range(3)).replace(",40,M", ",414Y,M").replace(",41,M", ",,M")
    entries = parse(text)
    assert np.isnan(entries.table["age_years"]).tolist() == [True, True, False]
    assert entries.absurd_ages == [{"image_index": name(0), "age": "414Y"}]
    assert entries.missing_ages == 1


POSITIVES = Counter(
    dict(zip(FINDINGS, (11559, 2776, 13317, 19894, 5782, 6331, 1431, 5302, 4667, 2303, 2516,
                        1686, 3385, 227), strict=True))
)  # fmt: skip
"""Of the v2020 table."""


@pytest.fixture(scope="module")
def v2020() -> Entries:
    return parse_entries(find_cohort(SAMPLE).entries)


@needs_sample
def test_the_real_metadata_has_the_published_counts(v2020):
    cohort = find_cohort(SAMPLE)
    entries = v2020
    full = entries.table
    assert (entries.source, len(full), full["patient_id"].nunique()) == (V2020, 112_120, 30_805)
    assert full["view_position"].value_counts().to_dict() == {"PA": 67_310, "AP": 44_810}
    assert full["gender"].value_counts().to_dict() == {"M": 63_340, "F": 48_780}
    assert full[list(FINDINGS)].sum().to_dict() == POSITIVES
    assert (~full[list(FINDINGS)].any(axis=1)).sum() == 60_361
    assert (full["age_years"].min(), full["age_years"].max()) == (0, 95)
    assert (full["age_years"] == 0).sum() == 14
    assert entries.absurd_ages == []
    lists = parse_lists(cohort.train_val, cohort.test, full["image_index"])
    assert lists.table["official"].value_counts().to_dict() == {
        "train_val": 86_524,
        "test": 25_596,
    }
    boxes = parse_boxes(cohort.boxes)
    assert (len(boxes), boxes["image_index"].nunique()) == (984, 880)
    assert boxes["finding"].value_counts().to_dict() == {
        "Atelectasis": 180, "Effusion": 153, "Cardiomegaly": 146, "Infiltration": 123,
        "Pneumonia": 120, "Pneumothorax": 98, "Mass": 85, "Nodule": 79,
    }  # fmt: skip


@needs_sample
def test_the_real_first_release_differs_in_ages_and_181_labels(tmp_path, v2020):
    (tmp_path / f"{FIRST}.gz").symlink_to((SAMPLE / f"{FIRST}.gz").resolve())
    first = parse_entries(find_cohort(tmp_path).entries)
    assert (first.source, len(first.absurd_ages)) == (f"{FIRST}.gz", 16)
    assert first.table["age_years"].isna().sum() == 16
    ages = first.table["age_years"].dropna()
    in_parts_of_years = ages[ages % 1 > 0]  # no age in months is a whole number of years
    assert (len(in_parts_of_years), in_parts_of_years.min()) == (26 + 1, 1 / 365.25)
    second = v2020.table
    assert first.table["image_index"].equals(second["image_index"])
    assert first.table["patient_id"].equals(second["patient_id"])
    gained = (second[list(FINDINGS)] & ~first.table[list(FINDINGS)]).any(axis=1)
    lost = (first.table[list(FINDINGS)] & ~second[list(FINDINGS)]).any(axis=1)
    assert (gained.sum(), lost.sum()) == (181, 0)

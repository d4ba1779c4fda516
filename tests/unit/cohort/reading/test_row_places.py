import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.shards import Shards, write_shards
from pipeline.cohort.reading.row_places import placing


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rows=st.integers(1, 12), shard_rows=st.integers(1, 5))
def test_any_order_of_writing_and_any_gaps_give_the_bytes_of_rows_in_order(data, rows, shard_rows):
    images = np.random.default_rng(rows).integers(0, 256, (rows, 3, 4), np.uint8)
    order = data.draw(st.permutations(range(rows)))
    kept = sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1)))
    with tempfile.TemporaryDirectory() as folder:
        placed, plain = Path(folder, "placed"), Path(folder, "plain")
        with placing(placed, rows=rows, shape=(3, 4), shard_rows=shard_rows) as places:
            for row in order:
                if row in kept or row % 2:
                    places.write(row, images[row])
            places.keep(kept)
        write_shards(({"image": images[i]} for i in kept), plain, shard_rows=shard_rows)
        assert _bytes(placed) == _bytes(plain)
        np.testing.assert_array_equal(Shards(placed).gather(np.arange(len(kept))), images[kept])


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_one_row_and_fail(folder: Path) -> None:
    with placing(folder, rows=2, shape=(3, 4)) as places:
        places.write(0, np.zeros((3, 4), np.uint8))
        raise RuntimeError


def test_nothing_appears_when_the_block_fails(tmp_path):
    with pytest.raises(RuntimeError):
        write_one_row_and_fail(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_another_shape_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match=r"\(3, 4\)"),
        placing(tmp_path / "x", rows=2, shape=(3, 4)) as places,
    ):
        places.write(0, np.zeros((4, 3), np.uint8))

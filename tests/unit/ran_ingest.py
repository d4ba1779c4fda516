"""The stage `ingest`, run in this process on a folder of radiographs."""

from pathlib import Path

import yaml

from stages import ingest

TINY = Path(__file__).parents[1] / "tiny.yaml"

OUTPUTS = {
    "images": "images", "index": "index.parquet", "boxes": "boxes.parquet",
    "lists": "lists.parquet", "ceiling": "ceiling.json", "report": "report.json",
    "thumbnails": "thumbnails",
}  # fmt: skip


def run_ingest(source: Path, cache: Path, **options: object) -> Path:
    """Run it with tests/tiny.yaml at 32 pixels, and other options of the section `ingest`.

    Returns:
        `cache`, where the outputs are; the params are beside it, in `params_of(cache)`.
    """
    values = yaml.safe_load(TINY.read_text())
    values["ingest"] |= {"image_size": 32, "box_frame": "file", **options}  # two boxes: too few
    cache.parent.mkdir(parents=True, exist_ok=True)
    params_of(cache).write_text(yaml.safe_dump(values))
    outputs = {name: cache / file for name, file in OUTPUTS.items()}
    ingest.main(source=source, params=params_of(cache), **outputs)
    return cache


def params_of(cache: Path) -> Path:
    """What `run_ingest` wrote into `cache` with."""
    return cache.with_name(f"{cache.name}.yaml")

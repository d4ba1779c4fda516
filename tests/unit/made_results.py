"""A small cohort with labels, predictions, heatmaps and boxes, whose answers are known."""

import numpy as np
import pandas as pd

from pipeline.attention.boxed_maps import BoxedMaps
from pipeline.attention.boxes import WHOLE_IMAGE
from pipeline.attention.heatmaps import read_heatmaps, write_heatmaps
from pipeline.base.findings import BOXED_FINDINGS, FINDINGS
from pipeline.base.grid import tiles
from pipeline.base.shards import Shards, write_shards
from pipeline.params.sections import IouParams
from pipeline.results.localisation.box_measures import case_weights, score
from pipeline.results.localisation.localisation import Located
from pipeline.results.pictures.radiographs import Radiographs

CORNERS = ["x1", "y1", "x2", "y2"]


def made_index(patients=60, images_each=2, *, seed=0):
    """Every finding occurs about every fourth time; two images per patient."""
    rng = np.random.default_rng(seed)
    n = patients * images_each
    index = pd.DataFrame(
        {
            "image_index": [
                f"{p:08d}_{i:03d}.png" for p in range(patients) for i in range(images_each)
            ],
            "patient_id": np.repeat(np.arange(patients), images_each),
            "follow_up": np.tile(np.arange(images_each), patients),
            "age_years": rng.integers(20, 90, n).astype(float),
            "gender": rng.choice(["M", "F"], n),
            "view_position": rng.choice(["PA", "AP"], n),
            "width": 1024,
            "height": 1024,
            "shard": 0,
            "row": np.arange(n),
        }
    )
    return index.assign(**{finding: rng.random(n) < 0.25 for finding in FINDINGS})


def write_labels(index, path):
    """NIH's table of these images."""
    labels = [
        "|".join(f for f in FINDINGS if row[f]) or "No Finding" for _, row in index.iterrows()
    ]
    table = pd.DataFrame(
        {
            "Image Index": index["image_index"], "Finding Labels": labels,
            "Follow-up #": index["follow_up"], "Patient ID": index["patient_id"],
            "Patient Age": index["age_years"].astype(int), "Patient Gender": index["gender"],
            "View Position": index["view_position"], "OriginalImage[Width": 1024,
            "Height]": 1024, "OriginalImagePixelSpacing[x": 0.1, "y]": 0.1,
        }
    )  # fmt: skip
    table.to_csv(path, index=False)


def made_splits(index):
    """A third of the patients each."""
    split = np.array(["train", "val", "test"])[index["patient_id"] % 3]
    return pd.DataFrame({"image_index": index["image_index"], "split": split})


def made_predictions(index, splits, *, signal=1.0, seed=0):
    """Probabilities that know the labels up to noise, on validation and test images."""
    rng = np.random.default_rng(seed)
    logits = signal * index[list(FINDINGS)].to_numpy(float) + rng.normal(
        size=(len(index), len(FINDINGS))
    )
    probs = pd.DataFrame(1 / (1 + np.exp(1 - logits)), columns=list(FINDINGS)).astype("float32")
    table = pd.concat([splits, probs], axis=1)
    return table[table["split"] != "train"].reset_index(drop=True)


def made_systems(index, splits):
    """One member of three branches and an ensemble."""
    strength = {"model.global": 1.0, "model.local": 0.5, "model.fusion": 2.0, "ensemble": 2.5}
    return {
        name: made_predictions(index, splits, signal=signal, seed=place)
        for place, (name, signal) in enumerate(strength.items())
    }


def made_boxes(index, splits):
    """One box for every boxed finding of a test image, in a place of the finding's own."""
    test = index[splits["split"].eq("test").to_numpy()]
    rows = [
        (image.image_index, finding, x, 0.25, x + 0.25, 0.5)
        for image in test.itertuples()
        for place, finding in enumerate(BOXED_FINDINGS)
        for x in [0.25 * (place % 4)]
        if getattr(image, finding)
    ]
    return pd.DataFrame(rows, columns=["image_index", "finding", *CORNERS])


def made_heatmaps(index, boxes, folder):
    """`cam`: the finding's own box alone is hot, to half a cell of 64; `attention`: nothing is."""
    hot = {}
    for box in boxes.itertuples():
        hot.setdefault(box.image_index, []).append(box)

    def rows():
        for name in index["image_index"]:
            cam = np.zeros((len(FINDINGS), 64, 64), np.float16)
            for box in hot.get(name, []):
                x1, y1, x2, y2 = (round(64 * v) for v in (box.x1, box.y1, box.x2, box.y2))
                cam[FINDINGS.index(box.finding), y1:y2, x1:x2] = 2.0
            yield {"cam": cam, "attention": np.zeros((1, 8, 8), np.float16)}

    # attention's grid is coarser, but says nothing: one note serves both
    write_heatmaps(rows(), folder, grid=tiles(64), features=folder.parent / "features")
    return read_heatmaps(folder)


def made_crops(index):
    """The whole image, drawn by nothing."""
    crops = pd.DataFrame([WHOLE_IMAGE] * len(index), columns=CORNERS)
    crops.insert(0, "image_index", index["image_index"])
    return crops.assign(source="whole image", finding=None)


def made_images(index, folder, *, size=32, seed=0):
    """Noise."""
    rng = np.random.default_rng(seed)
    shape = (size, size)
    write_shards(
        ({"image": rng.integers(0, 256, shape, dtype=np.uint8)} for _ in range(len(index))), folder
    )
    return Shards(folder)


def made_radiographs(folder, *, rule):
    """Of one member: what pictures are drawn from; and the splits and systems beside it."""
    index = made_index()
    splits = made_splits(index)
    systems = made_systems(index, splits)
    boxes = made_boxes(index, splits)
    radiographs = Radiographs(
        images=made_images(index, folder / "images"),
        index=index,
        predictions=systems["ensemble"],
        boxes=boxes,
        crops=made_crops(index),
        heatmaps=made_heatmaps(index, boxes, folder / "maps"),
        rule=rule,
    )
    return radiographs, splits, systems


def made_located(index, heatmaps):
    """One member's heatmaps and crops; no closer look."""
    rows = {name: row for row, name in enumerate(index["image_index"])}
    return Located(heatmaps, made_crops(index), BoxedMaps({}, rows))


def iou_params(**other):
    """Of a page that wants no more than heatmaps as they are."""
    plain = {"threshold": 0.5, "region": "peak", "fit_threshold": False, "bootstrap": 0}
    return IouParams(**plain | other)


def scored(detections, cases, *, replicates, seed):
    """`score` with weights of its own."""
    return score(detections, cases, case_weights(cases, replicates=replicates, seed=seed))

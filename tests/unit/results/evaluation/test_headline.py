"""The few numbers of a run are those of its tables, flat and with short names."""

import json
from pathlib import Path

from pipeline.results.evaluation.headline import diagnosis, headline
from pipeline.results.localisation.key_figures import in_tables, key_figures

REPO = Path(__file__).parents[4]


def entry(value, **other):
    return {"mean_auroc": value, "mean_auprc": value / 2} | other


SYSTEMS = {
    "ensemble": entry(0.8, mean_auroc_low=0.7, mean_auroc_high=0.9, ece_calibrated=0.02),
    "model.global": entry(0.6), "model.local": entry(0.5), "model.fusion": entry(0.65),
    "metadata_only": entry(0.55),
    "delta": {"model.fusion - model.global": {"mean_auroc": 0.05, "low": 0.01, "high": 0.09}},
}  # fmt: skip


def mean(iou, **other):
    return {"mean": {"iou": iou} | other}


def test_diagnosis_is_flat_and_of_the_ensemble_and_the_member_under_study():
    assert diagnosis(SYSTEMS) == {
        "auroc": 0.8, "auroc_low": 0.7, "auroc_high": 0.9, "auprc": 0.4, "ece": 0.02,
        "global": 0.6, "local": 0.5, "fusion": 0.65,
        "gain": 0.05, "gain_low": 0.01, "gain_high": 0.09, "metadata": 0.55,
    }  # fmt: skip


def test_what_was_not_computed_is_not_there():
    plain = SYSTEMS | {"ensemble": entry(0.8), "delta": {}}
    assert not {"auroc_low", "ece", "gain", "gain_low"} & set(diagnosis(plain))
    assert key_figures({}) == {}


def test_localisation_is_of_the_first_class_specific_heatmap_and_the_crops():
    methods = {
        "model": {
            "attention": mean(0.1), "cam_randomised": mean(0.4), "cam_fitted": mean(0.5),
            "cam": mean(0.2, iou_low=0.15, iou_high=0.25, lead=-0.1), "gradcam_pp": mean(0.3),
            "crop": mean(0.12), "grid_ceiling": mean(0.7),
        },
        "second": {"cam": mean(0.9)},
        "baseline": {"centre_box": mean(0.3)},
    }  # fmt: skip
    assert key_figures(methods) == {
        "iou": 0.2, "iou_low": 0.15, "iou_high": 0.25, "lead": -0.1, "crop_iou": 0.12,
    }  # fmt: skip


def test_the_committed_headlines_are_of_the_committed_results():
    read = lambda name: json.loads((REPO / f"metrics/{name}.json").read_text())  # noqa: E731
    assert read("evaluate") == headline(read("systems"))
    assert read("iou") == in_tables(read("methods"))


def test_the_headlines_are_the_few_that_tables_have_room_for():
    assert headline(SYSTEMS) == {"auroc": 0.8, "global": 0.6, "fusion": 0.65, "gain": 0.05}
    assert headline(SYSTEMS | {"delta": {}}) == {"auroc": 0.8, "global": 0.6, "fusion": 0.65}
    methods = {"model": {"cam": mean(0.2, lead=-0.1, iou_low=0.1), "crop": mean(0.12)}}
    assert in_tables(methods) == {"iou": 0.2, "lead": -0.1, "crop_iou": 0.12}
    assert in_tables({}) == {}

"""A page of a made cohort: its figures, its pictures, and all its test images."""

import pandas as pd
from made_results import iou_params, made_located

from pipeline.attention.crop import BoxRule
from pipeline.base.findings import FINDINGS
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.results.localisation.localisation import iou_metrics, localise
from pipeline.results.pictures.case_files import read_cases, write_cases
from pipeline.results.pictures.cases import about_cases, draw_cases
from pipeline.results.pictures.medians import draw_gallery
from pipeline.results.report.report import Cohort, Figures, render_report

INGEST = {
    "images": {"in_table": 1_200, "used": 1_190},
    "files": {
        "boxes": "BBox_List_2017.csv", "train_val_list": "train_val_list.txt",
        "test_list": "Test_List.txt", "not_read": [],
    },
    "lists": {"train_val": 1_000, "test": 200, "not_in_table": 0},
    "boxes": {
        "in_file": 984, "used": 41, "clipped": 2, "dropped": {"image not used": 943},
        "drawn_in": "pixels of 1024 x 1024 px",
    },
}  # fmt: skip
RULE = BoxRule(0.5, "peak")
CEILING = {"auroc": dict.fromkeys(FINDINGS, 0.9), "mean_auroc": 0.9}


SETTINGS = {
    "recipe": "nih", "source": "data/nih", "cohort_seed": None, "input_px": 224, "seed": 7,
    "epochs": {"global": 4, "local": 2},
    "members": {
        "model": {
            "global": "resnet50", "local": "resnet18",
            "weights": {"global": "imagenet", "local": "none"},
        }
    },
}  # fmt: skip


def made_evaluation(cohort, *, ceiling=CEILING, replicates=20, min_cell=4):
    radiographs, splits, systems = cohort
    params = EvaluateParams(
        bootstrap=replicates,
        calibration="platt",
        sensitivity=0.9,
        min_cell=min_cell,
        min_patients=2,
    )
    return evaluate(
        systems,
        radiographs.index,
        splits,
        ceiling,
        params,
        subject="ensemble",
        voters=["model.fusion"],
        seed=0,
    )


def made_figures(cohort, evaluation):
    radiographs = cohort[0]
    index = radiographs.index
    members = {"model": made_located(index, radiographs.heatmaps)}
    params = iou_params(fit_threshold=True, bootstrap=20)
    found = localise(members, radiographs.boxes, index, params, seed=0)
    curve = pd.DataFrame(
        {
            "epoch": [1, 2],
            "train_loss": [0.5, 0.4],
            "val_loss": [0.45, 0.5],
            "val_auroc": [0.6, 0.7],
            "learning_rate": 0.001,
            "kept": ["loss", ""],
            "best_by": ["loss", "auroc last"],
        }
    )
    counts = {
        name: {"images": 1000 + i, "positives": {"Mass": i}}
        for i, name in enumerate(["test", "train", "val"])
    }
    curves = {"model.global": curve, "model.fusion": curve}
    methods = iou_metrics(found)
    return Figures(
        evaluation.metrics, evaluation.tables, found, methods, counts, curves, {}, INGEST
    )


def draw(radiographs, examples):
    return draw_gallery(radiographs, member="model", method="cam", examples=examples)


def made_cases(radiographs, folder):
    """Every test image under its `cam`."""
    about = about_cases(radiographs, member="model", method="cam")
    names = radiographs.test.index
    write_cases(draw_cases(radiographs, "cam"), names, folder, about=about)
    return read_cases(folder)


def render_made(cases, cohort, figures, gallery):
    """The page."""
    radiographs, splits, systems = cohort
    return render_report(
        figures,
        gallery,
        cases,
        Cohort(radiographs.index, splits, systems["ensemble"], radiographs.crops),
        settings=SETTINGS,
        rule=RULE,
        sensitivity=0.9,
    )

"""All rows of docs/bad_inputs.md; as a script, this module writes the page."""

from inputs import REPO, page
from of_any_tables import ANY_TABLES
from of_boxes import GIVEN_BOXES
from of_dicom import DICOM
from of_external import EXTERNAL
from of_images import FOLDERS, PICTURES
from of_params import ARTEFACTS, PARAMS, WEIGHTS
from of_predictions import PREDICTIONS
from of_suspects import SUSPECTS
from of_tables import BOXES, OFFICIAL_LISTS, TABLES

PAGE = REPO / "docs/bad_inputs.md"

GROUPS = {
    "The table of the cohort": TABLES,
    "Tables of other cohorts": ANY_TABLES,
    "Official lists": OFFICIAL_LISTS,
    "Radiologists' boxes": BOXES,
    "Radiographs": PICTURES,
    "DICOM files": DICOM,
    "Folders and archives": FOLDERS,
    "Predictions, for `cxr score`": PREDICTIONS,
    "Boxes and heatmaps, for `cxr score-boxes`": GIVEN_BOXES,
    "Predictions, for `cxr suspects`": SUSPECTS,
    "Cohorts, for `cxr external`": EXTERNAL,
    "`params.yaml`": PARAMS,
    "Weights that a branch starts from": WEIGHTS,
    "Files that stages have written": ARTEFACTS,
}

if __name__ == "__main__":
    PAGE.write_text(page(GROUPS))

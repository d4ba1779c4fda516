"""Public cohorts of a hundred images and more, made up in their owners' tables; what shows is
bright, so that it can be learnt."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from public_tables import CHEXPERT_HEADER, PADCHEST_HEADER, PADCHEST_NAME, write_picture

NO_FINDING = "No finding"


class Spoken(NamedTuple):
    """How a cohort calls the findings that it knows."""

    names: Mapping[str, str]
    """Its name by the finding."""
    write: Callable[[Path, "Spoken"], None]

    def images(self, count: int = 150) -> Iterator[tuple[int, list[str]]]:
        """Numbers of images, and the findings that they show."""
        rng = np.random.default_rng(0)
        for number in range(count):
            yield number, [name for name in self.names if rng.random() < 0.3]

    def draw(self, path: Path, number: int, shown: list[str]) -> None:
        spots = [2 * list(self.names).index(name) for name in shown]
        write_picture(path, number, side=48, spots=spots)


def write_chexpert(folder: Path, spoken: Spoken) -> None:
    columns = CHEXPERT_HEADER.split(",")[5:]
    rows = [CHEXPERT_HEADER]
    for number, shown in spoken.images():
        patient, study = number // 2 + 1, number % 2 + 1
        path = f"CheXpert-v1.0-small/train/patient{patient:05d}/study{study}/view1_frontal.jpg"
        cells = dict.fromkeys(columns, "") | {spoken.names[name]: "1.0" for name in shown}
        cells["Lung Opacity"] = "1.0" if shown else ""
        cells["No Finding"] = "" if shown else "1.0"
        doubtful = list(spoken.names.values())[number % len(spoken.names)]
        if number % 4 == 0:
            cells[doubtful] = "-1.0"
        elif not cells[doubtful]:
            cells[doubtful] = "0.0"
        sex = "Unknown" if number == 4 else ("Male", "female")[patient % 2]
        about = f"{sex},{411 if number == 6 else number % 91},Frontal,{('AP', 'PA')[number % 2]}"
        rows.append(f"{path},{about},{','.join(cells.values())}")
        if number == 9:
            rows += [
                rows[-1],
                rows[-1].replace("Frontal,PA", "Lateral,").replace("view1", "view2"),
            ]
        spoken.draw(folder / path, number, shown)
    (folder / "train.csv").write_text("\n".join(rows) + "\n")


def write_padchest(folder: Path, spoken: Spoken) -> None:
    rows = [PADCHEST_HEADER]
    for number, shown in spoken.images():
        name, patient = (
            f"21684011136696401382{number:04d}_02-094-102.png",
            f"8398604886942923316{number // 2}x",
        )
        labels = [spoken.names[one] for one in shown] or ["normal"]
        labels += ["unchanged"] if number % 5 == 0 else []
        cell = "" if number % 11 == 3 else f'"{labels!r}"'
        view, sex = ("PA", "AP_horizontal", "AP")[number % 3], ("M", "F", "O")[number // 2 % 3]
        birth = "" if number // 2 % 7 == 0 else f"{1930 + number // 2 % 60}.0"
        rows.append(
            f'{number},{name},0,20140915,1,{patient},{birth},{sex},X,{view},x,No,"a, b",Physician,'
            f"{cell}"
        )
        spoken.draw(folder / name, number, shown)
    (folder / PADCHEST_NAME).write_text("\n".join(rows) + "\n")


def write_vindr(folder: Path, spoken: Spoken) -> None:
    rows = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"]
    for number, shown in spoken.images():
        image = f"{number:032x}"
        for reader in range(3):
            seen = [one for at, one in enumerate(shown) if (number + at + reader) % 7]
            rows += [
                f"{image},{spoken.names[one]},1,R{reader + 8},1.0,2.0,30.0,40.0" for one in seen
            ]
            rows += [] if seen else [f"{image},{NO_FINDING},14,R{reader + 8},,,,"]
        spoken.draw(folder / "train" / f"{image}.png", number, shown)
    (folder / "train.csv").write_text("\n".join(rows) + "\n")


def write_rsna(folder: Path, spoken: Spoken) -> None:
    labels, classes = ["patientId,x,y,width,height,Target"], ["patientId,class"]
    for number, shown in spoken.images():
        image = f"0004cfab-14fd-4e49-80ba-63a80b6b{number:04x}"
        boxes = ["1.0,2.0,9.0,9.0,1", "20.0,2.0,9.0,9.0,1"] if shown else [",,,,0"]
        labels += [f"{image},{box}" for box in boxes]
        classes += [f"{image},{'Lung Opacity' if shown else 'Normal'}"] * len(boxes)
        spoken.draw(folder / f"{image}.png", number, shown)
    (folder / "stage_2_train_labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "stage_2_detailed_class_info.csv").write_text("\n".join(classes) + "\n")


COHORTS = {
    "chexpert": Spoken(
        {
            "Cardiomegaly": "Cardiomegaly", "Edema": "Edema", "Consolidation": "Consolidation",
            "Pneumonia": "Pneumonia", "Atelectasis": "Atelectasis",
            "Pneumothorax": "Pneumothorax", "Effusion": "Pleural Effusion",
        },
        write_chexpert,
    ),
    "padchest": Spoken(
        {
            "Effusion": "pleural effusion", "Infiltration": "infiltrates",
            "Hernia": "hiatal hernia", "Nodule": "multiple nodules",
            "Pleural_Thickening": "pleural thickening",
        },
        write_padchest,
    ),
    "vindr": Spoken(
        {
            "Cardiomegaly": "Cardiomegaly", "Effusion": "Pleural effusion",
            "Fibrosis": "Pulmonary fibrosis", "Pleural_Thickening": "Pleural thickening",
        },
        write_vindr,
    ),
    "rsna": Spoken({"Pneumonia": "1"}, write_rsna),
    "rsna_classes": Spoken({"Pneumonia": "Lung Opacity"}, write_rsna),
}  # fmt: skip
"""By the names of layouts."""


def write_public_cohort(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    COHORTS[name].write(folder, COHORTS[name])
    return folder

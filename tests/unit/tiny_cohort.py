"""A cohort of a few small radiographs in NIH's files, for tests of reading it."""

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np

HEADER_V2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
HEADER_FIRST = HEADER_V2020 + ","
V2020, FIRST = "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"
LABELS = ("No Finding", "Effusion", "Mass|Hernia", "Pleural_Thickening|Edema|Infiltration")


def name(number: int) -> str:
    return f"{number // 3 + 1:08d}_{number % 3:03d}.png"


def row(number: int) -> str:
    gender, view = "MF"[number // 3 % 2], ("PA", "AP")[number % 2]
    label = LABELS[number % len(LABELS)]
    return (
        f"{name(number)},{label},{number % 3},{number // 3 + 1},{40 + number % 50},"
        f"{gender},{view},2500,2048,0.168,0.168"
    )


def table(numbers: range, header: str = HEADER_V2020) -> str:
    return "\n".join([header, *(row(number) for number in numbers)]) + "\n"


def pixels(number: int, height: int = 48, width: int = 48) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width), np.uint8)


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def rgba(grey: np.ndarray) -> np.ndarray:
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)])


def pngs(number_of_images: int) -> dict[str, bytes]:
    """Every fifth is RGBA, as a few of NIH's are; every seventh is not square."""
    images = {}
    for number in range(number_of_images):
        grey = pixels(number, width=48 if number % 7 else 60)
        images[name(number)] = png(grey if number % 5 else rgba(grey))
    return images


def write_text_files(folder: Path, number_of_images: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / V2020).write_text(table(range(number_of_images)))
    (folder / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        f"{name(1)},Infiltrate,12.0,24.0,24.0,12.0\n{name(2)},Mass,40,40,20,4\n"
    )
    names = [name(number) for number in range(number_of_images)]
    (folder / "train_val_list.txt").write_text("\n".join(names[6:]))
    (folder / "test_list.txt").write_text("\n".join(names[:6]))
    (folder / "ceiling.json").write_text('{"auroc": {"Mass": 0.9}}')


def write_flat(folder: Path, images: dict[str, bytes], subfolder: str = "images") -> Path:
    write_text_files(folder, len(images))
    (folder / subfolder).mkdir(parents=True, exist_ok=True)
    for file_name, content in images.items():
        (folder / subfolder / file_name).write_bytes(content)
    return folder


def write_kaggle(folder: Path, images: dict[str, bytes]) -> Path:
    write_text_files(folder, len(images))
    for number, (file_name, content) in enumerate(images.items()):
        inner = folder / f"images_{number % 3 + 1:03d}" / "images"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / file_name).write_bytes(content)
    return folder


def write_archives(folder: Path, images: dict[str, bytes], ending: str = "tar.gz") -> Path:
    """Three archives, their members in no order."""
    write_text_files(folder, len(images))
    for part in range(3):
        members = list(images.items())[part::3][::-1]
        archive = folder / f"images_{part + 1:03d}.{ending}"
        with tarfile.open(archive, "w:gz" if ending.endswith("gz") else "w") as tar:
            tar.add(folder, "images", recursive=False)
            for file_name, content in members:
                info = tarfile.TarInfo(f"images/{file_name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return folder


LAYOUTS = {
    "flat": write_flat,
    "no_subfolder": lambda folder, images: write_flat(folder, images, subfolder="."),
    "kaggle": write_kaggle,
    "archives": write_archives,
    "plain_tar": lambda folder, images: write_archives(folder, images, ending="tar"),
}

"""Tables as the owners of public cohorts write them, made up, with the odd values that they have;
and small radiographs beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
CHEXPERT = f"""{CHEXPERT_HEADER}
CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0
CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,
CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Female,83,Frontal,AP,,,,1.0,,,-1.0,,,,,,1.0,
CheXpert-v1.0-small/train/patient00002/study1/view2_lateral.jpg,Female,83,Lateral,,,,,1.0,,,-1.0,,,,,,1.0,
CheXpert-v1.0-small/train/patient00003/study1/view1_frontal.jpg,Male,411,Frontal,PA,,0.0,,,,1.0,,,,0.0,,,,
CheXpert-v1.0-small/train/patient00004/study1/view1_frontal.jpg,Unknown,0,Frontal,LL,,,,,,,,,,,1.0,,,
CheXpert-v1.0-small/train/patient00004/study2/view1_frontal.jpg,Unknown,0,frontal,,,,1.0,,,,,1.0,,,1.0,1.0,,1.0
CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0
"""
CHEXPERT_VALID = f"""{CHEXPERT_HEADER}
CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0
"""

PADCHEST_NAME = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
PADCHEST_HEADER = (
    ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,"
    "ViewPosition_DICOM,Projection,MethodProjection,Pediatric,Report,MethodLabel,Labels"
)
PADCHEST = f"""{PADCHEST_HEADER}
0,2020536686640136348236148891891455864_1_00-0.png,0,20140915,20536686640136,839860488694292331637988235681460987,1930.0,F,POSTEROANTERIOR,PA,Manual review of DICOM fields,No,sin hallazg,Physician,['normal']
1,2020536686640136348236148891891455864_2_00-0.png,0,20140915,20536686640136,839860488694292331637988235681460987,1930.0,F,LATERAL,L,Manual review of DICOM fields,No,sin hallazg,Physician,['normal']
2,1365037694237703015_x5c.png,0,20150702,1365037694237703,313572750430997347502932654319389875966,1929.0,m,ANTEROPOSTERIOR,AP_horizontal,x,No,"derrame, pleural",RNN_model,"['pleural effusion', ' Hiatal Hernia', 'unchanged', 'multiple nodules']"
3,1365037694237703016_x5c.png,0,20150703,1365037694237704,313572750430997347502932654319389875966,1929.0,O,UNK,UNK,x,No,x,RNN_model,['pneumonia']
4,1365037694237703017_x5c.png,0,20160104,1365037694237705,7,,,POSTEROANTERIOR,PA,x,No,,RNN_model,
5,1365037694237703018_x5c.png,0,20160104,1365037694237706,8,1603.0,M,ANTEROPOSTERIOR,AP,x,No,x,RNN_model,"['pleural thickening', 'infiltrates', 'COPD signs']"
5,1365037694237703018_x5c.png,0,20160104,1365037694237706,8,1603.0,M,ANTEROPOSTERIOR,AP,x,No,x,RNN_model,"['pleural thickening', 'infiltrates', 'COPD signs']"
"""  # noqa: E501

VINDR = """image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
50a418190bc3fb1ef1633bf9678929b3,No finding,14,R11,,,,
50a418190bc3fb1ef1633bf9678929b3,No finding,14,R15,,,,
50a418190bc3fb1ef1633bf9678929b3,No finding,14,R10,,,,
9a5094b2563a1ef3ff50dc5c7ff71345,Cardiomegaly,3,R10,691.0,1375.0,1653.0,1831.0
9a5094b2563a1ef3ff50dc5c7ff71345,Aortic enlargement,0,R10,1052.0,715.0,1299.0,966.0
9a5094b2563a1ef3ff50dc5c7ff71345,Pleural thickening,11,R9,1789.0,1729.0,1875.0,1992.0
9a5094b2563a1ef3ff50dc5c7ff71345,Pleural thickening,11,R9,789.0,1729.0,875.0,1992.0
9a5094b2563a1ef3ff50dc5c7ff71345,Cardiomegaly,3,R9,690.0,1374.0,1650.0,1830.0
9a5094b2563a1ef3ff50dc5c7ff71345,Nodule/Mass,8,R8,690.0,1374.0,1650.0,1830.0
051132a778e61a86eb147c7c6f564dfe,Pulmonary fibrosis,13,R10,1.0,2.0,3.0,4.0
051132a778e61a86eb147c7c6f564dfe,pulmonary fibrosis,13,R8,1.0,2.0,3.0,4.0
051132a778e61a86eb147c7c6f564dfe,No finding,14,R9,,,,
"""

RSNA = """patientId,x,y,width,height,Target
0004cfab-14fd-4e49-80ba-63a80b6bddd6,,,,,0
00436515-870c-4b36-a041-de91049b9ab4,264.0,152.0,213.0,379.0,1
00436515-870c-4b36-a041-de91049b9ab4,562.0,152.0,256.0,453.0,1
003d8fa0-6bf1-40ed-b54c-ac657f8495c5,,,,,0
"""
RSNA_CLASSES = """patientId,class
0004cfab-14fd-4e49-80ba-63a80b6bddd6,No Lung Opacity / Not Normal
00436515-870c-4b36-a041-de91049b9ab4,Lung Opacity
00436515-870c-4b36-a041-de91049b9ab4,Lung Opacity
003d8fa0-6bf1-40ed-b54c-ac657f8495c5,Normal
"""


class Made(NamedTuple):
    """A public cohort's tables by their names, and its images' files below the folder."""

    tables: dict[str, str]
    images: list[str]


MADE = {
    "chexpert": Made(
        {"train.csv": CHEXPERT, "valid.csv": CHEXPERT_VALID},
        sorted(
            {line.split(",")[0] for line in (CHEXPERT + CHEXPERT_VALID).splitlines()} - {"Path"}
        ),
    ),
    "padchest": Made(
        {PADCHEST_NAME: PADCHEST},
        sorted({f"0/{line.split(',')[1]}" for line in PADCHEST.splitlines()[1:]}),
    ),
    "vindr": Made(
        {"train.csv": VINDR},
        sorted({f"train/{line.split(',')[0]}.png" for line in VINDR.splitlines()[1:]}),
    ),
    "rsna": Made(
        {"stage_2_train_labels.csv": RSNA},
        sorted({f"{line.split(',')[0]}.png" for line in RSNA.splitlines()[1:]}),
    ),
    "rsna_classes": Made(
        {"stage_2_detailed_class_info.csv": RSNA_CLASSES},
        sorted({f"{line.split(',')[0]}.png" for line in RSNA_CLASSES.splitlines()[1:]}),
    ),
}


def write_cohort(folder: Path, made: Made, *, side: int = 40) -> Path:
    """Tables and images; of each another picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.tables.items():
        (folder / name).write_text(text)
    for number, image in enumerate(made.images):
        write_picture(folder / image, number, side=side)
    return folder


def write_picture(path: Path, seed: int, *, side: int, spots: Sequence[int] = ()) -> None:
    """Noise, in which places that stand for findings are bright."""
    pixels = np.random.default_rng(seed).integers(0, 120, (side, side), np.uint8)
    for spot in spots:
        y, x = divmod(spot * side // 4, side)
        pixels[y : y + side // 4, x : x + side // 4] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = path.suffix if path.suffix in (".png", ".jpg") else ".png"
    path.write_bytes(cv2.imencode(ending, pixels)[1].tobytes())

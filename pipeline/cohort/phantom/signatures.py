"""How each of the 14 findings shows, by name."""

from pipeline.cohort.phantom import focal, opacities, pleura
from pipeline.cohort.phantom.mark import Signature

SIGNATURES: dict[str, Signature] = {
    "Atelectasis": opacities.atelectasis,
    "Cardiomegaly": pleura.cardiomegaly,
    "Effusion": pleura.effusion,
    "Infiltration": opacities.infiltration,
    "Mass": focal.mass,
    "Nodule": focal.nodule,
    "Pneumonia": opacities.pneumonia,
    "Pneumothorax": pleura.pneumothorax,
    "Consolidation": opacities.consolidation,
    "Edema": opacities.edema,
    "Emphysema": opacities.emphysema,
    "Fibrosis": opacities.fibrosis,
    "Pleural_Thickening": pleura.pleural_thickening,
    "Hernia": pleura.hernia,
}

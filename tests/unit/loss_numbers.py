"""The losses' own numbers, as params.yaml has them."""

from pipeline.params.sections import LossParams

NUMBERS = LossParams(
    focal_gamma=2.0,
    asymmetric_gamma_positive=1.0,
    asymmetric_gamma_negative=4.0,
    asymmetric_shift=0.05,
)

"""Numbers of a training, small and plain: what a test is about, it changes."""

from pipeline.params.sections import AugmentParams
from pipeline.training.plan import Plan

PLAN = Plan(
    epochs=3,
    batch_size=8,
    micro_batch=64,  # a whole batch: to find out how many fit, each training looks at six images
    learning_rate=0.01,
    weight_decay=0.01,
    schedule="constant",
    warmup=0.1,
    head_epochs=0,
    keep="loss",
    patience=10,
    ema=0.0,
    precision="fp32",
    device_cache="auto",
    compile=False,
    deterministic=False,
    threads=1,
    seed=1,
)

NO_CHANGE = AugmentParams(
    flip=0.0, rotation_degrees=0.0, shift=0.0, scale=0.0, crop=0.0, contrast=0.0
)

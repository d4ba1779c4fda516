"""How to train, apart from what and on what."""

from dataclasses import dataclass

from pipeline.params.sections import LearningParams, TrainParams


@dataclass(frozen=True)
class Plan:
    """All numbers of a training."""

    epochs: int
    batch_size: int
    micro_batch: int | None
    """Images computed at a time by a device; None for as many as fit."""
    learning_rate: float
    weight_decay: float
    schedule: str
    warmup: float
    head_epochs: int
    keep: str
    """Which epoch's weights: a key of `pipeline.training.records.kept.KEEP`."""
    patience: int
    ema: float
    """Decay of the running mean of the weights; 0 for none."""
    precision: str
    device_cache: str
    compile: bool
    deterministic: bool
    threads: int | None
    """Of a process on a CPU; None for one per core."""
    seed: int


def build_plan(
    train: TrainParams, params: LearningParams, *, precision: str, seed: int, head_epochs: int = 0
) -> Plan:
    """From what all networks share and what one has of its own."""
    return Plan(
        epochs=params.epochs,
        batch_size=train.batch_size,
        micro_batch=train.micro_batch if isinstance(train.micro_batch, int) else None,
        learning_rate=params.learning_rate,
        weight_decay=train.weight_decay,
        schedule=params.schedule,
        warmup=train.warmup,
        head_epochs=head_epochs,
        keep=train.keep,
        patience=train.patience,
        ema=train.ema,
        precision=precision,
        device_cache=train.device_cache,
        compile=train.compile,
        deterministic=train.deterministic,
        threads=train.threads if isinstance(train.threads, int) else None,
        seed=seed,
    )

"""Golden losses: the first steps of a training, as they were when the trainer was last changed.

A change of the order of batches, of augmentation, initialisation, loss, optimiser or schedule
moves them. Where that is meant, write them anew: `python tests/unit/training/test_golden.py`.
"""

import dataclasses
import json
import logging
from functools import partial
from pathlib import Path

import pytest
from branches import make_branch
from made_tasks import images, task
from training_numbers import NO_CHANGE, PLAN

from pipeline.networks.augment import augmentation
from pipeline.training import fit as module
from pipeline.training.fit import fit

GOLDEN = Path(__file__).parents[2] / "golden" / "losses.json"

CASES = {
    "resnet18": {"loss": "bce", "schedule": "cosine"},
    "densenet121": {"loss": "weighted_bce", "schedule": "one_cycle", "head_epochs": 1},
    "mobilenet_v2": {"loss": "focal", "micro_batch": 4, "learning_rate": 1e-6},
    "capsnet": {"loss": "margin", "schedule": "constant", "ema": 0.9},
}
"""Backbones, and what is special in their trainings."""

SIZE = 64  # of smaller images, BatchNorm has so few pixels that rounding shows

CHANGE = NO_CHANGE.model_copy(
    update={
        "flip": 0.5,
        "rotation_degrees": 15.0,
        "shift": 0.05,
        "scale": 0.1,
        "crop": 0.1,
        "contrast": 0.2,
    }
)


def losses_of(name):
    """The loss of each step, and the validation loss of each epoch."""
    numbers = dict(CASES[name])
    make = partial(images, size=SIZE)
    what = task(make, rows=32, augment=augmentation(CHANGE, alpha=False), loss=numbers.pop("loss"))
    plan = dataclasses.replace(PLAN, **{"epochs": 2, "learning_rate": 1e-4} | numbers)
    steps = []
    real = module._train

    def watched(*args, **kwargs):
        found = real(*args, **kwargs)
        steps.extend(found.tolist())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_train", watched)
        epochs = list(fit(make_branch(name, size=SIZE), what, plan))
    return {"steps": steps, "val": [epoch.val_loss for epoch in epochs]}


@pytest.mark.golden
@pytest.mark.parametrize("name", CASES)
def test_the_first_losses_are_as_they_were(name):
    expected, found = json.loads(GOLDEN.read_text())[name], losses_of(name)
    assert len(found["steps"]) == 8
    assert found["steps"][:2] == pytest.approx(expected["steps"][:2], rel=1e-4)
    # rounding, which differs between processors, grows with every step
    assert found["steps"] == pytest.approx(expected["steps"], rel=2e-3)
    assert found["val"] == pytest.approx(expected["val"], rel=2e-3)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    golden = {name: losses_of(name) for name in CASES}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()

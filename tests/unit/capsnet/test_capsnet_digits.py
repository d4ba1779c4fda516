"""The CapsNet learns what a CapsNet must learn: handwritten digits, as in its paper."""

import dataclasses
import logging
import time

import cv2
import numpy as np
import pytest
import torch
from loss_numbers import NUMBERS
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from training_numbers import PLAN as PLAIN

from pipeline.capsnet.autoencoder import build_autoencoder
from pipeline.capsnet.pretraining import with_labels, with_reconstruction
from pipeline.networks.augment import as_they_are
from pipeline.training.data.examples import Examples
from pipeline.training.fit import Task, fit
from pipeline.training.losses import LOSSES, Prevalence
from pipeline.training.predict import predict_logits

log = logging.getLogger(__name__)

PLAN = dataclasses.replace(
    PLAIN,
    epochs=2,
    batch_size=16,
    learning_rate=0.002,
    weight_decay=0.0,
    schedule="one_cycle",
    threads=2,
)


def digits() -> dict[str, Examples]:
    """1,797 digits of 8 x 8 pixels, upsampled to 28 x 28; two thirds to train."""
    loaded = load_digits()
    big = [cv2.resize(image / 16, (28, 28)) for image in loaded.images]
    images = torch.from_numpy(np.stack(big) * 255).to(torch.uint8).unsqueeze(1)
    targets = torch.nn.functional.one_hot(torch.from_numpy(loaded.target), 10).float()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    parts = {"train": order[:1200], "val": order[1200:1400], "test": order[1400:]}
    return {
        name: with_labels(Examples([str(i) for i in rows], name, (images[rows],), targets[rows]))
        for name, rows in parts.items()
    }


UNUSED = Prevalence(torch.full((10,), 0.1), None)


def margin(logits, targets):
    return LOSSES["margin"](logits, targets, UNUSED, NUMBERS).mean()


@pytest.mark.slow
def test_digits_are_told_apart_and_drawn_again_after_two_epochs():
    examples, network = digits(), build_autoencoder(10, seed=0)
    loss = with_reconstruction(margin, weight=0.0005)
    started = time.monotonic()
    list(fit(network, Task(examples["train"], examples["val"], loss, as_they_are), PLAN))
    seconds = time.monotonic() - started  # told, not tested: 19 on two free cores
    test = examples["test"]
    logits = predict_logits(network, test.inputs, precision="fp32")[:, :10]
    auroc = roc_auc_score(test.targets.numpy(), logits.sigmoid().numpy(), average="macro")
    right = float((logits.argmax(1) == test.targets.argmax(1)).float().mean())
    images = test.inputs[0] / 255
    with torch.inference_mode():
        decoded = network.reconstruct(images, test.targets)
        others = network.reconstruct(images, test.targets.roll(1, dims=1))
    drawn, wrong = (float((one - images).square().mean()) for one in (decoded, others))
    log.info("macro AUROC %.4f, accuracy %.3f, %.0f s", auroc, right, seconds)
    log.info("squared error per pixel: %.4f; another digit's capsule %.4f", drawn, wrong)
    assert auroc > 0.99
    assert drawn < wrong

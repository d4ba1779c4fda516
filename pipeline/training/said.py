"""What a training says of itself: how it computes, and which epoch is kept by what."""

import logging

from pipeline.training.records.kept import RANKING, best_by
from pipeline.training.schedule import blocks_of
from pipeline.training.state import Epoch, Training

log = logging.getLogger(__name__)


def say_how(training: Training) -> None:
    """In which precision, where, by how many threads; and what `keep: last` leaves without use."""
    plan, count = training.plan, training.threads
    log.info(
        "trains in %s on %s, with %d thread%s", training.precision, training.device.type, count,
        "s" if count > 1 else "",
    )  # fmt: skip
    if plan.keep == "last" and plan.patience < plan.epochs:
        falls = "; the plateau follows the validation loss" if plan.schedule == "plateau" else ""
        log.info("train.keep: last: train.patience (%d) stops nothing%s", plan.patience, falls)


def say_what_is_kept(training: Training) -> None:
    """Which epoch, by which rule, what the other rules would keep; and what is doubtful of it."""
    kept, keep = training.kept_epoch(), training.plan.keep
    if kept is None:
        return
    found = best_by(training.epochs)
    others = [
        f"; {rule} would keep epoch {found[rule].epoch}: {_judged(found[rule])}"
        for rule in RANKING
        if rule != keep
    ]
    log.info(
        "keeps epoch %d of %d (train.keep: %s): %s%s", kept.epoch, len(training.epochs), keep,
        _judged(kept), "".join(others),
    )  # fmt: skip
    _warn_of_warmup(training, kept)
    total = len(blocks_of(training.network))
    if (left := total - kept.released_blocks) > 0:
        log.info("%d of %d blocks are as they were: not released in the kept epoch", left, total)


def _judged(epoch: Epoch) -> str:
    return f"val_loss {epoch.val_loss:.4g}, val_auroc {epoch.val_auroc:.4g}"


def _warn_of_warmup(training: Training, kept: Epoch) -> None:
    """An epoch that begins before the learning rate is at its height has hardly been trained."""
    rising, steps = training.schedule.rising, training.steps
    if kept.epoch == len(training.epochs) or (kept.epoch - 1) * steps >= rising:
        return
    log.warning(
        "warning: the kept epoch %d (steps %d to %d of %d) is of the warm-up, in which the "
        "learning rate rose until step %d (train.warmup %g); compare the rules of train.keep",
        kept.epoch, (kept.epoch - 1) * steps + 1, kept.epoch * steps,
        steps * training.plan.epochs, rising, training.plan.warmup,
    )  # fmt: skip

"""What no training can do is refused before its first epoch."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.training.failure import TrainingError
from pipeline.training.plan import Plan
from pipeline.training.processes.distributed import World


def expect_possible(network: nn.Module, plan: Plan, world: World, *, smallest_batch: int) -> None:
    """Make sure that `network` can be trained so, by so many processes.

    Args:
        network: what is to be trained.
        plan: how.
        world: who shares it.
        smallest_batch: images of the smallest batch of an epoch.

    Raises:
        TrainingError: it cannot; the message says what to change.
    """
    if smallest_batch < world.size:
        raise TrainingError(
            f"{world.size} processes cannot share batches of {smallest_batch} images; lower "
            "train.devices or raise train.batch_size"
        )
    if smallest_batch == 1 and any(isinstance(one, _BatchNorm) for one in network.modules()):
        raise TrainingError(
            "a batch of one image has no statistics for batch normalisation; it needs at least "
            "two: more training images, or train.batch_size of 2 and more"
        )
    if plan.compile and world.size > 1:
        raise TrainingError(
            f"train.compile: a compiled network does not take its batch statistics over "
            f"{world.size} processes; say false, or train.devices: 1"
        )

"""A running mean of a network's weights (EMA), to be judged and kept in their stead."""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """A copy of a network that follows it: `decay` times itself and the rest of the network.

    In the first steps it follows faster, by `(1 + steps) / (10 + steps)`, so that the random
    weights of the start do not stay in it. Buffers (the statistics of BatchNorm) are averaged
    too, counters copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = decay
        self._steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Follow `network` by one step, without waiting for the device."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        mine, theirs = _tensors(self.network), _tensors(network)
        pairs = list(zip(mine, theirs, strict=True))
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        average = get_ema_multi_avg_fn(decay)
        average([mean for mean, _ in floats], [value for _, value in floats], self._steps)
        for mean, value in pairs:
            if not mean.is_floating_point():
                mean.copy_(value)

    def state_dict(self) -> dict[str, object]:
        """Where it stands."""
        return {"network": self.network.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from there."""
        self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
        self._steps = int(state["steps"])  # type: ignore[call-overload]


def _tensors(network: nn.Module) -> list[Tensor]:
    return [value.detach() for value in network.state_dict(keep_vars=True).values()]

"""The fusion head: pooled features of both branches and what is known of the patient."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Fusion(nn.Module):
    """Linear head on `[global pooled, local pooled, metadata]` (AG-CNN, Sec. 3.1, Eq. 4)."""

    def __init__(self, inputs: int, findings: int) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, findings)

    def forward(self, joined: Float[Tensor, "b d"]) -> Float[Tensor, "b f"]:
        """Logits."""
        logits: Tensor = self.head(joined)
        return logits


def restore_head(state: dict[str, Tensor]) -> nn.Linear:
    """The classification head that a branch's checkpoint holds, without the branch."""
    weight = state["head.weight"]
    head = nn.Linear(weight.shape[1], weight.shape[0])
    head.load_state_dict({"weight": weight, "bias": state["head.bias"]})
    return head


def build_fusion(global_: nn.Linear, local: nn.Linear, *, metadata: int) -> Fusion:
    """A fusion head that starts as the mean of both branches' logits.

    From there, training can only be for the better: a randomly initialised head has to find
    again, from few positives, what the branches' own heads already know.

    Args:
        global_: head of the global branch.
        local: head of the local branch, with the same findings.
        metadata: columns of metadata beside the pooled features.
    """
    heads = (global_, local)
    inputs = sum(head.in_features for head in heads) + metadata
    fusion = Fusion(inputs, global_.out_features)
    unknown = torch.zeros(global_.out_features, metadata)
    with torch.no_grad():
        weight = torch.cat([heads[0].weight / 2, heads[1].weight / 2, unknown], dim=1)
        fusion.head.weight.copy_(weight)
        fusion.head.bias.copy_((heads[0].bias + heads[1].bias) / 2)
    return fusion

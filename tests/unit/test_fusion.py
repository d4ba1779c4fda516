"""The fusion head: where it starts."""

import torch

from pipeline.findings import FINDINGS
from pipeline.networks.branch import BranchSpec, build_branch
from pipeline.networks.fusion import build_fusion, restore_head


def test_an_untrained_head_gives_the_mean_of_both_branches_logits():
    branches = [
        build_branch(
            BranchSpec(name, FINDINGS, 16, 64, standardise=False), weights=None, seed=seed
        ).eval()
        for seed, name in enumerate(("mobilenet_v2", "resnet18"))
    ]
    images, crops = torch.rand(2, 3, 1, 64, 64)
    joined = [branches[0].pooled(images), branches[1].pooled(crops), torch.randn(3, 4)]
    heads = [restore_head(branch.state_dict()) for branch in branches]
    logits = build_fusion(*heads, metadata=4)(torch.cat(joined, dim=1))
    torch.testing.assert_close(logits, (branches[0](images) + branches[1](crops)) / 2)

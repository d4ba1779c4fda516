"""Branches below a fusion head look twice, at the image and at its mirror image."""

import torch
from branches import make_branch, some_images

from pipeline.fusion.head import FusionSpec, JointFusion, build_fusion, mirrored_branches


def test_a_head_of_stored_features_has_no_branch_that_could_look_twice():
    network = make_branch("resnet18")
    spec = FusionSpec("linear", 1024, network.spec.findings, 8, 0.0)
    head = build_fusion(spec, network.head, network.head, seed=0)
    assert mirrored_branches(head, on=True) is head


def test_both_branches_below_a_fusion_head_look_twice():
    global_, local = make_branch("resnet18").eval(), make_branch("mobilenet_v2").eval()
    inputs = global_.head.in_features + local.head.in_features
    spec = FusionSpec("linear", inputs, global_.spec.findings, 8, 0.0)
    joint = JointFusion(global_, local, build_fusion(spec, global_.head, local.head, seed=0))
    images, crops, nothing = some_images(2), some_images(2).flip(0), torch.zeros(2, 0)
    with torch.inference_mode():
        found = mirrored_branches(joint.eval(), on=True)(images, crops, nothing)
        ways = [
            (one, other) for one in (images, images.flip(-1)) for other in (crops, crops.flip(-1))
        ]
        expected = sum(joint(one, other, nothing) for one, other in ways) / 4
        once = mirrored_branches(joint, on=False)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert once is joint

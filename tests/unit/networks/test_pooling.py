"""What makes a logit of evidence: each pooling between mean and maximum, and its map exact."""

import math

import pytest
import torch
from branches import make_branch, some_images
from torch import nn

from pipeline.attention.heatmap import HEATMAPS
from pipeline.attention.look import look
from pipeline.networks.layers import find_layer
from pipeline.networks.readouts.pooling import SHARPNESS, EvidencePooling, GeneralisedMean
from pipeline.networks.readouts.readout import POOLINGS

CHANNELS, FINDINGS = 6, 3
OF_EVIDENCE = [name for name in POOLINGS if name != "average"]


def some_maps(rows=4, *, seed=0):
    return torch.rand(rows, CHANNELS, 5, 4, generator=torch.Generator().manual_seed(seed)) * 4


def made(name):
    """With weights of both signs, a bias, and an attention that asks for something."""
    torch.manual_seed(0)
    readout, head = POOLINGS[name](CHANNELS, FINDINGS)
    with torch.no_grad():
        for parameter in readout.parameters():
            if parameter.ndim:
                parameter.normal_()
    return readout, head


@pytest.mark.parametrize("name", POOLINGS)
def test_a_constant_map_has_the_logit_of_each_of_its_cells(name):
    readout, head = made(name)
    cell = some_maps()[:, :, :1, :1]
    one, all_alike = (head(readout(cell.expand(-1, -1, *size))) for size in ((1, 1), (5, 4)))
    torch.testing.assert_close(all_alike, one)


@pytest.mark.parametrize("name", POOLINGS)
def test_places_of_cells_do_not_matter_to_the_logit(name):
    readout, head = made(name)
    maps = some_maps()
    turned = maps.flip(-1).transpose(-1, -2)
    torch.testing.assert_close(head(readout(turned)), head(readout(maps)))


@pytest.mark.parametrize("name", OF_EVIDENCE)
def test_the_logit_is_the_pool_of_the_map_and_the_bias(name):
    readout, head = made(name)
    maps = some_maps()
    evidence = readout.evidence(maps)
    logits = head(readout(maps))
    torch.testing.assert_close(readout.pool(evidence, maps, readout.bias) + readout.bias, logits)
    least, most = evidence.amin(dim=(2, 3)), evidence.amax(dim=(2, 3))
    assert (logits - readout.bias >= least).all()
    assert (logits - readout.bias <= most).all()


@pytest.mark.parametrize("name", ["lse", "pcam"])
def test_evidence_counts_more_where_there_is_more_of_it(name):
    readout, head = made(name)
    maps = some_maps()
    mean = readout.evidence(maps).mean(dim=(2, 3)) + readout.bias
    assert (head(readout(maps)) > mean).all()


def test_log_sum_exp_and_probabilistic_cam_are_what_their_papers_say():
    maps = some_maps(1)
    for name in ("lse", "pcam"):
        readout, head = made(name)
        logits = head(readout(maps))[0].detach()
        weight = readout.weight.detach()
        for finding in range(FINDINGS):
            cells = [
                float(weight[finding] @ maps[0, :, row, column])
                for row in range(5)
                for column in range(4)
            ]
            bias = float(readout.bias.detach()[finding])
            if name == "lse":
                total = sum(math.exp(SHARPNESS * one) for one in cells) / len(cells)
                expected = math.log(total) / SHARPNESS
            else:
                weights = [1 / (1 + math.exp(-one - bias)) for one in cells]
                expected = sum(w * one for w, one in zip(weights, cells, strict=True))
                expected /= sum(weights)
            assert float(logits[finding]) == pytest.approx(expected + bias, rel=1e-5)


def test_attention_starts_as_the_plain_mean_and_learns_where_to_look():
    readout, head = POOLINGS["attention"](CHANNELS, FINDINGS)
    maps = some_maps()
    plain = nn.functional.linear(maps.mean(dim=(2, 3)), readout.weight, readout.bias)
    torch.testing.assert_close(head(readout(maps)), plain)
    head(readout(maps)).sum().backward()
    assert readout.pool.query.grad.abs().max() > 0


@pytest.mark.parametrize("power", [1.0, 3.0, 60.0])
def test_the_generalised_mean_goes_from_the_mean_to_the_maximum(power):
    reshape = GeneralisedMean()
    reshape.power.data.fill_(power)
    maps = some_maps().double()
    means = reshape(maps).mean(dim=(2, 3))
    torch.testing.assert_close(means, (maps**power).mean(dim=(2, 3)) ** (1 / power))
    limit = maps.mean(dim=(2, 3)) if power == 1 else maps.amax(dim=(2, 3))
    assert (means - limit).abs().max() < {1.0: 1e-9, 3.0: 4.0, 60.0: 0.25}[power]


@pytest.mark.parametrize("name", OF_EVIDENCE)
def test_a_channel_that_sees_nothing_is_no_fault(name):
    readout, head = made(name)
    maps = torch.zeros(2, CHANNELS, 5, 4, requires_grad=True)
    logits = head(readout(maps))
    torch.testing.assert_close(logits, readout.bias.expand(2, -1), rtol=1e-5, atol=1e-5)
    logits.sum().backward()
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("name", ["lse", "pcam"])
def test_evidence_far_from_the_bias_overflows_nowhere(name):
    readout, head = made(name)
    for scale in (1e3, -1e3):
        assert torch.isfinite(head(readout(some_maps() * scale))).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_a_branch_pools_so_and_starts_at_the_prior(name):
    branch = make_branch("mobilenet_v2", pooling=name)
    prior = torch.linspace(-4, 0, 14)
    branch.start_at(torch.cat([prior[:-1], torch.tensor([torch.inf])]))  # the last: never known
    for weights in (branch.readout, branch.head):
        if hasattr(weights, "weight") and isinstance(weights, EvidencePooling | nn.Linear):
            weights.weight.data.zero_()
    torch.testing.assert_close(branch(some_images()), prior.expand(2, -1))


@pytest.mark.parametrize("name", POOLINGS)
def test_cam_is_the_map_that_is_pooled(name):
    branch, images = make_branch("mobilenet_v2", pooling=name, size=96), some_images(size=96)
    looked = look(branch, images, find_layer(branch, "last"))
    found = HEATMAPS["cam"](looked)
    assert found.shape == (2, 14, 3, 3)
    if name == "average":
        torch.testing.assert_close(
            looked.evidence.mean(dim=(2, 3)) + branch.head.bias, looked.logits
        )
    else:
        readout = branch.readout
        pooled = readout.pool(looked.evidence, looked.maps, readout.bias) + readout.bias
        torch.testing.assert_close(pooled, looked.logits)
    torch.testing.assert_close(found, looked.evidence.relu())
    for method in ("gradcam", "gradcam_pp", "xgradcam", "layercam"):
        assert torch.isfinite(HEATMAPS[method](looked)).all()


def test_features_are_pooled_in_fp32_behind_half_precision():
    branch = make_branch("mobilenet_v2", pooling="pcam")
    with torch.autocast("cpu", torch.bfloat16):
        pooled = branch.pooled(some_images())
    assert pooled.dtype == torch.float32

"""Capsules: lengths, routing, masking; the laws of Sabour et al., arXiv:1710.09829."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.capsnet.autoencoder import build_autoencoder
from pipeline.networks.readouts import capsule
from pipeline.networks.readouts.capsule import (
    CapsNet,
    Decoder,
    couplings,
    length_logits,
    route,
    squash,
)


def votes(rows=3, inputs=20, outputs=5, dim=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, inputs, outputs, dim, generator=generator, dtype=torch.float64)


@given(st.floats(0, 1e6), st.integers(0, 9))
def test_squash_keeps_the_direction_and_gives_the_length_of_equation_1(length, seed):
    direction = torch.nn.functional.normalize(votes(1, 1, 1, 8, seed), dim=-1).flatten()
    short = squash(length * direction)
    assert float(short.norm()) == pytest.approx(length**2 / (1 + length**2), abs=1e-4)
    assert float(short.norm()) <= 1
    assert float((short * direction).sum()) == pytest.approx(float(short.norm()), abs=1e-9)


def test_the_gradient_at_the_zero_capsule_is_finite():
    for function in (squash, length_logits):
        zero = torch.zeros(2, 8, requires_grad=True)
        function(zero).sum().backward()
        assert torch.isfinite(zero.grad).all()


def test_a_network_of_zero_capsules_has_finite_gradients():
    network = CapsNet(14)
    torch.nn.init.zeros_(network.capsules.transform)
    length_logits(network(torch.zeros(2, 1, 28, 28))).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_sigmoid_of_a_length_logit_is_the_length():
    vectors = votes() * 3
    torch.testing.assert_close(
        length_logits(vectors).sigmoid(), squash(vectors).norm(dim=-1), rtol=1e-6, atol=1e-6
    )


def test_each_input_capsule_shares_one_vote_among_the_output_capsules(monkeypatch):
    """In every iteration of routing, starting from equal shares."""
    seen = []

    def watched(agreement):
        seen.append(couplings(agreement))
        return seen[-1]

    monkeypatch.setattr(capsule, "couplings", watched)
    route(votes(rows=3, inputs=20, outputs=5))
    assert len(seen) == 3
    for shares in seen:
        torch.testing.assert_close(shares.sum(dim=2), torch.ones(3, 20, dtype=torch.float64))
        assert (shares > 0).all()
    assert (seen[0] == 0.2).all()
    assert seen[2].std() > seen[1].std() > 0


def routed_by_loops(all_votes, iterations):
    """Procedure 1, capsule by capsule."""
    outputs = []
    for sample in all_votes:
        inputs, number, _ = sample.shape
        logits = torch.zeros(inputs, number, dtype=sample.dtype)
        for step in range(iterations):
            share = torch.stack([row.exp() / row.exp().sum() for row in logits])
            sums = [sum(share[i, j] * sample[i, j] for i in range(inputs)) for j in range(number)]
            if step < iterations - 1:
                for i in range(inputs):
                    for j in range(number):
                        logits[i, j] += sample[i, j] @ squash(sums[j])
        outputs.append(torch.stack(sums))
    return torch.stack(outputs)


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_routing_is_procedure_1(iterations):
    expected = routed_by_loops(votes(), iterations)
    torch.testing.assert_close(route(votes(), iterations=iterations), expected)


def test_a_sample_is_routed_alike_in_any_company():
    together = route(votes())
    alone = torch.cat([route(one[None]) for one in votes()])
    torch.testing.assert_close(together, alone)


def test_agreement_wins():
    """Votes for output 0 agree, those for output 1 scatter: routing sharpens the difference."""
    agreeing = votes(1, 40, 2, 8, seed=3)
    agreeing[:, :, 0] = agreeing[:, :1, 0]
    once, thrice = (route(agreeing, iterations=n).norm(dim=-1)[0] for n in (1, 3))
    assert thrice[0] > once[0]
    assert thrice[0] / thrice[1] > once[0] / once[1]


def test_gradients_flow_through_the_last_iteration_alone():
    """With the couplings held fixed the output is linear in the votes, and so is the gradient."""
    some = votes().requires_grad_()
    route(some).sum().backward()
    with torch.no_grad():
        agreement = torch.zeros(some.shape[:3], dtype=some.dtype)
        for _ in range(2):
            outputs = squash(torch.einsum("bij,bijd->bjd", couplings(agreement), some))
            agreement = agreement + torch.einsum("bijd,bjd->bij", some, outputs)
    expected = couplings(agreement).unsqueeze(-1).expand_as(some)
    torch.testing.assert_close(some.grad, expected)


def test_the_layers_are_the_papers():
    network = CapsNet(10)
    assert network.conv1.weight.shape == (256, 1, 9, 9)
    assert network.capsules.primary.weight.shape == (256, 256, 9, 9)
    assert network.capsules.transform.shape == (32 * 6 * 6, 10 * 16, 8)
    assert float(network.capsules.transform.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert network(torch.rand(3, 1, 28, 28)).shape == (3, 10, 16)


def test_the_decoder_sees_the_capsules_of_all_true_labels_and_of_no_other():
    decoder = Decoder(14)
    capsules = torch.randn(2, 14, 16)
    targets = torch.zeros(2, 14)
    targets[:, [2, 5, 11]] = 1
    decoded = decoder(capsules, targets)
    masked, hidden = capsules.clone(), capsules.clone()
    masked[:, targets[0] == 0] = 7.0
    torch.testing.assert_close(decoder(masked, targets), decoded)
    for label in (2, 5, 11):
        hidden = capsules.clone()
        hidden[:, label] = 7.0
        assert not torch.allclose(decoder(hidden, targets), decoded)
    assert decoded.min() >= 0
    assert decoded.max() <= 1


def test_an_autoencoder_gives_logits_and_the_error_of_its_reconstruction():
    network = build_autoencoder(14, seed=0)
    images, targets = torch.rand(3, 1, 28, 28), (torch.rand(3, 14) < 0.3).float()
    outputs = network(images, targets)
    error = (network.reconstruct(images, targets) - images).square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(outputs[:, 14], error)
    torch.testing.assert_close(outputs[:, :14], length_logits(network.capsnet(images)))

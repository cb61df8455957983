from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import entropy, spearmanr
from torch import nn

from plainfilm.attribution import GradCAM, Gradient, IntegratedGradients, SmoothGrad
from plainfilm.attribution.target import Head
from plainfilm.errors import InputError, ModelError, NumericError
from plainfilm.metrics import (
    cascading_randomisation,
    efficient_randomisation,
    randomisation_units,
    smooth_randomisation,
)
from plainfilm.metrics.randomisation import map_entropy
from plainfilm.metrics.reinitialisation import reinitialise
from plainfilm.models.classifier import wrap


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3),
    )  # fmt: skip
    made[1].running_mean.normal_(0, 0.1)
    return made.train()


@pytest.fixture
def images():
    return torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))


UNITS = ("7", "3", "1", "0")


def slow_maps(network, images, targets):
    """Input gradients one image at a time."""
    found = []
    for image, target in zip(images, targets, strict=True):
        leaf = image[None].clone().requires_grad_()
        network.eval()(leaf)[0, target].backward()
        found.append(leaf.grad[0].sum(0).abs().flatten().numpy())
    return found


def test_agrees_with_a_slow_loop_that_starts_afresh_for_each_unit(network, images):
    targets = [0, 2, 1]
    found = cascading_randomisation(Gradient, network, images, targets, seed=5)
    assert found.units == UNITS
    original = slow_maps(deepcopy(network), images, targets)
    for row in range(len(UNITS)):
        changed = deepcopy(network)
        for name in UNITS[: row + 1]:
            reinitialise(changed.get_submodule(name), 5, name)
        for k, map_ in enumerate(slow_maps(changed, images, targets)):
            expected = spearmanr(original[k], map_).statistic
            assert found.correlations[row, k] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(found.means, found.correlations.mean(axis=1))
    assert [each.n for each in found.intervals] == [3] * 4
    assert not found.undefined.any()


def test_independently_each_unit_is_alone(network, images):
    found = cascading_randomisation(Gradient, network, images, 1, seed=5, independent=True)
    for row, name in enumerate(UNITS):
        alone = cascading_randomisation(Gradient, network, images, 1, seed=5, units=[name])
        np.testing.assert_allclose(found.correlations[row], alone.correlations[0], atol=1e-9)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(network, images):
    first, again, other = (
        cascading_randomisation(Gradient, network, images, 0, seed=s).correlations for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_allclose(first.mean(axis=1), GOLDEN, atol=2e-3)


GOLDEN = (0.4026, 0.2970, 0.2689, 0.2554)
"""Means after each unit with seed 1."""


def test_a_batch_gives_the_numbers_of_its_images_one_by_one(network, images):
    batch = cascading_randomisation(GradCAM, network, images, [0, 1, 2], seed=3).correlations
    for k in range(3):
        alone = cascading_randomisation(GradCAM, network, images[k : k + 1], k, seed=3).correlations
        np.testing.assert_allclose(batch[:, k], alone[:, 0], atol=1e-9)


def as_bytes(network):
    tensors = {k: v.numpy().tobytes() for k, v in network.state_dict().items()}
    modes = [(module.training, len(module._forward_pre_hooks)) for module in network.modules()]
    grads = [parameter.grad for parameter in network.parameters()]
    return tensors, modes, grads, torch.get_rng_state().numpy().tobytes()


@pytest.mark.parametrize("measure", [cascading_randomisation, efficient_randomisation, smooth_randomisation])
def test_the_network_is_returned_byte_for_byte_also_after_an_exception(measure, network, images):
    before = as_bytes(network)
    options = {"copies": 2} if measure is smooth_randomisation else {}
    measure(Gradient, network, images, 0, 1, **options)
    assert as_bytes(network) == before

    class Fails(Gradient):
        calls = 0

        def attribute(self, images, target):
            Fails.calls += 1
            if Fails.calls > 1:
                raise KeyboardInterrupt
            return super().attribute(images, target)

    with pytest.raises(KeyboardInterrupt):
        measure(Fails, network, images, 0, 1, **options)
    assert as_bytes(network) == before


@dataclass(frozen=True)
class Edges:
    """A map of the film alone."""

    network: nn.Module

    def attribute(self, images, target):
        return images - images.roll(1, 3)


@dataclass(frozen=True)
class Flat(Edges):
    """Constant where the first weight is positive in sum."""

    def attribute(self, images, target):
        maps = images.clone()
        maps[1] = 0
        return maps


def test_a_method_that_ignores_the_network_is_found_out(network, images):
    np.testing.assert_allclose(cascading_randomisation(Edges, network, images, 0).correlations, 1)
    np.testing.assert_allclose(efficient_randomisation(Edges, network, images, 0).rise, 0)


def test_a_constant_map_is_undefined_and_counted_apart(network, images):
    found = cascading_randomisation(Flat, network, images, 0)
    assert np.isnan(found.correlations[:, 1]).all()
    assert found.undefined.tolist() == [1] * 4
    np.testing.assert_allclose(found.means, 1)
    assert [(each.n, each.n_excluded) for each in found.intervals] == [(2, 1)] * 4
    rise = efficient_randomisation(Flat, network, images, 0)
    assert np.isnan(rise.rise).tolist() == [False, True, False]
    assert rise.interval.n_excluded == 1


def test_ways_of_giving_a_method_are_one(network, images):
    expected = cascading_randomisation(lambda net: SmoothGrad(net, samples=3), network, images, 0)
    for method in (
        partial(SmoothGrad, samples=3),
        SmoothGrad(network, samples=3),
        SmoothGrad(Head(Both(network), 0), samples=3),
    ):
        found = cascading_randomisation(method, network, images, 0)
        np.testing.assert_allclose(found.correlations, expected.correlations, atol=1e-9)
    model = wrap(network, ["A", "B", "C"], 16)
    found = cascading_randomisation(partial(SmoothGrad, samples=3), model, images, 0)
    np.testing.assert_allclose(found.correlations, expected.correlations, atol=1e-9)


def test_a_wrapper_that_calls_its_part_network_is_taken_whole(network, images):
    class Probability(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            return self.network(images).sigmoid()

    whole, seen = Probability(), []

    def make(given):
        seen.append(type(given))
        return Gradient(given)

    found = cascading_randomisation(make, whole, images, 0)
    assert set(seen) == {Probability}
    assert found.units == tuple(f"network.{name}" for name in UNITS)
    built = cascading_randomisation(Gradient(whole), whole, images, 0)
    np.testing.assert_allclose(built.correlations, found.correlations)


class Both(nn.Module):
    """A network that returns two things."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        scores = self.network(images)
        return scores, scores


@dataclass(frozen=True)
class OfAClassifier:
    """A method that asks a classifier by its probabilities, as counterfactual methods do."""

    classifier: object
    step: float = 0.1

    def attribute(self, images, target):
        leaf = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.classifier.probabilities(leaf)[:, target].sum(), leaf)
        return self.step * gradient


def test_a_built_method_with_a_classifier_in_a_field_is_put_on_the_copy(network, images):
    model = wrap(network, ["A", "B", "C"], 16)
    before = as_bytes(network)
    found = cascading_randomisation(OfAClassifier(model), model, images, 0)
    assert as_bytes(network) == before
    expected = cascading_randomisation(Gradient, network, images, 0)
    np.testing.assert_allclose(found.correlations, expected.correlations, atol=1e-4)


def test_a_method_on_another_network_or_none_is_refused(network, images):
    with pytest.raises(ModelError, match="built on another network"):
        cascading_randomisation(Gradient(deepcopy(network)), network, images, 0)
    with pytest.raises(ModelError, match="a method of attribution"):
        cascading_randomisation("grad-cam", network, images, 0)
    with pytest.raises(ModelError, match=r"Classifier or a torch.nn.Module"):
        cascading_randomisation(Gradient, "phantom", images, 0)


def test_units_are_chosen_by_name_and_progress_is_told(network, images):
    told = []
    found = cascading_randomisation(
        Gradient, network, images, 0, units=("3", "7"), progress=lambda *at: told.append(at)
    )
    assert found.units == ("3", "7")
    assert told == [(1, 2), (2, 2)]
    for wrong in (["9"], []):
        with pytest.raises(ModelError, match="unit"):
            cascading_randomisation(Gradient, network, images, 0, units=wrong)


def test_images_and_maps_that_cannot_be_are_refused(network, images):
    with pytest.raises(InputError, match="B, C, H, W"):
        cascading_randomisation(Gradient, network, images[0], 0)

    class Broken(Edges):
        def attribute(self, images, target):
            return images / 0

    with pytest.raises(NumericError, match="not finite"):
        cascading_randomisation(Broken, network, images, 0)


def test_the_smooth_form_agrees_with_a_slow_loop_over_noisy_copies(network, images):
    found = smooth_randomisation(Gradient, network, images, [0, 1, 2], seed=4, copies=3, noise=0.2)

    def averaged(net):
        total = [0, 0, 0]
        for copy in range(3):
            noise = torch.tensor(np.random.default_rng([4, copy]).standard_normal((1, 16, 16))).float()
            noisy = torch.stack([x + 0.2 * (x.max() - x.min()) * noise for x in images])
            total = [a + b for a, b in zip(total, slow_maps(net, noisy, [0, 1, 2]), strict=True)]
        return total

    changed = deepcopy(network)
    original = averaged(changed)
    for row, name in enumerate(UNITS):
        reinitialise(changed.get_submodule(name), 4, name)
        for k, map_ in enumerate(averaged(changed)):
            expected = spearmanr(original[k], map_).statistic
            assert found.correlations[row, k] == pytest.approx(expected, abs=1e-5)


def test_without_noise_the_smooth_form_is_the_plain_one(network, images):
    smooth = smooth_randomisation(Gradient, network, images, 0, copies=2, noise=0)
    np.testing.assert_allclose(
        smooth.correlations, cascading_randomisation(Gradient, network, images, 0).correlations, atol=1e-9
    )
    for wrong in ({"copies": 0}, {"noise": -1}):
        with pytest.raises(InputError, match="smooth_randomisation"):
            smooth_randomisation(Gradient, network, images, 0, **wrong)


def test_the_efficient_form_compares_the_trained_with_the_fully_random_network(network, images):
    found = efficient_randomisation(IntegratedGradients, network, images, 0, seed=2, bins=20)
    random = deepcopy(network)
    for name in randomisation_units(network):
        reinitialise(random.get_submodule(name), 2, name)
    for k in range(3):
        trained, after = (
            entropy(np.histogram(IntegratedGradients(net).attribute(images[k : k + 1], 0), bins=20)[0])
            for net in (network, random)
        )
        assert found.trained[k] == pytest.approx(trained, abs=1e-6)
        assert found.rise[k] == pytest.approx((after - trained) / trained, abs=1e-6)
    assert found.interval.value == pytest.approx(found.rise.mean())
    with pytest.raises(InputError, match="bins"):
        efficient_randomisation(Gradient, network, images, 0, bins=1)


def test_the_entropy_of_a_map_is_that_of_its_histogram():
    assert map_entropy(np.zeros(9)) == 0
    assert map_entropy(np.arange(100.0), bins=10) == pytest.approx(np.log(10))
    assert map_entropy(np.array([0.0, 0, 0, 1]), bins=2) == pytest.approx(entropy([3, 1]))

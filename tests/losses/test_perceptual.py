from __future__ import annotations

import numpy as np
import pytest
import torch

from plainfilm.losses.perceptual import perceptual_loss


def features(seed):
    draws = torch.Generator().manual_seed(seed)
    return [torch.rand(3, 4, size, size, generator=draws) for size in (8, 4)]


def test_it_is_the_share_of_the_square_summed_over_layers_and_films():
    found, wanted = features(0), features(1)
    expected = 0.0
    for one, two in zip(found, wanted, strict=True):
        for a, b in zip(one.double().numpy(), two.double().numpy(), strict=True):
            expected += np.sum((a - b) ** 2) / np.sum(b**2)
    assert perceptual_loss(found, wanted).item() == pytest.approx(expected, rel=1e-5)


def test_equal_features_cost_nothing_and_none_at_all_one_a_layer_and_film():
    wanted = features(2)
    assert perceptual_loss(wanted, wanted).item() == 0
    assert perceptual_loss([0 * each for each in wanted], wanted).item() == pytest.approx(6)


def test_a_layer_that_is_silent_stays_finite():
    silent = [torch.zeros(2, 3, 4, 4)]
    found = [torch.full((2, 3, 4, 4), 1e-3, requires_grad=True)]
    loss = perceptual_loss(found, silent)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(found[0].grad).all()

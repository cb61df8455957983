from __future__ import annotations

import captum.attr
import pytest
import torch

from plainfilm.attribution import Gradient, SmoothGrad
from plainfilm.errors import ModelError


def test_agrees_with_a_slow_loop(small):
    images, targets = torch.rand(2, 1, 16, 16), [0, 2]
    method = SmoothGrad(small, samples=6, noise=0.2)
    maps = method.attribute(images, targets)
    for image, target, map_ in zip(images, targets, maps, strict=True):
        total = torch.zeros_like(image)
        for copy in range(6):
            noise = 0.2 * (image.max() - image.min()) * method.noise_of(copy, image)
            point = (image + noise)[None].requires_grad_()
            small(point)[0, target].backward()
            total += point.grad[0]
        torch.testing.assert_close(map_, total / 6, rtol=1e-5, atol=1e-7)


def test_agrees_with_captum_given_the_same_noise(small, monkeypatch):
    image, method = torch.rand(1, 1, 16, 16), SmoothGrad(small, samples=8, noise=0.1)
    noise = torch.stack([method.noise_of(copy, image[0]) for copy in range(8)])
    monkeypatch.setattr(torch, "normal", lambda mean, std, **rest: mean + std * noise)
    deviation = 0.1 * (image.max() - image.min()).item()
    theirs = captum.attr.NoiseTunnel(captum.attr.Saliency(small)).attribute(
        image, nt_type="smoothgrad", nt_samples=8, stdevs=deviation, target=1, abs=False
    )
    torch.testing.assert_close(method.attribute(image, 1), theirs, rtol=1e-4, atol=1e-6)


def test_without_noise_it_is_the_gradient(small):
    images = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(
        SmoothGrad(small, samples=3, noise=0).attribute(images, 1), Gradient(small).attribute(images, 1)
    )


def test_a_seed_gives_one_map_and_another_seed_another(small):
    image = torch.rand(1, 1, 16, 16)
    first, again, other = (SmoothGrad(small, samples=4, seed=s).attribute(image, 0) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_its_noise_is_standard_normal_and_new_for_each_copy(small):
    method, image = SmoothGrad(small), torch.zeros(1, 100, 100)
    first, second = method.noise_of(0, image), method.noise_of(1, image)
    assert abs(first.mean()) < 0.05
    assert abs(first.std() - 1) < 0.05
    assert abs((first * second).mean()) < 0.05


@pytest.mark.parametrize("settings", [{"samples": 0}, {"samples": 2.5}, {"noise": -0.1}, {"noise": "x"}])
def test_impossible_settings_are_refused(settings, small):
    with pytest.raises(ModelError, match=next(iter(settings))):
        SmoothGrad(small, **settings)

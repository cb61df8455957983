from __future__ import annotations

import pytest
import torch
from torch import nn

from plainfilm.attribution import (
    LRP,
    DeepLift,
    ExpectedGradients,
    GradCAM,
    GradCAMPlusPlus,
    Gradient,
    GuidedBackprop,
    IntegratedGradients,
    IterativeDelete,
    Occlusion,
    SmoothGrad,
)
from plainfilm.attribution.method import images_within
from plainfilm.errors import ModelError, NumericError

METHODS = [
    Gradient, GuidedBackprop, IntegratedGradients, GradCAM, GradCAMPlusPlus, Occlusion, SmoothGrad,
    ExpectedGradients, DeepLift, LRP, IterativeDelete,
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [-1, 3, True, 1.0, "Mass", [0, -1], [0, 1, 2], None])
def test_a_target_that_does_not_exist_is_refused(method, target, small):
    with pytest.raises(ModelError, match=r"target|index"):
        method(small).attribute(torch.rand(2, 1, 16, 16), target)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_equals_its_images_one_by_one(method, small):
    images, targets = torch.rand(4, 1, 16, 16), [2, 0, 1, 0]
    batch = method(small).attribute(images, torch.tensor(targets))
    singles = [
        method(small).attribute(image[None], target) for image, target in zip(images, targets, strict=True)
    ]
    torch.testing.assert_close(batch, torch.cat(singles), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_little_memory_gives_the_same_maps(method, small):
    images = torch.rand(5, 1, 16, 16)
    expected = method(small).attribute(images, 1)
    torch.testing.assert_close(
        method(small, memory=1e-6).attribute(images, 1), expected, rtol=1e-5, atol=1e-7
    )


def test_memory_grows_the_chunk_in_proportion():
    def take_a_megabyte() -> None:
        torch.zeros(2**18)

    assert images_within(3 / 1024, take_a_megabyte) == 1
    assert images_within(30 / 1024, take_a_megabyte) == 10


def test_what_autograd_saves_is_counted():
    def save_four_megabytes() -> None:
        leaf = torch.rand(2**18, requires_grad=True)
        (leaf.exp() * leaf.sin()).sum().backward()

    # The leaf, its exponential and its sine are saved; three results are in flight.
    assert images_within(60 / 1024, save_four_megabytes) == 10


@pytest.mark.parametrize("memory", [0, -1, float("nan"), "x"])
def test_an_impossible_memory_is_refused(memory, small):
    with pytest.raises(ModelError, match="memory"):
        Gradient(small, memory=memory)


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"steps": "abc"}, {"steps": True}, {"baseline": float("nan")}]
)
def test_impossible_settings_of_integrated_gradients_are_refused(settings, small):
    with pytest.raises(ModelError, match=next(iter(settings))):
        IntegratedGradients(small, **settings)


SCORE_WITHOUT_IMAGE = (GuidedBackprop, Occlusion, DeepLift, LRP)
"""DeepLift refuses a map that does not add up to the score, and LRP hands on whatever score there is."""


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m not in (GuidedBackprop, Occlusion, DeepLift, LRP)]
)
def test_a_score_that_ignores_the_image_gives_a_flat_map(method):
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(1, 2, 3)

        def forward(self, images):
            return self.features(images).mean((2, 3)) * 0 + 1

    class Detached(Constant):
        def forward(self, images):
            return self.features(images).mean((2, 3)).detach()

    for network in (Constant(), Detached()):
        assert not method(network).attribute(torch.rand(2, 1, 8, 8), 0).any()


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_are_not_finite_are_named(method, small):
    small.head.weight.data[0, 0] = float("nan")
    with pytest.raises(NumericError, match="layer head"):
        method(small).attribute(torch.rand(1, 1, 16, 16), 0)
    small.second.weight.data[0] = float("inf")
    with pytest.raises(NumericError, match="layer second"):
        method(small).attribute(torch.rand(1, 1, 16, 16), 0)


@pytest.mark.parametrize(
    "images", [torch.rand(1, 16, 16), torch.zeros(1, 1, 16, 16, dtype=torch.uint8), "film"]
)
def test_images_of_another_kind_are_refused(images, small):
    with pytest.raises(ModelError, match="floating-point images"):
        Gradient(small).attribute(images, 0)


def test_an_output_that_is_no_score_table_is_refused():
    with pytest.raises(ModelError, match="scores of shape"):
        Gradient(nn.Conv2d(1, 2, 3)).attribute(torch.rand(1, 1, 8, 8), 0)


def test_a_gradient_that_is_not_finite_is_never_returned():
    class Root(nn.Module):
        def forward(self, images):
            return images.sqrt().flatten(1).sum(1, keepdim=True)

    images = torch.rand(1, 1, 4, 4)
    images[0, 0, 1, 1] = 0
    with pytest.raises(NumericError, match="1 values of a map that are NaN or infinite"):
        Gradient(Root()).attribute(images, 0)

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from plainfilm.attribution import (
    ExpectedGradients,
    GradCAM,
    GradCAMPlusPlus,
    Gradient,
    GuidedBackprop,
    IntegratedGradients,
    Occlusion,
    SmoothGrad,
)
from plainfilm.attribution.target import Head, RegionScore, unwrapped
from plainfilm.errors import ModelError

METHODS = [
    Gradient, GuidedBackprop, IntegratedGradients, GradCAM, GradCAMPlusPlus, Occlusion, SmoothGrad,
    ExpectedGradients,
]  # fmt: skip


@dataclass
class Output:
    logits: Tensor
    loss: float


class Returning(nn.Module):
    """A network with an output of another shape."""

    def __init__(self, inner: nn.Module, shape) -> None:
        super().__init__()
        self.inner, self.shape = inner, shape

    def forward(self, images):
        return self.shape(self.inner(images))


Named = namedtuple("Named", ["logits", "hidden"])
SHAPES = {
    "dict": (lambda scores: {"logits": scores}, "logits"),
    "tuple": (lambda scores: (scores, 1.0), 0),
    "list": (lambda scores: [scores * 2, scores], 1),
    "named": (lambda scores: Named(scores, scores), "logits"),
    "dataclass": (lambda scores: Output(scores, 0.5), "logits"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_output_of_several_is_refused_and_explained_by_its_head(method, shape, small):
    """Fault 47."""
    build, key = SHAPES[shape]
    images = torch.rand(2, 1, 16, 16)
    network = Returning(small, build)
    with pytest.raises(ModelError, match=r"scores of shape \([12], K\).*Head"):
        method(network).attribute(images, 1)
    torch.testing.assert_close(
        method(Head(network, key)).attribute(images, 1), method(small).attribute(images, 1)
    )


@pytest.mark.parametrize("key", ["logit", 5, None])
def test_a_head_that_is_not_there_is_refused_with_those_that_are(key, small):
    for shape in ("dict", "named", "dataclass"):
        with pytest.raises(ModelError, match="'logits'"):
            Head(Returning(small, SHAPES[shape][0]), key)(torch.rand(1, 1, 16, 16))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wrapper", [nn.DataParallel, torch.compile], ids=["parallel", "compile"])
def test_a_wrapped_network_is_explained_as_itself(method, wrapper, small):
    """Fault 47. Nothing is compiled for it."""
    images = torch.rand(2, 1, 16, 16)
    wrapped = wrapper(small)
    assert unwrapped(wrapped) is small
    assert torch.equal(method(wrapped).attribute(images, 1), method(small).attribute(images, 1))


def test_wrappers_in_wrappers_are_taken_off(small):
    assert unwrapped(torch.compile(nn.DataParallel(small))) is small


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_and_what_is_no_module_are_refused(small):
    script = torch.jit.trace(small, torch.rand(1, 1, 16, 16))
    for network in (script, nn.Sequential(script)):
        with pytest.raises(ModelError, match="TorchScript"):
            Gradient(network)
    with pytest.raises(ModelError, match=r"torch\.nn\.Module"):
        Gradient(lambda images: images)


class Segmenter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features, self.out = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, images):
        return self.out(self.features(images).relu())


@pytest.fixture
def segmenter():
    torch.manual_seed(3)
    return Segmenter().eval()


def test_a_region_scores_its_mean_logit(segmenter):
    images = torch.rand(2, 1, 8, 8)
    region = torch.zeros(8, 8, dtype=torch.bool)
    region[2:4, 3:6] = True
    scores, logits = RegionScore(segmenter, region)(images), segmenter(images)
    for image in range(2):
        for k in range(2):
            slow = sum(logits[image, k, r, c].item() for r in (2, 3) for c in (3, 4, 5)) / 6
            assert scores[image, k].item() == pytest.approx(slow, rel=1e-5)


def test_without_a_region_the_predicted_pixels_are_scored(segmenter):
    images = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        segmenter.out.bias -= segmenter(images).mean((0, 2, 3))
        segmenter.out.bias[1] = -100
        scores, logits = RegionScore(segmenter)(images), segmenter(images)
    for image in range(2):
        positive = [value for value in logits[image, 0].flatten().tolist() if value > 0]
        assert scores[image, 0].item() == pytest.approx(sum(positive) / len(positive), rel=1e-5)
    assert not scores[:, 1].any()
    assert not Gradient(RegionScore(segmenter)).attribute(images, 1).any()


def test_a_pixel_far_from_the_region_does_not_matter(segmenter):
    """The convolution sees one pixel around each."""
    region = torch.zeros(8, 8, dtype=torch.bool)
    region[4, 4] = True
    map_ = Gradient(RegionScore(segmenter, region)).attribute(torch.rand(1, 1, 8, 8), 0)[0, 0]
    assert map_[3:6, 3:6].any()
    map_[3:6, 3:6] = 0
    assert not map_.any()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_explains_a_segmentation(method, segmenter):
    region = torch.ones(8, 8, dtype=torch.bool)
    segmenter.out.weight.data.abs_()
    maps = method(RegionScore(segmenter, region)).attribute(torch.rand(2, 1, 8, 8), 1)
    assert maps.shape == (2, 1, 8, 8)
    assert maps.any()


def test_a_region_or_an_output_of_another_kind_is_refused(segmenter, small):
    images = torch.rand(1, 1, 16, 16)
    for region in (torch.ones(8, 8), torch.zeros(8, 8, dtype=torch.bool), torch.ones(1, 8, 8).bool()):
        with pytest.raises(ModelError, match="region"):
            RegionScore(segmenter, region)
    with pytest.raises(ModelError, match="as the logits"):
        RegionScore(segmenter, torch.ones(8, 8).bool())(images)
    with pytest.raises(ModelError, match=r"logits \(B, K, h, w\)"):
        RegionScore(small)(images)

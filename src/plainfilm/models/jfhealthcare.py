"""JF Healthcare's CheXpert classifier (Ye et al., arXiv:2005.14480), as torchxrayvision publishes it.

A DenseNet-121 whose feature map passes through feature pyramid attention (Li et al., arXiv:1805.10180)
once for the first finding, twice for the second, and so on; each finding then has its own pooling by
mean and maximum, batch norm and weights. The published file holds a state dict; the channel and spatial
attention and the ImageNet classifier in it are used by nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plainfilm.io.checkpoint import load_strictly
from plainfilm.io.state_dict import read_state_dict
from plainfilm.models.classifier import Classifier
from plainfilm.models.densenet import densenet121
from plainfilm.models.spec import InputSpec

TARGETS = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Effusion")

SPEC = InputSpec(512, -2.0, 2.0, 3)
"""torchxrayvision's range, -1024 to 1024, over 512."""

CHANNELS = 1024
"""Of the feature map of a DenseNet-121."""

MARK = "attention_map.pyramid_attention.mid_branch.conv.0.weight"
UNUSED = ("backbone.classifier.", "attention_map.channel_attention.", "attention_map.spatial_attention.")


class JFHealthcare(nn.Module):
    """Maps images ``(B, 3, 512, 512)`` in [-2, 2] to logits ``(B, 5)`` in the order of ``TARGETS``."""

    def __init__(self) -> None:
        super().__init__()
        backbone = densenet121(1, in_channels=3)
        self.features, self.relu5 = backbone.features, backbone.relu5
        self.attention = PyramidAttention()
        self.heads = nn.ModuleList(Head() for _ in TARGETS)

    def forward(self, images: Tensor) -> Tensor:
        found, logits = self.relu5(self.features(images)), []
        for head in self.heads:
            found = self.attention(found)
            logits.append(head(found))
        return torch.cat(logits, 1)


class PyramidAttention(nn.Module):
    """Weights a feature map by what it shows on three coarser scales, and adds its mean; shape stays."""

    def __init__(self) -> None:
        super().__init__()
        self.gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), _block(CHANNELS, CHANNELS, 1))
        self.mid = _block(CHANNELS, CHANNELS, 1)
        self.down = nn.ModuleList([_block(CHANNELS, 1, 7, 2), _block(1, 1, 5, 2), _block(1, 1, 3, 2)])
        self.scale = nn.ModuleList([_block(1, 1, 7), _block(1, 1, 5), _block(1, 1, 3)])

    def forward(self, features: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        coarse, below = [], features
        for down in self.down:
            below = down(below)
            coarse.append(below)
        weight = torch.zeros_like(coarse[-1])
        for level in (2, 1, 0):
            size = (height // 2**level, width // 2**level)
            weight = _resized(self.scale[level](coarse[level]) + weight, size)
        return weight * self.mid(features) + _resized(self.gap(features), (height, width))


class Head(nn.Module):
    """One finding: mean and maximum of every channel, batch norm, weights; ``(B, C, h, w)`` to ``(B, 1)``."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.largest = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.norm = nn.BatchNorm2d(2 * CHANNELS)
        self.fc = nn.Conv2d(2 * CHANNELS, 1, kernel_size=1)
        self.flatten = nn.Flatten()

    def forward(self, features: Tensor) -> Tensor:
        pooled = torch.cat([self.mean(features), self.largest(features)], 1)
        return self.flatten(self.fc(self.norm(pooled)))


def load_jfhealthcare(path: Path) -> Classifier:
    """The classifier from its published file, a state dict; nothing in it is run.

    Raises:
        ArtifactError: if the file is refused (``read_state_dict``) or holds another network.
    """
    return from_tensors(read_state_dict(path), path.name)


def is_jfhealthcare(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has the pyramid attention of this network."""
    return any(name.endswith(MARK) for name in tensors)


def from_tensors(tensors: Mapping[str, Tensor], where: str) -> Classifier:
    """The classifier with the weights of a published state dict; errors as ``load_jfhealthcare``."""
    named = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    weights = {_renamed(name): tensor for name, tensor in named.items() if not name.startswith(UNUSED)}
    network = JFHealthcare()
    load_strictly(network, weights, where)
    return Classifier(network.eval(), TARGETS, SPEC, card={"name": "jfhealthcare", "source": where})


RENAMED = (
    (r"^backbone\.features\.", "features."),
    (r"^attention_map\.pyramid_attention\.", "attention."),
    (r"^attention\.gap_branch\.1\.conv\.", "attention.gap.1."),
    (r"^attention\.mid_branch\.conv\.", "attention.mid."),
    *((rf"^attention\.downsample{n + 1}\.conv\.", f"attention.down.{n}.") for n in range(3)),
    *((rf"^attention\.scale{n + 1}\.conv\.", f"attention.scale.{n}.") for n in range(3)),
    (r"^fc_(\d)\.", r"heads.\1.fc."),
    (r"^bn_(\d)\.", r"heads.\1.norm."),
)
"""Their names to ours, one after the other."""


def _renamed(name: str) -> str:
    for pattern, ours in RENAMED:
        name = re.sub(pattern, ours, name)
    return name


def _block(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())


def _resized(features: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(features, size, mode="bilinear", align_corners=False)

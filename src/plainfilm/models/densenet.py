"""DenseNet (Huang et al., CVPR 2017) built of modules alone, for networks that will be explained.

torchvision's and torchxrayvision's DenseNets end in a functional in-place ReLU and a functional
pooling, which hooks cannot see and which overwrite the feature map that they recorded. Here every
operation but the concatenation is a module of its own and none works in place. The names of the
parameters are torchvision's, so state dicts pass between all three.

Two layers carry the last feature map: ``features.norm5`` before and ``relu5`` after its ReLU.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from plainfilm.errors import ModelError


class DenseLayer(nn.Module):
    """Appends ``growth_rate`` channels: ``(B, C, h, w)`` to ``(B, C + growth_rate, h, w)``."""

    def __init__(self, channels: int, growth_rate: int, bottleneck: int) -> None:
        super().__init__()
        width = bottleneck * growth_rate
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(channels, width, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        squeezed = self.conv1(self.relu1(self.norm1(features)))
        grown = self.conv2(self.relu2(self.norm2(squeezed)))
        return torch.cat([features, grown], dim=1)


class DenseNet(nn.Module):
    """A DenseNet that maps images ``(B, in_channels, H, W)`` to logits ``(B, num_classes)``.

    Args:
        num_classes: Number of outputs.
        in_channels: Channels of the input; 1 for radiographs, 3 for ImageNet weights.
        growth_rate: Channels that each dense layer adds.
        block_config: Dense layers in each block; each block but the last is followed by a
            transition that halves channels, height and width.
        num_init_features: Channels after the first convolution.
        bottleneck: Width of the 1 x 1 convolution in a dense layer, in growth rates.

    Raises:
        ModelError: if a size is below 1.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 1,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bottleneck: int = 4,
    ) -> None:
        super().__init__()
        sizes = (num_classes, in_channels, growth_rate, *block_config, num_init_features, bottleneck)
        if not block_config or min(sizes) < 1:
            raise ModelError(f"sizes {sizes}", "at least one block and every size 1 or more", "DenseNet")
        self.arguments = {
            "num_classes": num_classes,
            "in_channels": in_channels,
            "growth_rate": growth_rate,
            "block_config": tuple(block_config),
            "num_init_features": num_init_features,
            "bottleneck": bottleneck,
        }
        width, layers = _layers(in_channels, growth_rate, block_config, num_init_features, bottleneck)
        self.features = nn.Sequential(layers)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(width, num_classes)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.flatten(self.pool5(self.relu5(self.features(images)))))


def densenet121(num_classes: int, in_channels: int = 1) -> DenseNet:
    """DenseNet-121, 7.0 M parameters: the network of CheXNet, torchxrayvision and CheXpert."""
    return DenseNet(num_classes, in_channels)


def densenet_slim(num_classes: int, in_channels: int = 1) -> DenseNet:
    """A DenseNet of 0.7 M parameters, small enough to ship and to train on one core."""
    return DenseNet(num_classes, in_channels, 16, block_config=(4, 8, 12, 8), num_init_features=32)


def _layers(
    in_channels: int, growth_rate: int, block_config: tuple[int, ...], channels: int, bottleneck: int
) -> tuple[int, OrderedDict[str, nn.Module]]:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv0=nn.Conv2d(in_channels, channels, kernel_size=7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(channels),
        relu0=nn.ReLU(),
        pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )
    for number, depth in enumerate(block_config, start=1):
        if number > 1:
            layers[f"transition{number - 1}"] = _transition(channels)
            channels //= 2
        layers[f"denseblock{number}"] = _block(channels, growth_rate, depth, bottleneck)
        channels += depth * growth_rate
    layers["norm5"] = nn.BatchNorm2d(channels)
    return channels, layers


def _block(channels: int, growth_rate: int, depth: int, bottleneck: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            (f"denselayer{i + 1}", DenseLayer(channels + i * growth_rate, growth_rate, bottleneck))
            for i in range(depth)
        )
    )


def _transition(channels: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(channels),
            relu=nn.ReLU(),
            conv=nn.Conv2d(channels, channels // 2, kernel_size=1, bias=False),
            pool=nn.AvgPool2d(kernel_size=2),
        )
    )


def _initialise(module: nn.Module) -> None:
    """The initialisation of torchvision; batch norms start at weight 1 and bias 0 by themselves."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)

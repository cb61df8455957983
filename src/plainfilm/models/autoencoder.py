"""The convolutional autoencoder of Latent Shift (Cohen et al., MIDL 2021), built of modules alone.

Residual bottlenecks lead a film down to a small grid of non-negative codes, and back. The names of the
parameters are those of ``torchxrayvision.autoencoders.ResNetAE``, so state dicts pass between the two; the
block's third ReLU, before the shortcut is added, is unusual and belongs to its weights.

``smooth`` blocks have no such ReLU, which lets a residual only add, and enlarge by interpolation, which
transposed convolutions do in checkerboards (Odena et al. 2016). Of the same size they learn several times
as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plainfilm.errors import ModelError, NumericError
from plainfilm.models.device import device_of
from plainfilm.models.spec import InputSpec

DEEPENING, RISING = 4, 2
"""A block's output channels in units of its planes: 4, but 2 where a decoder's stage enlarges."""


class Thinned(nn.Conv2d):
    """A strided 1 x 1 convolution.

    The library's own corrupts memory in its backward pass over channels-last tensors on a processor (torch
    2.15, seen at 8 and 12 channels) and ends the process. Leaving out cells first gives the same numbers.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__(channels, out, kernel_size=1, bias=False)
        self.step = stride

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features[..., :: self.step, :: self.step])


class Spread(nn.ConvTranspose2d):
    """The transpose of ``Thinned``: cells ``stride`` apart with zeros between, ``rest`` after the last."""

    def __init__(self, channels: int, out: int, stride: int, rest: int) -> None:
        super().__init__(channels, out, kernel_size=1, bias=False)
        self.step, self.rest = stride, rest

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        mixed = super().forward(features)
        height, width = (_grown(side, self.step, self.rest) for side in mixed.shape[-2:])
        spread = mixed.new_zeros(*mixed.shape[:2], height, width).to(memory_format=_format(mixed))
        spread[..., :: self.step, :: self.step] = mixed
        return spread


class Enlarged(nn.Module):
    """Bilinear interpolation to the grid that ``Spread`` gives."""

    def __init__(self, stride: int, rest: int) -> None:
        super().__init__()
        self.step, self.rest = stride, rest

    def forward(self, features: Tensor) -> Tensor:
        sides = [_grown(side, self.step, self.rest) for side in features.shape[-2:]]
        return F.interpolate(features, size=sides, mode="bilinear", align_corners=False)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut: ``(B, channels, h, w)`` to ``(B, out, h', w')``.

    Args:
        channels: Of the input.
        planes: Of the 3 x 3 convolution.
        out: Of the output.
        stride: The grid shrinks, or grows, by this factor.
        rest: None where the grid shrinks; where it grows, the rows and columns above ``(h - 1) stride + 1``
            that it had before it was shrunk.
        smooth: Without the third ReLU, and enlarging by interpolation.
    """

    def __init__(
        self,
        channels: int,
        planes: int,
        out: int,
        stride: int = 1,
        rest: int | None = None,
        smooth: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu1 = nn.ReLU()
        self.conv2 = _convolution(planes, stride, rest, smooth)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(planes, out, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu3 = nn.Identity() if smooth else nn.ReLU()
        self.shortcut = "downsample" if rest is None else "upsample"
        if stride != 1 or channels != out:
            resampling = _resampling(channels, out, stride, rest, smooth)
            self.add_module(self.shortcut, nn.Sequential(resampling, nn.BatchNorm2d(out)))
        else:
            self.add_module(self.shortcut, nn.Identity())
            if smooth:  # the block begins as its shortcut (Goyal et al. 2017)
                nn.init.zeros_(self.bn3.weight)
        self.relu4 = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        squeezed = self.relu1(self.bn1(self.conv1(features)))
        moved = self.relu2(self.bn2(self.conv2(squeezed)))
        widened = self.relu3(self.bn3(self.conv3(moved)))
        return self.relu4(widened + getattr(self, self.shortcut)(features))


class Autoencoder(nn.Module):
    """Maps images ``(B, 1, size, size)`` to codes ``(B, C, h, w)``, all at least 0, and back.

    ``C`` is four times the planes of the last stage. The grid is a quarter of ``size`` (the first
    convolution and the pooling), divided by the strides.

    Args:
        size: Height and width of the films.
        low: Value that black (0) becomes; -1024 for torchxrayvision's weights.
        high: Value that white (1) becomes; 1024 for them.
        blocks: Blocks of each stage of the encoder; the decoder has them in reverse.
        planes: Width of each stage of the encoder, a fourth of its channels.
        strides: Factor by which each stage's first block shrinks the grid.
        up_planes: Width of each stage of the decoder, from the codes on; by default each half as wide as the
            one before, from the planes of the last stage.
        stem: Channels of the first convolution.
        top: Channels at full size, before the last convolution.
        smooth: Blocks without a ReLU before the sum, enlarging by interpolation; torchxrayvision's weights
            are of the others.

    Attributes:
        arguments: Those it was built with.
        spec: The input.
        latent: ``(C, h, w)`` of the codes.
        card: Where the weights came from: recipe, data, metrics and the like.

    Raises:
        ModelError: for a size below 1, an impossible range, or stages that do not go together.
    """

    def __init__(
        self,
        size: int = 224,
        low: float = -1024.0,
        high: float = 1024.0,
        blocks: Sequence[int] = (3, 4, 23, 2),
        planes: Sequence[int] = (64, 128, 256, 128),
        strides: Sequence[int] = (1, 2, 2, 6),
        up_planes: Sequence[int] | None = None,
        stem: int = 64,
        top: int = 64,
        smooth: bool = False,
    ) -> None:
        super().__init__()
        up_planes = tuple(planes[-1] >> k for k in range(len(planes))) if up_planes is None else up_planes
        self.spec = InputSpec(size, low, high, 1)
        self.arguments: dict[str, Any] = {
            "size": size, "low": low, "high": high, "blocks": tuple(blocks), "planes": tuple(planes),
            "strides": tuple(strides), "up_planes": tuple(up_planes), "stem": stem, "top": top,
            "smooth": smooth,
        }  # fmt: skip
        self.card: dict[str, Any] = {}
        _check(self.arguments)
        half, quarter = _shrunk(size, 2), _shrunk(_shrunk(size, 2), 2)
        self.conv1 = nn.Conv2d(1, stem, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        grids, channels = [quarter], stem
        for number, (depth, width, stride) in enumerate(zip(blocks, planes, strides, strict=True), start=1):
            self.add_module(f"layer{number}", _down(channels, width, depth, stride, smooth))
            channels = DEEPENING * width
            grids.append(_shrunk(grids[-1], stride))
        self.latent = (channels, grids[-1], grids[-1])
        # The pooling and the first stage, which follows it, are undone together.
        targets = [*grids[-2:0:-1], half]
        ups = (*tuple(strides)[:0:-1], 2 * strides[0])
        sources = grids[:0:-1]
        stages = zip(reversed(blocks), up_planes, ups, sources, targets, strict=True)
        for number, (depth, width, stride, source, target) in enumerate(stages, start=1):
            rest = _rest(source, target, stride)
            self.add_module(f"uplayer{number}", _up(channels, width, depth, stride, rest, smooth))
            channels = RISING * width
        self.uplayer_top = Bottleneck(channels, top, top, 2, _rest(half, size, 2), smooth)
        self.conv1_1 = nn.ConvTranspose2d(top, 1, kernel_size=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """The reconstruction of images: the same shape and range."""
        return self.decode(self.encode(images))

    def encode(self, images: Tensor) -> Tensor:
        """Codes ``(B, C, h, w)`` of images ``(B, 1, size, size)`` in the range of ``spec``.

        Raises:
            ModelError: for images of another size or range (``InputSpec.check``).
            NumericError: for images that are not finite.
        """
        self.spec.check(images)
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for number in range(1, len(self.arguments["blocks"]) + 1):
            features = getattr(self, f"layer{number}")(features)
        return features

    def decode(self, codes: Tensor) -> Tensor:
        """Images ``(B, 1, size, size)`` of codes ``(B, C, h, w)``, about in the range of ``spec``.

        Raises:
            ModelError: for codes of another shape.
            NumericError: for codes that are not finite.
        """
        _check_codes(codes, self.latent)
        features = codes
        for number in range(1, len(self.arguments["blocks"]) + 1):
            features = getattr(self, f"uplayer{number}")(features)
        return self.conv1_1(self.uplayer_top(features))

    @property
    def device(self) -> torch.device:
        """Where the network lies (``device_of``)."""
        return device_of(self)


def autoencoder101(
    size: int = 224, latent: tuple[int, int] | None = None, low: float = -1024.0, high: float = 1024.0
) -> Autoencoder:
    """The paper's network, "101-elastic": 31.1 M parameters, codes of 512 x 3 x 3 at 224 pixels.

    Args:
        size: As for ``Autoencoder``; so are ``low`` and ``high``.
        latent: Planes (a fourth of the code's channels) and stride of the last stage; (128, 6) by default.
            The sizes of the paper's comparison at 224 pixels are 2048 by (128, 12), 4608 by (128, 6),
            6272 by (32, 2) and 25088 by (128, 2).
    """
    return _preset((3, 4, 23, 2), latent or (128, 6), size=size, low=low, high=high)


def autoencoder50(
    size: int = 224, latent: tuple[int, int] | None = None, low: float = -1024.0, high: float = 1024.0
) -> Autoencoder:
    """The shallower one, 11.5 M parameters; arguments as ``autoencoder101``."""
    return _preset((3, 4, 6, 3), latent or (128, 6), size=size, low=low, high=high)


def autoencoder152(
    size: int = 224, latent: tuple[int, int] | None = None, low: float = -1024.0, high: float = 1024.0
) -> Autoencoder:
    """The deeper one; arguments as ``autoencoder101``."""
    return _preset((3, 8, 36, 3), latent or (128, 6), size=size, low=low, high=high)


def autoencoder_slim(
    size: int = 224, latent: tuple[int, int] | None = None, low: float = 0.0, high: float = 1.0
) -> Autoencoder:
    """Small enough to ship and to train on one core: smooth, codes of 128 x 7 x 7, for films in [0, 1]."""
    planes, stride = latent or (32, 2)
    return Autoencoder(
        size, low, high, blocks=(1, 2, 2, 2), planes=(16, 32, 48, planes), strides=(1, 2, 2, stride),
        up_planes=(48, 32, 16, 8), stem=16, top=8, smooth=True,
    )  # fmt: skip


def _preset(blocks: tuple[int, ...], latent: tuple[int, int], **place: Any) -> Autoencoder:
    planes, stride = latent
    # The decoder keeps its width whatever the code.
    return Autoencoder(
        blocks=blocks, planes=(64, 128, 256, planes), strides=(1, 2, 2, stride), up_planes=(128, 64, 32, 16),
        **place,
    )  # fmt: skip


def _down(channels: int, planes: int, depth: int, stride: int, smooth: bool) -> nn.Sequential:
    out = DEEPENING * planes
    first = Bottleneck(channels, planes, out, stride, smooth=smooth)
    return nn.Sequential(first, *(Bottleneck(out, planes, out, smooth=smooth) for _ in range(depth - 1)))


def _up(channels: int, planes: int, depth: int, stride: int, rest: int, smooth: bool) -> nn.Sequential:
    out = DEEPENING * planes
    inputs = [channels, *[out] * (depth - 1)]
    flat = [Bottleneck(each, planes, out, 1, 0, smooth) for each in inputs[:-1]]
    return nn.Sequential(*flat, Bottleneck(inputs[-1], planes, RISING * planes, stride, rest, smooth))


def _convolution(planes: int, stride: int, rest: int | None, smooth: bool) -> nn.Module:
    """A 3 x 3 convolution that shrinks the grid, or one that makes it grow."""
    if rest is None or stride == 1:
        return nn.Conv2d(planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
    if smooth:
        return nn.Sequential(Enlarged(stride, rest), _convolution(planes, 1, None, smooth))
    return nn.ConvTranspose2d(planes, planes, 3, stride, padding=1, output_padding=rest, bias=False)


def _resampling(channels: int, out: int, stride: int, rest: int | None, smooth: bool) -> nn.Module:
    """What brings a block's input to the grid and the channels of its output."""
    if rest is None:
        return Thinned(channels, out, stride)
    if not smooth:
        return Spread(channels, out, stride, rest)
    mixing = nn.Conv2d(channels, out, kernel_size=1, bias=False)
    return mixing if stride == 1 else nn.Sequential(mixing, Enlarged(stride, rest))


def _format(features: Tensor) -> torch.memory_format:
    last = features.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _shrunk(size: int, stride: int) -> int:
    return (size - 1) // stride + 1


def _grown(size: int, stride: int, rest: int) -> int:
    return (size - 1) * stride + 1 + rest


def _rest(source: int, target: int, stride: int) -> int:
    """What a transposed convolution must add to come back from ``source`` to ``target`` cells."""
    return target - _grown(source, stride, 0)


def _check(arguments: dict[str, Any]) -> None:
    groups = [arguments[name] for name in ("blocks", "planes", "strides", "up_planes")]
    sizes = [arguments["stem"], arguments["top"], *(size for group in groups for size in group)]
    if len({len(group) for group in groups}) != 1 or not groups[0] or min(sizes) < 1:
        raise ModelError(
            f"{arguments}", "as many planes, strides and up_planes as blocks, all 1 or more", "Autoencoder"
        )


def _check_codes(codes: Tensor, latent: tuple[int, int, int]) -> None:
    if codes.ndim != 4 or codes.shape[1:] != latent or not len(codes):
        raise ModelError(
            f"codes of shape {tuple(codes.shape)}", f"(B, {', '.join(map(str, latent))})",
            "Autoencoder.decode",
        )  # fmt: skip
    if not torch.isfinite(codes).all():
        raise NumericError("codes with NaN or infinite values", "finite codes", "Autoencoder.decode")

"""Networks to explain, and a check that one was returned as found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
import torchxrayvision as xrv
from torch import Tensor, nn

from plainfilm.attribution.counterfactual import Counterfactual
from plainfilm.attribution.latent_search import Stop

torch.set_num_threads(1)


class Small(nn.Module):
    """Convolutions, batch norm, a functional in-place ReLU and a ReLU module that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = self.relu(self.norm(self.first(images)))
        features = self.relu(self.second(features))
        return self.head(F.relu(features - 0.1, inplace=True).mean((2, 3)))


class Pooled(nn.Module):
    """An autoencoder whose latent is the film in blocks of four pixels, and which is not quite faithful."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.9))

    def encode(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images, 4)

    def decode(self, latents: Tensor) -> Tensor:
        return self.gain * F.interpolate(latents, scale_factor=4, mode="bilinear", align_corners=False)


def randomised(network: nn.Module) -> nn.Module:
    """Batch norms with statistics that matter, as training would leave them."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture
def small() -> nn.Module:
    torch.manual_seed(0)
    return randomised(Small())


@pytest.fixture
def pooled() -> nn.Module:
    return Pooled().eval()


@pytest.fixture
def made() -> Callable[..., Counterfactual]:
    """A counterfactual of noise."""

    def make(frames=5, stop=(Stop.DROP, Stop.RISE), kappa=0.01):
        draws = torch.Generator().manual_seed(0)
        films = torch.rand(frames, 1, 12, 10, generator=draws)
        image, middle = torch.rand(2, 1, 12, 10, generator=draws)
        lambdas, predictions = np.linspace(-40, 5, frames), np.linspace(0.2, 0.9, frames)
        return Counterfactual(
            image, middle, lambdas, films, predictions, 0.8, 0.75, (-40.0, 5.0), stop, kappa, (0.0, 1.0), 20,
            "Mass",
        )  # fmt: skip

    return make


@pytest.fixture
def transformer() -> nn.Module:
    """torchvision's, small, with a class token and a head that is not zero."""
    torch.manual_seed(0)
    network = torchvision.models.VisionTransformer(32, 8, 3, 2, 24, 48, num_classes=3).eval()
    nn.init.normal_(network.heads.head.weight)
    return network


@pytest.fixture(params=["torchvision", "torchxrayvision"])
def densenet(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    """A public DenseNet-121 as it ships, with its functional in-place end, and images."""
    torch.manual_seed(1)
    if request.param == "torchvision":
        return randomised(torchvision.models.densenet121(weights=None, num_classes=5)), torch.randn(
            2, 3, 96, 96
        )
    return randomised(xrv.models.DenseNet(num_classes=5)), torch.randn(2, 1, 96, 96)


def fingerprint(network: nn.Module) -> str:
    """Everything of a network that a probe might change, as one hash."""
    parts: list[str] = []
    for name, module in network.named_modules():
        hooks = [len(value) for key, value in vars(module).items() if "hooks" in key and value is not None]
        parts.append(f"{name} {module.training} {hooks}")
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        raw = hashlib.sha256(tensor.detach().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
        grad = None if tensor.grad is None else tensor.grad.sum().item()
        parts.append(f"{name} {tensor.dtype} {tensor.requires_grad} {tensor.data_ptr()} {raw} {grad}")
    random_state = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()
    return "\n".join([*parts, random_state])


@pytest.fixture
def returned_as_found() -> Callable[[nn.Module, Callable[[], object]], None]:
    def check(network: nn.Module, run: Callable[[], object]) -> None:
        before = fingerprint(network)
        try:
            run()
        finally:
            assert fingerprint(network) == before

    return check

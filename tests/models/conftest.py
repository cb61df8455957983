"""Networks with random weights and, so that a misplaced norm shows, random batch statistics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from plainfilm.models.classifier import Classifier
from plainfilm.models.densenet import DenseNet
from plainfilm.models.spec import InputSpec


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def randomise() -> Callable[[nn.Module], nn.Module]:
    def apply(network: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.bias, module.running_mean):
                    nn.init.normal_(tensor, std=0.3, generator=generator)
                for tensor in (module.weight, module.running_var):
                    nn.init.uniform_(tensor, 0.5, 2.0, generator=generator)
        return network.eval()

    return apply


@pytest.fixture
def tiny(randomise: Callable[[nn.Module], nn.Module]) -> Classifier:
    """A classifier small enough for kilobyte-sized fixtures."""
    torch.manual_seed(0)
    network = randomise(DenseNet(3, 1, 4, block_config=(1, 2), num_init_features=4, bottleneck=2))
    return Classifier(
        network, ("Mass", "Nodule", "Edema"), InputSpec(32), card={"seed": 0}, operating_points={"Mass": 0.3}
    )

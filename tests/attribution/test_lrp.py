from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from plainfilm.attribution import LRP
from plainfilm.attribution.explain import explain
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import ModelError
from plainfilm.models.densenet import DenseNet, densenet121
from plainfilm.models.zoo import load


def with_statistics(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def zennit_map(network: nn.Module, images: Tensor, targets: list[int], canonizer: str = "") -> Tensor:
    """The relevance of zennit's EpsilonPlusFlat, summed over channels."""
    pytest.importorskip("zennit")
    import zennit.torchvision
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlusFlat

    canonizers = [getattr(zennit.torchvision, canonizer)()] if canonizer else []
    with Gradient(network, EpsilonPlusFlat(canonizers=canonizers)) as attributor:
        _, relevance = attributor(images, lambda out: out * F.one_hot(torch.tensor(targets), out.shape[1]))
    return relevance.sum(1, keepdim=True)


def close(ours: Tensor, expected: Tensor, share: float = 1e-5) -> None:
    torch.testing.assert_close(ours, expected, rtol=0, atol=share * expected.abs().max().item())


def vgg() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(12 * 16, 20), nn.ReLU(), nn.Linear(20, 3),
    )  # fmt: skip


NETWORKS = {
    "a small VGG": (vgg, (1, 16, 16), ""),
    "a small DenseNet": (lambda: DenseNet(3, 1, 8, (2, 3, 2), 12), (1, 32, 32), ""),
    "a ResNet-18": (
        lambda: torchvision.models.resnet18(weights=None, num_classes=3),
        (3, 32, 32),
        "ResNetBasicBlockCanonizer",
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_zennit_where_sums_are_signed(name):
    torch.manual_seed(1)
    build, size, canonizer = NETWORKS[name]
    network = with_statistics(build()).double()
    images, targets = torch.randn(2, *size, dtype=torch.float64), [2, 0]
    expected = zennit_map(network, images, targets, canonizer)
    close(LRP(network, signed_sums=True).attribute(images, targets), expected)


def test_agrees_with_zennit_on_densenet_121():
    torch.manual_seed(2)
    network = with_statistics(densenet121(5)).double()
    images = torch.randn(2, 1, 64, 64, dtype=torch.float64)
    expected = zennit_map(network, images, [0, 3])
    close(LRP(network, signed_sums=True).attribute(images, [0, 3]), expected)


def test_functional_in_place_and_reused_operations_change_nothing(densenet):
    network, images = densenet
    twin = densenet121(5, images.shape[1]).eval()
    twin.load_state_dict(network.state_dict(), strict=True)
    images = images.double()
    expected = LRP(twin.double()).attribute(images, [0, 3])
    close(LRP(network.double()).attribute(images, [0, 3]), expected)


def test_conserves_relevance_on_public_densenets(densenet):
    network, images = densenet
    kept = LRP(network).conservation(images, [0, 3])
    assert (kept.lost.abs() < 5e-5 * kept.score.abs()).all()
    maps = LRP(network).attribute(images, [0, 3])
    torch.testing.assert_close(maps.sum((1, 2, 3)), kept.relevance, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_conserves_relevance_on_resnets(architecture, signed):
    torch.manual_seed(3)
    network = with_statistics(getattr(torchvision.models, architecture)(weights=None, num_classes=4))
    kept = LRP(network, signed_sums=signed).conservation(torch.randn(2, 3, 64, 64), 1)
    # Units of a ResNet answer more weakly, and epsilon takes its part.
    assert (kept.lost.abs() < 5e-5 * kept.score.abs()).all()
    assert (kept.biases != 0).all()


def test_conserves_relevance_on_the_shipped_classifier():
    model = load("phantom")
    study = Phantom(1, 224, seed=2).study(0, findings=["Effusion"])
    image, _ = model.prepare(study.radiograph)
    kept = LRP(model.network).conservation(image, model.index("Effusion"))
    # Trained units may answer where nothing came in; their part belongs to no pixel.
    assert (kept.lost.abs() < 2e-3 * kept.score.abs()).all()


def test_signed_sums_of_values_that_cancel_blow_up_and_magnitudes_do_not():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AvgPool2d(2), nn.Flatten())
    network[0].weight.data.fill_(1.0)
    image = torch.tensor([[1.0, -1.0], [1.0, -0.99]])[None, None]
    signed, weighed = (LRP(network, signed_sums=flag).attribute(image, 0) for flag in (True, False))
    score = network(image).item()
    assert signed.sum().item() == pytest.approx(score, rel=1e-3)
    assert weighed.sum().item() == pytest.approx(score, rel=1e-3)
    assert signed.abs().sum().item() > 100 * score
    assert weighed.abs().sum().item() == pytest.approx(score, rel=1e-3)


def test_batches_and_chunks_change_nothing(small):
    images, targets = torch.rand(4, 1, 16, 16), [2, 0, 1, 0]
    batch = LRP(small).conservation(images, targets)
    little = LRP(small, memory=1e-6).conservation(images, targets)
    torch.testing.assert_close(batch.relevance, little.relevance)
    torch.testing.assert_close(batch.biases, little.biases)
    singles = [LRP(small).attribute(image[None], t) for image, t in zip(images, targets, strict=True)]
    torch.testing.assert_close(
        LRP(small).attribute(images, targets), torch.cat(singles), rtol=1e-4, atol=1e-7
    )


def test_a_network_in_double_precision_gives_a_map_in_double_precision(small):
    assert LRP(small.double()).attribute(torch.rand(1, 1, 8, 8), 0).dtype == torch.float64


def test_an_operation_without_a_rule_is_named():
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.gate = nn.Conv2d(1, 3, 3), nn.Conv2d(1, 3, 3)

        def forward(self, images):
            return (self.stem(images) * self.gate(images).sigmoid()).mean((2, 3))

    with pytest.raises(ModelError, match="'Mul'"):
        LRP(Gated()).attribute(torch.rand(1, 1, 8, 8), 0)


def test_constants_are_passed_over():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(1, 3, 3, bias=False)

        def forward(self, images):
            features = self.stem((images - 0.5) / 0.25)
            features *= 2
            return (1 + features).mean((2, 3))

    torch.manual_seed(5)
    network, images = Scaled(), torch.rand(2, 1, 8, 8)
    kept = LRP(network).conservation(images, 1)
    torch.testing.assert_close(kept.relevance, kept.score, rtol=1e-4, atol=1e-6)


def test_a_score_that_ignores_the_image_gives_a_flat_map():
    class Constant(nn.Module):
        def forward(self, images):
            return torch.ones(len(images), 2)

    assert not LRP(Constant()).attribute(torch.rand(2, 1, 8, 8), 0).any()


def test_a_flat_film_is_said_to_be_flat():
    explanation = explain(load("phantom"), torch.full((64, 64), 0.5).numpy(), "Mass", method="lrp")
    assert explanation.status == "flat"
    assert not explanation.map.any()


def test_the_network_is_returned_as_found(small, returned_as_found):
    small.train()
    images = torch.rand(2, 1, 8, 8)
    returned_as_found(small, lambda: LRP(small).attribute(images, 1))
    returned_as_found(small, lambda: LRP(small).conservation(images, 1))
    with pytest.raises(ModelError):
        returned_as_found(small, lambda: LRP(small).attribute(images, 7))


@pytest.mark.parametrize("epsilon", [0, -1.0, float("nan"), float("inf"), "small"])
def test_an_impossible_epsilon_is_refused(epsilon, small):
    with pytest.raises(ModelError, match="epsilon"):
        LRP(small, epsilon=epsilon)

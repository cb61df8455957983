from __future__ import annotations

import gc
import weakref

import pytest
import torch
import torchvision
from torch import Tensor, nn

from plainfilm.attribution import GradCAM
from plainfilm.attribution.layer import layer_of
from plainfilm.attribution.probe import probe
from plainfilm.errors import ModelError
from plainfilm.models.densenet import densenet121


def found(network: nn.Module, image: Tensor, layer: str | nn.Module | None = None) -> str:
    with probe(network):
        module, _ = layer_of(network, layer, image)
    return next(name for name, each in network.named_modules() if each is module)


class Block(nn.Module):
    """A transformer block as timm writes it, its attention made of plain linear layers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.q_norm, self.attn_drop = (
            nn.Linear(width, 3 * width),
            nn.LayerNorm(width // heads),
            nn.Dropout(),
        )
        self.proj = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in self.qkv(self.norm1(tokens)).chunk(3, 2)
        )
        attention = self.attn_drop((self.q_norm(q) @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1))
        tokens = tokens + self.proj((attention @ v).transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm2(tokens))


class Transformer(nn.Module):
    """A vision transformer with registers in front or behind; no convolution cuts its patches."""

    def __init__(self, pool: str = "class", registers: int = 4, behind: bool = False, patch: int = 8) -> None:
        super().__init__()
        self.pool, self.behind, self.patch, width = pool, behind, patch, 32
        self.patches = nn.Linear(patch**2, width)
        self.extra = nn.Parameter(torch.randn(1, 1 + registers, width))
        self.place = nn.Parameter(torch.randn(1, 64, width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(self, images: Tensor) -> Tensor:
        size = self.patch
        cut = images.unfold(2, size, size).unfold(3, size, size).flatten(4).flatten(2, 3)[:, 0]
        tokens = self.patches(cut)
        tokens = tokens + self.place[:, : tokens.shape[1]]
        extra = self.extra.expand(len(images), -1, -1)
        tokens = torch.cat([tokens, extra] if self.behind else [extra, tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return self.head(tokens[:, -1 if self.behind else 0] if self.pool == "class" else tokens.mean(1))


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("size", [(32, 32), (40, 24)])
def test_registers_are_told_from_patches_in_front_and_behind(behind, size):
    torch.manual_seed(0)
    network, image = Transformer(behind=behind).eval(), torch.rand(1, 1, *size)
    with probe(network):
        layer, layout = layer_of(network, None, image)
    assert layer is network.blocks[-1].norm1
    assert (layout.kind, layout.grid) == ("tokens", (size[0] // 8, size[1] // 8))
    assert layout.front == (0 if behind else 5)


def test_where_all_tokens_are_pooled_the_last_ones_are_taken():
    torch.manual_seed(0)
    assert found(Transformer("mean").eval(), torch.rand(1, 1, 32, 32)) == "norm"


def test_in_torchvisions_transformer_the_last_tokens_that_matter_are_found(transformer):
    assert found(transformer, torch.rand(1, 3, 32, 32)) == "encoder.layers.encoder_layer_2.ln_1"


def test_the_last_feature_map_of_convolutions_is_found():
    resnet = torchvision.models.resnet18(weights=None, num_classes=2).eval()
    assert found(resnet, torch.rand(1, 3, 64, 64)) == "layer4.1"
    assert found(densenet121(2).eval(), torch.rand(1, 1, 64, 64)) == "features.norm5"


@pytest.mark.parametrize("name", ["features.1", "features.1.0.norm1"])
def test_channels_last_are_told_where_a_convolution_returns_the_same_shape(name):
    """As many channels as rows and columns, as in a Swin of 96 channels at 384 px."""
    torch.manual_seed(0)
    swin = torchvision.models.SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], num_classes=3).eval()
    with probe(swin):
        assert layer_of(swin, name, torch.rand(1, 3, 64, 64))[1].kind == "channels last"
        assert layer_of(swin, "features.0.0", torch.rand(1, 3, 64, 64))[1].kind == "channels first"


def test_a_convolutional_block_has_channels_first_with_as_many_channels_as_rows():
    resnet = torchvision.models.resnet18(weights=None, num_classes=2).eval()
    with probe(resnet):
        assert layer_of(resnet, "layer1", torch.rand(1, 3, 256, 256))[1].kind == "channels first"


def test_a_norm_that_is_used_again_behind_the_pooling_is_passed_over():
    torch.manual_seed(0)

    class Shared(Transformer):
        def forward(self, images):
            return self.norm(super().forward(images) @ self.head.weight)

    network, image = Shared("mean").eval(), torch.rand(1, 1, 32, 32)
    assert found(network, image) == "blocks.2"
    with pytest.raises(ModelError, match="cells have no place"):
        found(network, image, "norm")


def test_a_branch_that_the_scores_do_not_rest_on_is_passed_over(small):
    class WithDecoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier, self.decoder = small, nn.Conv2d(1, 1, 3)

        def forward(self, images):
            scores = self.classifier(images)
            self.decoder(images)
            return scores

    assert found(WithDecoder(), torch.rand(1, 1, 16, 16)) == "classifier.second"


def test_it_is_looked_for_once_a_network(small):
    calls = []
    small.register_forward_hook(lambda *call: calls.append(1))
    for film in torch.rand(3, 1, 1, 16, 16):
        GradCAM(small).attribute(film, 0)
    assert len(calls) == 1 + 3


def test_a_head_of_zeros_is_not_remembered(transformer):
    nn.init.zeros_(transformer.heads.head.weight)
    image = torch.rand(1, 3, 32, 32)
    assert not GradCAM(transformer).attribute(image, 0).any()
    nn.init.normal_(transformer.heads.head.weight)
    assert GradCAM(transformer).attribute(image, 0).any()


def test_a_network_is_not_kept_alive(small):
    network = densenet121(2).eval()
    GradCAM(network).attribute(torch.rand(1, 1, 64, 64), 0)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


def test_a_perceptron_is_refused_with_methods_that_apply():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"whose cells have a place.*occlusion"):
        found(network, torch.rand(1, 1, 4, 4))


def test_a_missing_layer_is_answered_with_close_names(small):
    with pytest.raises(ModelError, match=r"'secnd'.*Close: second"):
        found(small, torch.rand(1, 1, 16, 16), "secnd")
    with pytest.raises(ModelError, match="another network"):
        found(small, torch.rand(1, 1, 16, 16), nn.Conv2d(1, 1, 1))
    with pytest.raises(ModelError, match="cells have no place"):
        found(small, torch.rand(1, 1, 16, 16), "head")


def test_an_output_that_is_no_tensor_is_refused(transformer):
    with pytest.raises(ModelError, match="returns no tensor"):
        found(transformer, torch.rand(1, 3, 32, 32), "encoder.layers.encoder_layer_0.self_attention")

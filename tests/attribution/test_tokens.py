from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from plainfilm.attribution.probe import probe
from plainfilm.attribution.tokens import Layout, layouts, proved


class Embedding(nn.Module):
    """Patches, and an arrangement of them; nothing is mixed unless ``mix`` says how much."""

    def __init__(self, arrange, mix: float = 0.0, patch: int = 4, channels: int = 16) -> None:
        super().__init__()
        self.patches, self.out, self.arrange, self.mix = (
            nn.Conv2d(1, channels, patch, patch),
            nn.Identity(),
            arrange,
            mix,
        )

    def forward(self, images: Tensor) -> Tensor:
        cells = self.patches(images)
        cells = (1 - self.mix) * cells + self.mix * cells.mean((2, 3), keepdim=True)
        return self.out(self.arrange(cells))


def layout_of(network: Embedding, size: tuple[int, int] = (16, 24)) -> Layout | None:
    image = torch.rand(1, 1, *size)
    with probe(network), torch.no_grad():
        shape = network(image).shape
        return proved(network, network.out, image, layouts(shape, size))


def row_by_row(cells: Tensor) -> Tensor:
    return cells.flatten(2).transpose(1, 2)


def with_extra(front: int, behind: int):
    def arrange(cells: Tensor) -> Tensor:
        tokens = row_by_row(cells)
        before, after = (tokens.new_ones(len(tokens), n, tokens.shape[2]) for n in (front, behind))
        return torch.cat([before, tokens, after], 1)

    return arrange


@pytest.mark.parametrize("mix", [0.0, 0.5])
@pytest.mark.parametrize(("front", "behind"), [(0, 0), (1, 0), (2, 0), (5, 0), (0, 4), (1, 4)])
def test_tokens_are_placed_row_by_row_and_those_without_place_left_out(front, behind, mix):
    assert layout_of(Embedding(with_extra(front, behind), mix)) == Layout("tokens", (4, 6), front)


@pytest.mark.parametrize("mix", [0.0, 0.5])
def test_channels_are_told_from_rows(mix):
    assert layout_of(Embedding(lambda cells: cells, mix)) == Layout("channels first", (4, 6))
    assert layout_of(Embedding(lambda cells: cells.permute(0, 2, 3, 1), mix)) == Layout(
        "channels last", (4, 6)
    )


@pytest.mark.parametrize("arrange", [lambda cells: cells, lambda cells: cells.permute(0, 2, 3, 1)])
def test_as_many_channels_as_rows_and_columns_are_no_riddle(arrange):
    kind = layout_of(Embedding(arrange, 0.3, channels=6), (24, 24)).kind
    assert kind == ("channels first" if arrange(torch.zeros(1, 9, 6, 6)).shape[1] == 9 else "channels last")


@pytest.mark.parametrize("mix", [0.0, 0.5])
@pytest.mark.parametrize(
    "arrange",
    [
        lambda cells: row_by_row(cells.transpose(2, 3)),
        lambda cells: row_by_row(cells.flip(3)),
        lambda cells: row_by_row(cells.roll(1, 3)),
        lambda cells: row_by_row(cells).roll(1, 1),
        lambda cells: row_by_row(cells)[:, torch.randperm(36, generator=torch.Generator().manual_seed(3))],
    ],
    ids=["column by column", "mirrored", "shifted", "one token on", "shuffled"],
)
def test_cells_in_another_order_are_refused(arrange, mix):
    assert layout_of(Embedding(arrange, mix), (24, 24)) is None


def test_tokens_that_fit_no_grid_are_refused():
    assert {layout.grid for layout in layouts((1, 7, 16), (32, 32))} == {(2, 2)}
    assert layouts((1, 3, 16), (32, 32)) == []
    pool = nn.AdaptiveAvgPool1d(9)
    assert layout_of(Embedding(lambda cells: pool(cells.flatten(2)).transpose(1, 2)), (16, 16)) is None


def test_a_token_that_answers_to_everything_does_not_spoil_the_proof():
    """As the tokens of large norm do that deep transformers keep for themselves."""

    def arrange(cells: Tensor) -> Tensor:
        tokens = row_by_row(cells)
        loud = torch.zeros(tokens.shape[1], 1)
        loud[5] = 50.0
        return tokens + loud * tokens.mean(1, keepdim=True)

    assert layout_of(Embedding(arrange, 0.3), (24, 24)) == Layout("tokens", (6, 6))


def test_a_constant_image_can_be_probed_too():
    network, image = Embedding(row_by_row), torch.full((1, 1, 24, 24), 0.5)
    with probe(network):
        assert proved(network, network.out, image, layouts((1, 36, 16), (24, 24))) == Layout("tokens", (6, 6))


def test_transformers_of_the_usual_sizes_have_one_likeliest_layout():
    assert layouts((1, 197, 768), (224, 224))[0] == Layout("tokens", (14, 14), 1)
    assert layouts((1, 196, 768), (224, 224))[0] == Layout("tokens", (14, 14), 0)
    assert layouts((1, 1374, 384), (518, 518))[0] == Layout("tokens", (37, 37), 5)
    assert layouts((1, 4, 197, 64), (224, 224)) == []


@given(
    st.sampled_from([Layout("channels first"), Layout("channels last", (2, 3)), Layout("tokens", (2, 3), 2)]),
    st.integers(0, 2**31),
)
def test_what_is_put_back_is_what_was_taken(layout, seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"channels first": (2, 5, 2, 3), "channels last": (2, 2, 3, 5), "tokens": (2, 9, 5)}
    output = torch.rand(shapes[layout.kind], generator=generator)
    cells = layout.cells(output)
    assert cells.shape == (2, 5, 2, 3)
    assert torch.equal(layout.put(cells, output), output)
    doubled = layout.put(2 * cells, output)
    assert torch.equal(layout.cells(doubled), 2 * cells)

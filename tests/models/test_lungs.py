from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from plainfilm.datasets.planting import plant
from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import write_checkpoint
from plainfilm.io.read import read
from plainfilm.models.lungs import LungSegmenter, doubts, load_lungs, save_lungs, standardise
from plainfilm.models.unet import UNet
from plainfilm.radiograph import Radiograph


class Dark(nn.Module):
    """Calls lung whatever is clearly darker than the mean of the film."""

    stride = 16

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(-9.0))

    def forward(self, images):
        return self.weight * (images + 0.1)


def two_boxes(height=96, width=120):
    """A film whose lungs are two dark boxes, and the two boxes as masks."""
    right, left = np.zeros((2, height, width), bool)
    right[20:70, 15:50] = True
    left[20:75, 70:105] = True
    return Radiograph(np.where(right | left, 0.2, 0.9)), right, left


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.mark.parametrize("shape", [(96, 120), (200, 120), (97, 301)])
def test_lungs_come_on_the_grid_of_the_film(shape):
    film, right, left = two_boxes(*shape)
    lungs = LungSegmenter(Dark(), 64).segment(film)
    assert lungs.both.shape == shape
    assert dice(lungs.right, right) > 0.85
    assert dice(lungs.left, left) > 0.85
    assert not (lungs.right & lungs.left).any()


def test_the_patients_right_is_at_the_left_of_the_image():
    film, *_ = two_boxes()
    lungs = LungSegmenter(Dark(), 64).segment(film)
    assert np.nonzero(lungs.right)[1].mean() < np.nonzero(lungs.left)[1].mean()


def test_probabilities_are_those_of_the_network():
    network = UNet(width=4, depth=2).eval()
    film = Radiograph(np.random.default_rng(0).random((32, 32)))
    with torch.no_grad():
        pixels = torch.from_numpy(film.pixels)
        expected = network(((pixels - pixels.mean()) / (pixels.std(correction=0) + 1e-3))[None, None])
    found = LungSegmenter(network, 32).probabilities(film)
    np.testing.assert_allclose(found, expected.sigmoid()[0, 0].numpy(), atol=1e-5)


def test_exposure_and_padding_do_not_change_what_the_network_sees():
    film = torch.rand(1, 1, 16, 16)
    padded, on_film = torch.zeros(1, 1, 16, 24), torch.zeros(1, 1, 16, 24, dtype=torch.bool)
    padded[..., 4:20], on_film[..., 4:20] = 0.5 * film + 0.2, True
    seen = standardise(padded, on_film)
    torch.testing.assert_close(
        seen[..., 4:20], standardise(film, torch.ones_like(film).bool()), rtol=0.02, atol=0.02
    )
    assert not seen[..., :4].any()
    assert not seen[..., 20:].any()


def test_a_film_of_one_grey_has_no_lungs_and_says_so():
    lungs = LungSegmenter(Dark(), 64).segment(Radiograph(np.full((50, 60), 0.5)))
    assert not lungs.both.any()
    assert lungs.warnings == ("No right lung was found.", "No left lung was found.")


def test_what_is_implausible_is_named():
    _, right, left = two_boxes()
    assert doubts(right, left) == []
    assert doubts(right, np.zeros_like(left)) == ["No left lung was found."]
    small = left & (np.arange(120) < 76)
    assert doubts(right, small) == ["The left lung has 19% of the other's area."]
    few = right & (np.arange(120) < 20), left & (np.arange(120) < 75)
    assert doubts(*few) == ["The lungs cover 5% of the film; 10% to 65% is usual."]


def test_a_segmenter_survives_saving(tmp_path):
    segmenter = LungSegmenter(UNet(width=4, depth=2).eval(), 32, {"name": "small"})
    save_lungs(segmenter, tmp_path / "lungs.safetensors", {"seed": 3})
    loaded = load_lungs(tmp_path / "lungs.json")
    film = Radiograph(np.random.default_rng(0).random((40, 30)))
    np.testing.assert_array_equal(loaded.probabilities(film), segmenter.probabilities(film))
    assert (loaded.size, loaded.card["name"], loaded.card["seed"]) == (32, "small", 3)
    assert not loaded.network.training


def test_damaged_weights_are_refused(tmp_path):
    save_lungs(LungSegmenter(UNet(width=4), 32), tmp_path / "lungs.safetensors")
    weights = tmp_path / "lungs.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ArtifactError, match="SHA-256"):
        load_lungs(weights)


@pytest.mark.parametrize(
    "card", [{}, {"architecture": {"name": "densenet"}}, {"architecture": {"name": "unet", "arguments": {}}}]
)
def test_other_cards_are_refused(tmp_path, card):
    write_checkpoint(tmp_path, UNet().state_dict(), card)
    with pytest.raises(ArtifactError, match=r"model\.json"):
        load_lungs(tmp_path)


def test_a_size_that_the_network_cannot_halve_is_refused():
    with pytest.raises(ModelError, match="multiple of 16"):
        LungSegmenter(UNet(), 100)


def test_the_shipped_network_finds_the_lungs_of_real_films(real_data):
    folder, segmenter = real_data / "brixia", load_lungs()
    with (folder / "index.csv").open(encoding="utf-8") as stream:
        listed = {row["png"] for row in csv.DictReader(stream)}
    names = sorted(path.name for path in (folder / "lung_masks_v7labs").glob("*.png") if path.name in listed)
    scores = []
    for name in names[::7]:
        lungs = segmenter.segment(read(folder / "images" / name, colour="luma"))
        scores.append(dice(lungs.both, np.asarray(Image.open(folder / "lung_masks_v7labs" / name)) > 100))
    assert len(scores) >= 15
    assert np.mean(scores) >= 0.88
    assert min(scores) >= 0.7


@pytest.mark.parametrize("finding", ["Mass", "Pneumothorax"])
def test_its_lungs_are_good_enough_to_plant_findings_in(real_data, finding):
    with (real_data / "nih" / "Data_Entry_2017_v2020.subset.csv").open(encoding="utf-8") as stream:
        normal = [
            row["Image Index"] for row in csv.DictReader(stream) if row["Finding Labels"] == "No Finding"
        ]
    film = read(real_data / "nih" / "images_384" / normal[10], colour="luma")
    lungs = load_lungs().segment(film)
    study = plant(film, lungs.both, finding)
    assert not lungs.warnings
    assert (study.masks[finding] & lungs.both).sum() > 0.8 * study.masks[finding].sum()

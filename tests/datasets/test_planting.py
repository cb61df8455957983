from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from plainfilm.datasets.phantom import DEVICES, Phantom
from plainfilm.datasets.planting import PLANTABLE, plant
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError
from plainfilm.findings import NIH, SUPPORT_DEVICES
from plainfilm.radiograph import Radiograph

SIZE = 128


@pytest.fixture(scope="module")
def normal() -> Study:
    return Phantom(20, size=SIZE, seed=8).study(3, [], [])


def planted(normal: Study, name: str, seed: int = 0) -> Study:
    return plant(normal.radiograph, normal.lungs, name, seed)


def test_everything_but_a_large_heart_can_be_planted() -> None:
    assert set(PLANTABLE) == {*NIH, *DEVICES} - {"Cardiomegaly"}


@pytest.mark.parametrize("name", PLANTABLE)
def test_a_planted_finding_changes_its_mask_and_hardly_anything_else(normal: Study, name: str) -> None:
    study = planted(normal, name)
    key = SUPPORT_DEVICES if name in DEVICES else name
    change = np.abs(study.radiograph.pixels - normal.radiograph.pixels)
    near = ndimage.binary_dilation(study.masks[key], iterations=4)
    assert study.findings == {key: 1.0}
    assert 0 <= study.radiograph.pixels.min() <= study.radiograph.pixels.max() <= 1
    assert np.percentile(change[study.masks[key]], 95) >= 0.04
    # A veil of fluid or oedema thins out beyond the line that a reader would draw.
    assert change[~near].mean() < 0.004
    assert change[near].sum() > 0.7 * change.sum()


@pytest.mark.parametrize("name", ["Effusion", "Mass", "Pneumothorax", "chest tube"])
def test_planting_is_a_function_of_its_seed(normal: Study, name: str) -> None:
    first, again, other = planted(normal, name, 1), planted(normal, name, 1), planted(normal, name, 2)
    assert np.array_equal(first.radiograph.pixels, again.radiograph.pixels)
    assert not np.array_equal(first.radiograph.pixels, other.radiograph.pixels)


@pytest.mark.parametrize("name", ["Mass", "Nodule", "Consolidation", "Pneumothorax", "Fibrosis"])
def test_a_lung_finding_stays_in_the_lungs(normal: Study, name: str) -> None:
    lungs = ndimage.binary_dilation(normal.lungs, iterations=3)
    for seed in range(4):
        mask = planted(normal, name, seed).masks[name]
        assert (mask & lungs).sum() > 0.9 * mask.sum()


def test_an_opacity_does_not_outshine_the_mediastinum(normal: Study) -> None:
    spine = normal.radiograph.pixels[:, SIZE // 2 - 6 : SIZE // 2 + 6]
    white = np.percentile(spine, 90)
    for name in ("Effusion", "Consolidation", "Mass"):
        study = planted(normal, name)
        changed = study.masks[name] & (normal.radiograph.pixels < white)
        assert np.percentile(study.radiograph.pixels[changed], 95) < white + 0.08


def test_the_severity_of_planted_opacities_is_scored(normal: Study) -> None:
    assert planted(normal, "Consolidation").zones.max() >= 1
    assert planted(normal, "Pneumothorax").zones.max() == 0


def test_a_film_need_not_be_square_and_can_be_resized(normal: Study) -> None:
    pixels = np.pad(normal.radiograph.pixels, ((0, 0), (10, 22)))
    lungs = np.pad(normal.lungs, ((0, 0), (10, 22)))
    wide = Radiograph(pixels, id="wide", spacing=(1.0, 1.0))
    assert plant(wide, lungs, "Mass").radiograph.size == (SIZE, SIZE + 32)
    small = plant(wide, lungs, "Mass", size=96)
    assert small.radiograph.size == small.masks["Mass"].shape == small.lungs.shape == (96, 96)
    assert small.radiograph.spacing is None
    assert small.radiograph.id == "wide+Mass"


def test_what_cannot_be_planted_is_refused(normal: Study) -> None:
    film, lungs = normal.radiograph, normal.lungs
    with pytest.raises(InputError, match="Cardiomegaly"):
        plant(film, lungs, "Cardiomegaly")
    with pytest.raises(InputError, match="lung mask of shape"):
        plant(film, lungs[:-1], "Mass")
    with pytest.raises(InputError, match="without two lungs"):
        plant(film, lungs & (np.arange(SIZE) < SIZE // 2), "Mass")
    with pytest.raises(InputError, match="without two lungs"):
        plant(film, np.zeros_like(lungs), "Mass")
    with pytest.raises(InputError, match="another film"):
        plant(Radiograph(np.full((SIZE, SIZE), 0.98)), lungs, "Consolidation")


def test_findings_can_be_planted_on_real_films_with_expert_lung_masks(real_data: Path) -> None:
    folder = real_data / "brixia"
    names = sorted(path.name for path in (folder / "lung_masks_v7labs").iterdir())[:40:10]
    for seed, name in enumerate(names):
        film = Image.open(folder / "images" / name).convert("L")
        mask = Image.open(folder / "lung_masks_v7labs" / name).convert("L").resize(film.size)
        radiograph = Radiograph(np.asarray(film, np.float32) / 255, id=name)
        study = plant(radiograph, np.asarray(mask) > 100, "Mass", seed, size=SIZE)
        assert 0.001 < study.masks["Mass"].mean() < 0.1

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import GaussianBlur

from plainfilm.errors import InputError, NumericError
from plainfilm.metrics.insertion import insertion_deletion


@pytest.fixture(scope="module")
def score():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU())
    return lambda images: (4 * network(images).mean((2, 3))[:, 0] - 0.3).sigmoid()


@pytest.fixture(scope="module")
def image():
    return torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def map():
    values = np.random.default_rng(2).random((40, 40))
    return values.round(2)  # with ties


def slowly(score, before, after, map, step, last):
    """One row at a time, one pixel at a time, into one image that is scored alone."""
    order = sorted(range(map.size), key=lambda pixel: (-map.ravel()[pixel], pixel))
    current, scores, done = before.clone(), [], 0
    while done < last:
        for pixel in order[done : min(done + step, last)]:
            row, column = divmod(pixel, map.shape[1])
            current[:, row, column] = after[:, row, column]
        done = min(done + step, last)
        scores.append(score(current[None]).item())
    return np.array(scores)


def trapezoids(curve):
    return sum((curve[j] + curve[j + 1]) / 2 / len(curve) for j in range(len(curve) - 1))


@pytest.mark.parametrize(("step", "fraction"), [(25, 0.5), (7, 0.3), (100, 1.0)])
def test_the_curves_are_those_of_pixels_changed_one_by_one(score, image, map, step, fraction):
    found = insertion_deletion(score, image, map, pixels_per_step=step, fraction=fraction)
    blurred = GaussianBlur(19, 10.0)(image)
    last = int(fraction * 1600)
    insertion, deletion = (
        slowly(score, *pair, map, step, last) for pair in ((blurred, image), (image, blurred))
    )
    np.testing.assert_allclose(found.insertion, insertion, atol=1e-6)
    np.testing.assert_allclose(found.deletion, deletion, atol=1e-6)
    assert found.insertion_auc == pytest.approx(trapezoids(insertion), abs=1e-6)
    assert found.deletion_auc == pytest.approx(trapezoids(deletion), abs=1e-6)
    assert found.passes == 2 * len(insertion)
    assert found.pixels[-1] == last


def test_aliasing_scores_the_image_at_the_end_of_each_stack_of_80(score, image, map):
    found = insertion_deletion(score, image, map, pixels_per_step=9, aliasing=True)
    clean = insertion_deletion(score, image, map, pixels_per_step=9)
    rows = len(clean.deletion)
    assert rows == 89
    ends = [79] * 80 + [88] * 9
    np.testing.assert_allclose(found.deletion, clean.deletion[ends], atol=1e-6)
    np.testing.assert_allclose(found.insertion, clean.insertion[ends], atol=1e-6)
    assert found.passes == 4


def mean(images):
    return images.mean((1, 2, 3))


def test_at_224_pixels_it_has_the_rows_and_the_cost_of_the_paper():
    image = torch.rand(1, 224, 224, generator=torch.Generator().manual_seed(0))
    map = np.random.default_rng(0).random((224, 224))
    found = insertion_deletion(mean, image, map)
    assert (len(found.insertion), found.passes) == (1004, 2008)
    np.testing.assert_array_equal(found.pixels[:-1], 25 * np.arange(1, 1004))
    released = insertion_deletion(mean, image, map, aliasing=True)
    assert released.passes == 26
    assert len(np.unique(released.deletion)) == 13


@pytest.mark.parametrize("budget", [60, 210])
def test_fewer_passes_keep_the_rows_and_nearly_the_areas(score, budget):
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(3))
    map = np.random.default_rng(4).random((4, 4))
    asked = []

    def counted(images):
        asked.append(len(images))
        return score(images)

    quick = insertion_deletion(counted, image, map, pixels_per_step=2, passes=budget)
    whole = insertion_deletion(score, image, map, pixels_per_step=2)
    assert sum(asked) == quick.passes <= budget
    assert len(quick.insertion) == len(whole.insertion) == 1024
    assert quick.insertion_auc == pytest.approx(whole.insertion_auc, abs=1e-3)
    assert quick.deletion_auc == pytest.approx(whole.deletion_auc, abs=1e-3)


def test_enough_passes_score_every_row(score, image, map):
    all_rows = insertion_deletion(score, image, map, passes=10_000)
    np.testing.assert_array_equal(all_rows.insertion, insertion_deletion(score, image, map).insertion)


def test_all_pixels_changed_is_the_other_image(score, image, map):
    found = insertion_deletion(score, image, map, fraction=1.0)
    blurred = GaussianBlur(19, 10.0)(image)
    assert found.insertion[-1] == pytest.approx(score(image[None]).item(), abs=1e-6)
    assert found.deletion[-1] == pytest.approx(score(blurred[None]).item(), abs=1e-6)


def test_insertion_is_deletion_of_the_reversed_map_read_backwards(score, image):
    map = np.random.default_rng(5).permutation(1600).reshape(40, 40).astype(float)
    first = insertion_deletion(score, image, map, pixels_per_step=100, fraction=1.0)
    second = insertion_deletion(score, image, -map, pixels_per_step=100, fraction=1.0)
    np.testing.assert_allclose(first.insertion[:-1], second.deletion[-2::-1], atol=1e-6)


def test_a_map_of_the_cause_beats_its_opposite(image):
    where = np.zeros((40, 40))
    where[10:20, 10:20] = 1

    def texture(images):
        return images[:, :, 10:20, 10:20].var((1, 2, 3))

    good, bad = (insertion_deletion(texture, image, each) for each in (where, -where))
    assert good.insertion_auc > bad.insertion_auc + 0.2
    assert good.deletion_auc < bad.deletion_auc - 0.2


def test_a_constant_map_takes_pixels_in_index_order_and_says_so(score, image):
    flat = insertion_deletion(score, image, np.full((40, 40), 0.3))
    rows = insertion_deletion(score, image, -np.arange(1600.0).reshape(40, 40))
    assert flat.flat
    assert not rows.flat
    np.testing.assert_array_equal(flat.deletion, rows.deletion)


def test_the_unit_of_a_map_and_axes_of_one_change_nothing(score, image, map):
    whole = insertion_deletion(score, image, map)
    other = insertion_deletion(score, image[None], torch.from_numpy(map * 1e-9)[None, None])
    np.testing.assert_array_equal(whole.insertion, other.insertion)


def test_a_coarse_map_is_drawn_on_the_image(score, image):
    coarse = np.random.default_rng(6).random((5, 5)).astype(np.float32)
    found = insertion_deletion(score, image, coarse, pixels_per_step=100)
    assert found.pixels[-1] == 800
    assert not found.flat


def test_a_regression_is_read_as_departure_from_the_start(image, map):
    def output(images):
        return 3 * images[:, 0].mean((1, 2)) - images[:, 1].var((1, 2))

    plain = insertion_deletion(output, image, map, fraction=1.0)
    found = insertion_deletion(output, image, map, fraction=1.0, regression=True)
    blurred = GaussianBlur(19, 10.0)(image)
    start = {"insertion": output(blurred[None]).item(), "deletion": output(image[None]).item()}
    for game, value in start.items():
        np.testing.assert_allclose(getattr(found, game), np.abs(getattr(plain, game) - value), atol=1e-6)
    assert found.insertion[-1] == pytest.approx(found.deletion[-1], abs=1e-6)
    assert found.passes == plain.passes + 2


def test_without_blur_pixels_become_zero(score, image, map):
    found = insertion_deletion(score, image, map, blur=None, fraction=1.0)
    assert found.deletion[-1] == pytest.approx(score(torch.zeros(1, 3, 40, 40)).item(), abs=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"pixels_per_step": 0}, {"fraction": 0.0}, {"fraction": 1.1}, {"fraction": 1e-9}, {"passes": 3},
        {"pixels_per_step": 800},
        {"passes": 100, "aliasing": True}, {"blur": (18, 10.0)}, {"blur": (19, 0.0)}, {"blur": (81, 10.0)},
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(score, image, map, settings):
    with pytest.raises(InputError):
        insertion_deletion(score, image, map, **settings)


def test_several_films_or_maps_are_refused(score, image, map):
    with pytest.raises(InputError, match="one film"):
        insertion_deletion(score, torch.stack([image, image]), map)
    with pytest.raises(InputError, match=r"\(H, W\)"):
        insertion_deletion(score, image, np.stack([map, map]))


def test_scores_of_another_shape_or_without_a_number_are_refused(image, map):
    with pytest.raises(InputError, match="one an image"):
        insertion_deletion(lambda images: images.mean((2, 3)), image, map)
    with pytest.raises(NumericError, match="finite scores"):
        insertion_deletion(lambda images: mean(images) * np.nan, image, map)

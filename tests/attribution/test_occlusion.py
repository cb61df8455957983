from __future__ import annotations

import captum.attr
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from plainfilm.attribution import Occlusion
from plainfilm.errors import ModelError


@pytest.mark.parametrize(("window", "stride"), [(4, 4), (4, 2), (6, 5)])
def test_agrees_with_captum_where_windows_fit(window, stride, small):
    images, targets = torch.rand(2, 1, 16, 16), torch.tensor([0, 2])
    theirs = captum.attr.Occlusion(small).attribute(
        images, (1, window, window), strides=(1, stride, stride), baselines=0.3, target=targets
    )
    ours = Occlusion(small, window=window, stride=stride, grey=0.3).attribute(images, targets)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_agrees_with_its_definition_done_slowly_at_the_borders(small):
    """13 × 10 pixels, windows of 4 every 3: the last of each row and column is moved back inside."""
    image = torch.rand(1, 1, 13, 10)
    total, times = torch.zeros(13, 10), torch.zeros(13, 10)
    with torch.no_grad():
        for top in (0, 3, 6, 9):
            for left in (0, 3, 6):
                covered = image.clone()
                covered[:, :, top : top + 4, left : left + 4] = image.mean()
                drop = (small(image) - small(covered))[0, 1]
                for row in range(top, top + 4):
                    for column in range(left, left + 4):
                        total[row, column] += drop
                        times[row, column] += 1
    ours = Occlusion(small, window=4, stride=3).attribute(image, 1)
    torch.testing.assert_close(ours[0, 0], total / times, rtol=1e-4, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(1, 50))
def test_every_pixel_is_covered_by_windows_of_one_size_inside_the_image(height, width, window, stride):
    side = min(window, height, width)
    if stride > side:
        return
    seen = torch.zeros(height, width)
    for rows, columns in Occlusion(nn.Identity(), window=window, stride=stride).windows(height, width):
        assert rows.stop - rows.start == columns.stop - columns.start == side
        assert rows.stop <= height
        assert columns.stop <= width
        seen[rows, columns] += 1
    assert seen.min() >= 1


def test_the_default_window_is_32_pixels_of_224():
    rows, columns = Occlusion(nn.Identity()).windows(224, 224)[-1]
    assert (rows, columns) == (slice(192, 224), slice(192, 224))
    assert len(Occlusion(nn.Identity()).windows(224, 224)) == 13**2


def test_of_a_linear_network_it_is_the_part_that_was_covered():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 1, bias=False))
    image = torch.rand(1, 1, 4, 4)
    ours = Occlusion(network, window=1, stride=1, grey=0.0).attribute(image, 0)
    torch.testing.assert_close(
        ours, image * network[1].weight.detach().view(1, 1, 4, 4), rtol=1e-4, atol=1e-6
    )


def test_each_channel_is_covered_with_its_own_mean():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 1, bias=False))
    image = torch.rand(1, 3, 4, 4) + torch.tensor([0.0, 5.0, -5.0]).view(1, 3, 1, 1)
    with torch.no_grad():
        drop = network(image) - network(image.mean((2, 3), keepdim=True).expand(-1, -1, 4, 4))
    ours = Occlusion(network, window=4).attribute(image, 0)
    torch.testing.assert_close(ours, drop.item() * torch.ones(1, 1, 4, 4), rtol=1e-4, atol=1e-5)


def test_all_targets_are_the_targets_one_by_one(small):
    images = torch.rand(2, 1, 16, 16)
    every = Occlusion(small, window=4).all_targets(images)
    assert every.shape == (2, 3, 16, 16)
    for target in range(3):
        torch.testing.assert_close(every[:, [target]], Occlusion(small, window=4).attribute(images, target))


def test_images_are_left_as_they_are(small):
    images = torch.rand(2, 1, 16, 16)
    before = images.clone()
    Occlusion(small).attribute(images, 0)
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "settings", [{"window": 0}, {"stride": -1}, {"grey": float("nan")}, {"window": 2, "stride": 3}]
)
def test_impossible_settings_are_refused(settings, small):
    with pytest.raises(ModelError, match=next(reversed(settings))):
        Occlusion(small, **settings).attribute(torch.rand(1, 1, 16, 16), 0)

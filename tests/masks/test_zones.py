from __future__ import annotations

import numpy as np
import pytest

from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError, LabelError
from plainfilm.masks.box import box_mask
from plainfilm.masks.zones import severity_map, zone_boxes, zones_with

SIZE = (40, 60)


@pytest.fixture
def lungs():
    """A triangle of 30 rows at the image's left, a box of 20 rows at its right."""
    mask = np.zeros(SIZE, bool)
    for row in range(30):
        mask[5 + row, 5 : 11 + row // 2] = True
    mask[10:30, 35:55] = True
    return mask


def test_zones_are_thirds_of_each_lungs_box_the_right_lungs_first(lungs):
    assert zone_boxes(lungs) == (
        (5.0, 5.0, 20.0, 10.0), (5.0, 15.0, 20.0, 10.0), (5.0, 25.0, 20.0, 10.0),
        (35.0, 10.0, 20.0, pytest.approx(20 / 3)), (35.0, pytest.approx(50 / 3), 20.0, pytest.approx(20 / 3)),
        (35.0, pytest.approx(70 / 3), 20.0, pytest.approx(20 / 3)),
    )  # fmt: skip


def test_zones_cover_the_boxes_without_gap_or_overlap(lungs):
    zones = [box_mask(SIZE, [box]) for box in zone_boxes(lungs)]
    assert np.sum(zones, axis=0).max() == 1
    assert [int(zone.sum()) for zone in zones] == [200] * 3 + [140, 120, 140]
    assert not (lungs & ~np.any(zones, axis=0)).any()


def test_the_severity_map_is_the_score_inside_the_zone_and_0_outside(lungs):
    drawn = severity_map(SIZE, zone_boxes(lungs), [3, 0, 1, 2, 3, 1])
    expected = np.zeros(SIZE)
    expected[5:15, 5:25], expected[25:35, 5:25] = 3, 1
    expected[10:17, 35:55], expected[17:23, 35:55], expected[23:30, 35:55] = 2, 3, 1
    np.testing.assert_array_equal(drawn, expected)


def test_a_detector_looks_for_the_union_of_the_zones_with_its_scores(lungs):
    zones, scores = zone_boxes(lungs), [3, 0, 1, 2, 3, 1]
    severe = zones_with(SIZE, zones, scores, (3,))
    np.testing.assert_array_equal(severe, severity_map(SIZE, zones, scores) == 3)
    mild = zones_with(SIZE, zones, scores, (0, 1))
    np.testing.assert_array_equal(mild, box_mask(SIZE, [zones[k] for k in (1, 2, 5)]))
    assert not zones_with(SIZE, zones, [0] * 6, (2,)).any()


@pytest.mark.parametrize("scores", [[0] * 5, [0, 0, 0, 0, 0, 4], [0, 0, 0, 0, 0, np.nan], [-1] + [0] * 5])
def test_other_scores_are_refused(lungs, scores):
    for draw in (severity_map, lambda *given: zones_with(*given, (2,))):
        with pytest.raises(LabelError, match="6 severities from 0 to 3"):
            draw(SIZE, zone_boxes(lungs), scores)


def test_the_mean_of_two_readers_is_a_score(lungs):
    assert set(np.unique(severity_map(SIZE, zone_boxes(lungs), [1.5] * 6))) == {0, 1.5}


def test_a_mask_without_two_lungs_is_refused_by_the_films_name(lungs):
    with pytest.raises(InputError, match=r"film-7: got a lung mask without two lungs"):
        zone_boxes(lungs & (np.arange(60) > 30), "film-7")
    with pytest.raises(InputError, match="film-7"):
        zone_boxes(lungs * 0.5, "film-7")


def test_zones_of_a_phantom_lie_in_its_chest_side_by_side():
    study = Phantom(2, size=96, seed=4)[1]
    zones = [box_mask((96, 96), [box]) for box in zone_boxes(study.lungs)]
    share = [float(study.lungs[zone].mean()) for zone in zones]
    assert min(share) > 0.35
    assert study.lungs[np.any(zones, axis=0)].sum() > 0.98 * study.lungs.sum()

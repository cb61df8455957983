from __future__ import annotations

from math import isnan

import numpy as np
import pytest
import scipy.stats

from plainfilm.reports.localisation import (
    CENTRE,
    RANDOM,
    Score,
    by_finding,
    gain_over_centre,
    rows,
    score_maps,
)


@pytest.fixture
def mask(film):
    drawn = np.zeros(film.size, dtype=bool)
    drawn[5:15, 4:12] = True
    return drawn


def test_a_map_that_is_the_mask_scores_one_everywhere(explained, mask):
    score = score_maps([explained(mask.astype(float))], mask)[0]
    assert (score.iou, score.hit, score.mass) == (1, 1, 1)


def test_only_evidence_for_the_finding_counts(explained, mask):
    against = explained(np.where(mask, -1.0, 0.1))
    assert score_maps([against], mask)[0].iou == 0
    magnitude = explained(np.where(mask, -1.0, 0.1), evidence="magnitude")
    assert score_maps([magnitude], mask)[0].iou == 1


def test_the_random_map_stands_for_all_random_maps(explained, mask):
    scores = {score.method: score for score in score_maps([explained(mask.astype(float))], mask)}
    rng = np.random.default_rng(0)
    areas = [len(np.intersect1d(rng.choice(mask.size, 80, False), np.flatnonzero(mask))) for _ in range(4000)]
    assert scores[RANDOM].iou == pytest.approx(np.mean([i / (160 - i) for i in areas]), abs=0.002)
    assert scores[RANDOM].hit == scores[RANDOM].mass == mask.mean()


def test_an_empty_mask_is_left_out_and_counted(explained, film, mask):
    scores = score_maps([explained(mask.astype(float))], np.zeros(film.size, dtype=bool))
    assert all(isnan(score.iou) and isnan(score.hit) and isnan(score.mass) for score in scores)
    table = rows([*scores, *score_maps([explained(mask.astype(float))], mask)])
    assert [(row.iou.n, row.iou.n_excluded, row.hit.n_excluded) for row in table] == [(1, 1, 1)] * 3


def some_scores(values, prior, finding="Mass"):
    return [
        Score(f"film-{k}", finding, method, iou, 1.0, 0.5)
        for method, several in (("grad-cam", values), (CENTRE, prior), (RANDOM, [0.1] * len(values)))
        for k, iou in enumerate(several)
    ]


def test_rows_have_the_baselines_last_and_students_interval():
    values = [0.0, 0.1, 0.0, 0.7]
    table = rows(some_scores(values, [0.1] * 4)[::-1])
    assert [row.method for row in table] == ["grad-cam", CENTRE, RANDOM]
    low, high = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
    assert low < 0 < high < 1
    assert (table[0].iou.low, table[0].iou.high) == pytest.approx((0, high))
    assert [row.is_baseline for row in table] == [False, True, True]


def test_the_gain_over_the_centre_is_paired_by_film():
    values, prior = [0.2, 0.6, 0.4], [0.1, 0.5, 0.3]
    gain = gain_over_centre(some_scores(values, prior), "grad-cam")
    assert gain.value == pytest.approx(0.1)
    assert gain.low == pytest.approx(0.1, abs=1e-6)


def test_findings_come_with_the_most_films_first():
    scores = some_scores([0.1], [0.1], "Hernia") + some_scores([0.1, 0.2], [0.1, 0.1], "Mass")
    assert list(by_finding(scores)) == ["Mass", "Hernia"]

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from plainfilm.audit.curves import mean_curves, measure_agreement
from plainfilm.metrics.baselines import CENTRE
from plainfilm.metrics.bootstrap import bootstrap_interval
from plainfilm.metrics.weighted import mean

FILMS, SHARES = 30, (0.1, 0.3, 0.5)


def points() -> pd.DataFrame:
    """Points of two curves of two methods, two films a patient, in no order."""
    rng = np.random.default_rng(0)
    rows = [
        {"film": f"film-{k}", "patient": f"patient-{k // 2}", "finding": "Mass", "method": method,
         "curve": curve, "share": share, "value": rng.random()}
        for curve in ("deletion", "insertion") for method in ("iba", CENTRE)
        for k in range(FILMS) for share in SHARES
    ]  # fmt: skip
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def test_a_curve_is_the_mean_at_each_share_with_its_interval_over_patients() -> None:
    given = points()
    found = mean_curves(given)
    assert set(found) == {"insertion", "deletion", "sensitivity_n"}
    for curve in found["insertion"]:
        assert curve.shares == SHARES
        assert curve.is_baseline == (curve.method == CENTRE)
        for share, value in zip(curve.shares, curve.values, strict=True):
            own = given[
                (given["curve"] == "insertion")
                & (given["method"] == curve.method)
                & (given["share"] == share)
            ].sort_values("film")
            expected = bootstrap_interval(mean, own["value"].to_numpy(), patients=own["patient"].to_numpy())
            assert value.value == pytest.approx(expected.value)
            assert (value.low, value.high) == pytest.approx((expected.low, expected.high))
            assert value.caution == expected.caution == "only 15 patients"


def test_without_points_there_are_no_curves() -> None:
    assert mean_curves(pd.DataFrame()) == {}


def scores(methods: int) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    names = [*(f"method-{k}" for k in range(methods)), CENTRE]
    rows = [
        {"film": f"film-{k}", "patient": f"patient-{k}", "finding": "Mass", "method": name,
         "insertion_auc": n + rng.random(), "deletion_auc": rng.random() - n, "road": rng.random()}
        for n, name in enumerate(names) for k in range(FILMS)
    ]  # fmt: skip
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def test_measures_that_put_methods_in_one_order_agree_whichever_way_is_good() -> None:
    given, methods = scores(4), [f"method-{k}" for k in range(4)]
    found = measure_agreement(given, methods, ("insertion_auc", "deletion_auc", "road"))
    assert set(found) == {
        ("insertion_auc", "deletion_auc"), ("insertion_auc", "road"), ("deletion_auc", "road"),
    }  # fmt: skip
    assert found["insertion_auc", "deletion_auc"].value == 1
    means = given.groupby("method")[["insertion_auc", "road"]].mean().loc[methods]
    expected = kendalltau(means["insertion_auc"], means["road"]).statistic
    assert found["insertion_auc", "road"].value == pytest.approx(expected)
    assert found["insertion_auc", "road"].low < found["insertion_auc", "road"].high


def test_two_methods_or_one_measure_make_no_ranking() -> None:
    given = scores(3)
    assert measure_agreement(given, ["method-0", "method-1"], ("insertion_auc", "road")) == {}
    assert measure_agreement(given, ["method-0", "method-1", "method-2"], ("road",)) == {}


def test_a_film_without_a_value_counts_for_no_pair_that_needs_it() -> None:
    given = scores(3)
    given.loc[given["film"] == "film-3", "road"] = nan
    found = measure_agreement(given, [f"method-{k}" for k in range(3)], ("insertion_auc", "road"))
    assert found["insertion_auc", "road"].n_excluded == 1

from __future__ import annotations

import json
from math import inf, nan

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from plainfilm.models.curves import (
    Isotonic,
    Platt,
    as_record,
    fit_isotonic,
    fit_platt,
    from_record,
    op_norm,
    undo_op_norm,
)


def films(n=400, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.3).astype(float)
    return np.round(rng.normal(2 * truth - 3, 1.5), 2), truth


def test_platt_is_a_logistic_regression_on_smoothed_labels():
    x, truth = films()
    positive, negative = truth.sum(), (1 - truth).sum()
    smooth = np.where(truth == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    # Each film twice, once with each label, weighted by how far it is that label.
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(np.r_[x, x][:, None], np.r_[np.ones(len(x)), np.zeros(len(x))], np.r_[smooth, 1 - smooth])
    found = fit_platt(x, truth)
    assert found.slope == pytest.approx(model.coef_[0, 0], rel=1e-4)
    assert found.intercept == pytest.approx(model.intercept_[0], rel=1e-4)


def test_platt_stays_finite_where_the_classes_are_apart():
    found = fit_platt(np.r_[np.full(20, -5.0), np.full(20, 5.0)], np.r_[np.zeros(20), np.ones(20)])
    smoothed = 21 / 22
    assert found(torch.tensor([5.0])).item() == pytest.approx(smoothed, abs=1e-4)
    assert 0 < found.slope < 1


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1000, 0), (1e-3, 0), (1, 50)])
def test_platt_does_not_depend_on_the_unit_of_the_scores(scale, shift):
    x, truth = films()
    plain, other = fit_platt(x, truth), fit_platt(scale * x + shift, truth)
    at = torch.tensor([-4.0, 0.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(other(scale * at + shift), plain(at), atol=1e-5, rtol=0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40))
def test_isotonic_is_scikit_learns_between_and_beyond_its_knots(films):
    x, truth = (np.array(column, float) for column in zip(*films, strict=True))
    found = fit_isotonic(x, truth)
    if not found.rises:
        return
    at = np.linspace(-2, 11, 53)
    expected = IsotonicRegression(out_of_bounds="clip").fit(x, truth).predict(at)
    np.testing.assert_allclose(found(torch.from_numpy(at)).numpy(), expected, atol=1e-9)


def test_scores_against_the_finding_do_not_rise():
    x, truth = films()
    assert not fit_platt(-x, truth).rises
    assert not fit_isotonic(np.array([1.0, 2, 3]), np.array([1.0, 1, 0])).rises


@pytest.mark.parametrize("curve", [Platt(1.5, -0.3), Isotonic((-1.0, 0.5, 2.0), (0.1, 0.1, 0.9))])
def test_a_curve_survives_json_and_keeps_shape_and_type(curve):
    again = from_record(json.loads(json.dumps(as_record(curve))))
    assert again == curve
    logits = torch.randn(3, 4)
    assert again(logits).shape == (3, 4)
    assert again(logits).dtype == torch.float32


@pytest.mark.parametrize("curve", [Platt(1.5, -0.3), Isotonic((-1.0, 0.5, 2.0), (0.1, 0.2, 0.9))])
def test_gradients_flow_through_a_curve(curve):
    logits = torch.tensor([0.1, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(curve, logits)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((1.0,), (0.5,)),
        ((2.0, 1.0), (0.1, 0.2)),
        ((1.0, 2.0), (0.2, 0.1)),
        ((1.0, 2.0), (0.1,)),
        ((1.0, nan), (0.1, 0.2)),
        ((1.0, 2.0), (0.1, nan)),
        ((1.0, 2.0), (-0.1, 0.2)),
        ((1.0, 2.0), (0.1, 1.2)),
        ((1.0, 2.0), (0.1, 0.1)),
    ],
)
def test_a_record_that_does_not_rise_is_refused(x, y):
    with pytest.raises(ValueError, match="does not rise"):
        from_record({"kind": "isotonic", "logits": x, "probabilities": y})


@pytest.mark.parametrize("line", [(nan, 0.0), (-1.0, 0.0), (0.0, 0.0), (inf, 0.0), (1.0, nan)])
def test_a_line_that_is_not_finite_or_falls_is_refused(line):
    with pytest.raises(ValueError, match="does not rise"):
        from_record({"kind": "platt", "slope": line[0], "intercept": line[1]})


@pytest.mark.parametrize("point", [0.0022, 0.3, 0.9])
def test_op_norm_puts_the_operating_point_at_one_half_and_can_be_undone(point):
    xrv = pytest.importorskip("torchxrayvision")
    values = np.r_[np.linspace(0, 1, 22), point]
    ours = [op_norm(value, point) for value in values]
    theirs = xrv.models.op_norm(torch.tensor(values).float()[:, None], torch.tensor([point]))
    np.testing.assert_allclose(ours, theirs[:, 0].numpy(), atol=1e-6)
    assert op_norm(point, point) == 0.5
    assert [undo_op_norm(value, point) for value in ours] == pytest.approx(values)

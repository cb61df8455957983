from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import plainfilm as pf
from plainfilm.attribution.gradient import Gradient
from plainfilm.audit import run as module
from plainfilm.audit.plan import Plan
from plainfilm.audit.run import Results, run
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError, LabelError, ModelError, NumericError
from plainfilm.metrics.baselines import CENTRE, RANDOM, centre_prior, random_map
from plainfilm.metrics.localisation import best_case_iou, hit, mass_inside, rank_inside
from plainfilm.metrics.removal import blurred
from plainfilm.models.classifier import wrap
from plainfilm.radiograph import Placement

Plans = Callable[..., Plan]


def quiet(stage: str, done: int, total: int) -> None:
    pass


def stop(film: str, error: Exception, total: int) -> None:
    raise error


def go_on(film: str, error: Exception, total: int) -> None:
    pass


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILMS", 5)


@pytest.fixture
def results(plan_of: Plans, tmp_path: Path) -> Results:
    return run(plan_of(), tmp_path / "audit", quiet, stop)


def test_predictions_are_those_of_the_model_film_by_film(plan_of: Plans, results: Results) -> None:
    plan = plan_of()
    assert list(results.predictions["film"]) == list(plan.data.ids)
    for index, row in results.predictions.iterrows():
        study = plan.data[index]
        expected = plan.model.predict(study.radiograph)
        for name in plan.findings:
            assert row[f"probability:{name}"] == pytest.approx(expected[name], abs=1e-6)
            odds = row[f"probability:{name}"] / (1 - row[f"probability:{name}"])
            assert row[f"logit:{name}"] == pytest.approx(np.log(odds), abs=1e-6)
            assert row[f"truth:{name}"] == study.findings[name]
        assert row["patient"] == study.patient
        assert row["sex"] == study.attributes["sex"]
        assert row["view"] == study.radiograph.view


def test_a_network_that_ends_in_a_sigmoid_is_predicted_alike(
    plan_of: Plans, results: Results, tmp_path: Path
) -> None:
    plan = plan_of()
    network = nn.Sequential(plan.model.network, nn.Sigmoid())
    model = wrap(network.eval(), plan.model.targets, 32, output="probability")
    found = run(Plan(model, plan.data, {"gradient": {}}), tmp_path / "sigmoid", quiet, stop).predictions
    pd.testing.assert_frame_equal(found, results.predictions, rtol=1e-4)


def test_rows_are_one_a_pair_and_map_and_one_a_baseline(plan_of: Plans, results: Results) -> None:
    pairs = [(f"film-{film}", finding) for film, finding in plan_of().pairs]
    for method in ("gradient", "grad-cam", CENTRE, RANDOM):
        own = results.scores[results.scores["method"] == method]
        assert list(zip(own["film"], own["finding"], strict=True)) == pairs
    maps = results.scores[results.scores["row"] >= 0]
    assert set(maps["method"]) == {"gradient", "grad-cam"}
    assert sorted(maps["row"]) == sorted(2 * list(range(len(pairs))))


@pytest.mark.parametrize("method", ["gradient", "grad-cam"])
def test_maps_and_measures_are_those_of_explain_one_by_one(
    plan_of: Plans, results: Results, method: str
) -> None:
    plan = plan_of()
    rows = results.scores[results.scores["method"] == method].reset_index()
    for k in (0, 3, len(rows) - 1):
        film, finding = plan.pairs[k]
        study = plan.data[film]
        e = pf.explain(plan.model, study.radiograph, finding, method)
        np.testing.assert_allclose(results.maps.read(method, k), e.map, rtol=1e-4, atol=1e-7)
        shown = np.maximum(e.map if e.evidence == "positive" else np.abs(e.map), 0)
        drawn = e.placement.restore(shown)
        mask = study.masks[finding]
        for measure in (best_case_iou, hit, mass_inside, rank_inside):
            assert rows.loc[k, measure.__name__] == pytest.approx(measure(drawn, mask), abs=1e-5)
        assert rows.loc[k, "area"] == pytest.approx(mask.mean())
        assert rows.loc[k, "removal_drop"] == pytest.approx(slow_drop(plan, study, finding, shown), abs=1e-4)


@pytest.mark.parametrize("method", [CENTRE, RANDOM])
def test_baselines_are_scored_like_methods(plan_of: Plans, results: Results, method: str) -> None:
    plan = plan_of()
    rows = results.scores[results.scores["method"] == method].reset_index()
    for k in (0, 4):
        film, finding = plan.pairs[k]
        study = plan.data[film]
        values = centre_prior((32, 32)) if method == CENTRE else random_map((7, 7), k)
        placement = plan.model.spec.placement(study.radiograph.size).at(values.shape)
        drawn = placement.restore(values)
        assert rows.loc[k, "best_case_iou"] == pytest.approx(best_case_iou(drawn, study.masks[finding]))
        assert rows.loc[k, "removal_drop"] == pytest.approx(slow_drop(plan, study, finding, values), abs=1e-4)


def slow_drop(plan: Plan, study: Any, finding: str, evidence: np.ndarray) -> float:
    """The fall of one logit where the tenth of the input is blurred that a map marks highest."""
    image, _ = plan.model.prepare(study.radiograph)
    grid = image.shape[-1]
    drawn = evidence
    if evidence.shape != (grid, grid):
        drawn = Placement.resize((grid, grid), evidence.shape).restore(evidence)
    order = np.argsort(-drawn, axis=None, kind="stable")[: round(0.1 * drawn.size)]
    where = np.zeros(drawn.size, bool)
    where[order] = True
    changed = torch.where(torch.from_numpy(where.reshape(drawn.shape)), blurred(image), image)
    with torch.no_grad():
        before, after = (plan.model.logits(x)[0, plan.model.index(finding)] for x in (image, changed))
    return float(before - after)


def test_a_constant_film_has_flat_maps_of_zeros(plan_of: Plans, tmp_path: Path) -> None:
    results = run(plan_of(constant=(1,)), tmp_path, quiet, stop)
    mine = results.scores[(results.scores["film"] == "film-1") & (results.scores["row"] >= 0)]
    assert mine["flat"].all()
    assert not any(results.maps.read(m, r).any() for m, r in zip(mine["method"], mine["row"], strict=True))
    assert (mine["best_case_iou"] == 0).all()
    others = results.scores[results.scores["film"] != "film-1"]
    assert not others["flat"].any()


def test_a_film_that_cannot_be_read_stops_an_audit(plan_of: Plans, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="film-3"):
        run(plan_of(broken=(3,)), tmp_path, quiet, stop)


def test_excluded_films_and_their_pairs_are_gone_and_counted(
    plan_of: Plans, tmp_path: Path, results: Results
) -> None:
    left = run(plan_of(broken=(3, 4)), tmp_path, quiet, go_on)
    assert set(left.excluded) == {"film-3", "film-4"}
    assert "a file cut off" in left.excluded["film-3"]
    assert len(left.predictions) == 10
    assert "film-3" not in set(left.scores["film"])
    # What is known of the other films does not change; rows and so the noise of random maps do.
    kept = results.scores[(results.scores["film"] != "film-3") & (results.scores["method"] == "gradient")]
    mine = left.scores[left.scores["method"] == "gradient"]
    pd.testing.assert_frame_equal(
        mine.drop(columns="row").reset_index(drop=True), kept.drop(columns="row").reset_index(drop=True),
        rtol=1e-4,
    )  # fmt: skip


def test_films_of_which_none_can_be_used_are_an_error(plan_of: Plans, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none can be used"):
        run(plan_of(3, broken=(0, 1, 2)), tmp_path, quiet, go_on)


def test_films_without_annotation_are_predicted_only(plan_of: Plans, tmp_path: Path) -> None:
    results = run(plan_of(annotated=False), tmp_path, quiet, stop)
    assert len(results.predictions) == 12
    assert results.scores.empty


def test_a_method_that_does_not_fit_is_told_before_a_film_is_read(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 1)).eval()
    plan = Plan(wrap(network, ["Mass"], 32), Phantom(2, 64), {"grad-cam": {}})
    with pytest.raises(ModelError):
        run(plan, tmp_path / "audit", quiet, stop)
    assert not (tmp_path / "audit").exists()


def test_a_black_image_that_breaks_a_method_does_not_break_an_audit(
    plan_of: Plans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attribute = Gradient.attribute

    def breaks_on_black(self: Gradient, images: torch.Tensor, target: Any) -> torch.Tensor:
        if not images.any():
            raise NumericError("0 / 0")
        return attribute(self, images, target)

    monkeypatch.setattr(Gradient, "attribute", breaks_on_black)
    assert len(run(plan_of(), tmp_path, quiet, stop).scores)


def test_truth_that_is_neither_yes_nor_no_is_told_before_a_film_is_read(
    plan_of: Plans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of()
    monkeypatch.setattr(type(plan.data), "labels", lambda self, names: np.full((12, len(names)), 0.5))
    with pytest.raises(LabelError, match=r"truth of 0\.5"):
        run(plan, tmp_path, quiet, stop)
    assert plan.data.seen == []


def test_the_model_is_returned_as_found(plan_of: Plans, tmp_path: Path) -> None:
    plan = plan_of()
    network = plan.model.network.train()
    network.features.weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    run(plan, tmp_path, quiet, stop)
    assert all(module.training for module in network.modules())
    assert [p.requires_grad for p in network.parameters()].count(False) == 1
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(vars(m)["_forward_hooks"] or vars(m)["_backward_hooks"] for m in network.modules())

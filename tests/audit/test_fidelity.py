from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from plainfilm.audit import fidelity
from plainfilm.audit.measures import FIDELITY, Block
from plainfilm.audit.plan import Plan
from plainfilm.audit.run import run
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import InputError
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics.baselines import CENTRE, RANDOM
from plainfilm.metrics.insertion import insertion_deletion
from plainfilm.metrics.removal import blurred
from plainfilm.models.classifier import Classifier, wrap

Plans = Callable[..., Plan]


@pytest.fixture
def block(model: Classifier, plan_of: Plans) -> Block:
    data = plan_of(4).data
    return Block.of(model, [(data[1], "Mass"), (data[3], "Effusion")], 0)


@pytest.fixture
def maps(block: Block) -> dict[str, np.ndarray]:
    """The squares that are brighter than the network's threshold, all but these, noise, and nothing."""
    pairs = zip(block.subjects, block.placements, strict=True)
    squares = [np.any(list(study.masks.values()), 0).astype(np.float32) for (study, _), _ in pairs]
    cause = np.stack([place.sample(square) for place, square in zip(block.placements, squares, strict=True)])
    noise = np.random.default_rng(0).random(cause.shape)
    return {"cause": cause, "opposite": 1 - cause, "noise": noise, "flat": np.zeros_like(cause)}


def test_a_map_of_what_the_model_looks_at_is_better_than_its_opposite(
    block: Block, maps: dict[str, np.ndarray]
) -> None:
    rows, _ = fidelity.judge(block, maps)
    for name in ("road", "sensitivity_n"):
        best, worst = (np.mean([row[name] for row in rows[method]]) for method in ("cause", "opposite"))
        assert best > worst


def test_areas_are_those_of_the_games_at_the_published_settings(
    block: Block, maps: dict[str, np.ndarray]
) -> None:
    rows, _ = fidelity.judge(block, maps)
    target = int(block.targets[1])
    games = insertion_deletion(
        lambda images: block.model.probabilities(images)[:, target], block.images[1], maps["noise"][1],
        pixels_per_step=1, blur=(3, 10 / 7), passes=fidelity.PASSES,
    )  # fmt: skip
    assert rows["noise"][1]["insertion_auc"] == pytest.approx(games.insertion_auc)
    assert rows["noise"][1]["deletion_auc"] == pytest.approx(games.deletion_auc)
    assert (fidelity.PIXELS_PER_STEP, fidelity.blur_for(224)) == (25, (19, 10.0))


def test_sensitivity_is_the_mean_correlation_over_sizes_of_blurred_blocks(
    block: Block, maps: dict[str, np.ndarray]
) -> None:
    rows, points = fidelity.judge(block, maps)
    image, target = block.images[:1], int(block.targets[0])
    blur, masks = blurred(image), fidelity.block_masks(32)
    found = []
    for of_size in masks:
        sums, falls = [], []
        for mask in of_size:
            changed = torch.where(torch.from_numpy(mask), blur, image)
            both = [float(block.model.probabilities(x)[0, target].detach()) for x in (image, changed)]
            falls.append(both[0] - both[1])
            sums.append(float(maps["noise"][0][mask].sum()))
        found.append(np.corrcoef(sums, falls)[0, 1])
    assert rows["noise"][0]["sensitivity_n"] == pytest.approx(np.mean(found), abs=1e-4)
    curve = [
        point["value"] for point in points
        if (point["film"], point["method"], point["curve"]) == ("film-1", "noise", "sensitivity_n")
    ]  # fmt: skip
    np.testing.assert_allclose(curve, found, atol=1e-4)
    assert [row["sensitivity_n"] for row in rows["flat"]] == [0, 0]


def test_masks_are_whole_blocks_so_many_as_they_say() -> None:
    masks = fidelity.block_masks(224)
    assert masks.shape == (len(fidelity.REMOVED), fidelity.MASKS, 224, 224)
    cells = masks.reshape(*masks.shape[:2], 14, 16, 14, 16)
    assert (cells.any((3, 5)) == cells.all((3, 5))).all()
    assert (cells.all((3, 5)).sum((2, 3)) == np.array(fidelity.REMOVED)[:, None]).all()
    np.testing.assert_array_equal(masks, fidelity.block_masks(224))


def test_curves_are_kept_at_shares_of_the_pixels(block: Block, maps: dict[str, np.ndarray]) -> None:
    _, points = fidelity.judge(block, maps)
    one = [p for p in points if (p["film"], p["method"], p["curve"]) == ("film-1", "cause", "deletion")]
    assert [point["share"] for point in one] == list(fidelity.CHANGED)
    assert one[0]["finding"] == "Mass"
    # Half of the pixels, the brightest, are blurred at the end.
    image = block.images[:1]
    order = np.argsort(-maps["cause"][0], axis=None, kind="stable")[: image[0, 0].numel() // 2]
    mask = torch.zeros(image[0, 0].numel(), dtype=torch.bool)
    mask[order] = True
    changed = torch.where(mask.reshape(32, 32), blurred(image), image)
    with torch.no_grad():
        expected = block.model.probabilities(changed)[0, int(block.targets[0])]
    assert one[-1]["value"] == pytest.approx(float(expected), abs=1e-5)


def test_the_passes_are_those_that_are_told_and_sensitivity_is_asked_once_for_all(
    block: Block, maps: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, run_network = [], Classifier._run

    def counted(self: Classifier, images: Tensor, *layers: Any) -> Any:
        seen.append(len(images))
        return run_network(self, images, *layers)

    monkeypatch.setattr(Classifier, "_run", counted)
    fidelity.judge(block, maps)
    recovery_and_removal = 2 * len(maps)
    assert sum(seen) == len(block.subjects) * (fidelity.passes(len(maps)) - recovery_and_removal)


def test_progress_is_told_before_each_film(block: Block, maps: dict[str, np.ndarray]) -> None:
    told: list[int] = []
    fidelity.judge(block, maps, done=told.append)
    assert told == [0, 1]


class Grey(torch.nn.Module):
    """Scores the mean grey, so that any finding that adds tissue raises it."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None].expand(-1, 2) * 40 - 15


def test_phantoms_are_rendered_without_the_finding_and_recovered(tmp_path: Path) -> None:
    model = wrap(Grey().eval(), ("Mass", SUPPORT_DEVICES), 64)
    data = Phantom(14, 64, seed=4, prevalence=0.4)
    plan = Plan(model, data, {"gradient": {}})
    results = run(plan, tmp_path / "audit", lambda *_: None, lambda *_: None)
    assert {name for name in FIDELITY if results.scores[name].notna().any()} == set(FIDELITY)
    film, finding = next(pair for pair in plan.pairs if pair[1] == "Mass")
    study, without = data[film], data.without(film, finding)
    rest = [name for name in study.present if name not in ("Mass", SUPPORT_DEVICES)]
    np.testing.assert_array_equal(without.radiograph.pixels, data.study(film, rest).radiograph.pixels)
    row = results.scores[
        (results.scores["film"] == study.radiograph.id)
        & (results.scores["finding"] == "Mass") & (results.scores["method"] == CENTRE)
    ].iloc[0]  # fmt: skip
    (image, other), target = model.prepare_batch([study.radiograph, without.radiograph])[0], 0
    centre = Block.of(model, [(study, "Mass")], 0).baselines()[CENTRE][0]
    area = int(study.causes.get("Mass", study.masks["Mass"]).sum())
    where = torch.zeros(64 * 64, dtype=torch.bool)
    where[np.argsort(-centre, axis=None, kind="stable")[:area]] = True
    exchanged = torch.where(where.reshape(64, 64), other, image)
    logits = model.logits(torch.stack([image, other, exchanged]))[:, target]
    expected = (logits[0] - logits[2]) / (logits[0] - logits[1])
    assert row["counterfactual_recovery"] == pytest.approx(float(expected), abs=1e-3)


def test_devices_are_taken_out_all_together() -> None:
    data = Phantom(40, 48, seed=4, prevalence=0.4)
    index = next(k for k, shown in enumerate(data.outlined()) if SUPPORT_DEVICES in shown)
    without = data.without(index, SUPPORT_DEVICES)
    assert SUPPORT_DEVICES not in without.masks
    assert [f for f in data[index].present if f != SUPPORT_DEVICES] == list(without.present)


def test_films_that_cannot_be_rendered_again_have_no_recovery(plan_of: Plans, tmp_path: Path) -> None:
    results = run(plan_of(4, fidelity="full"), tmp_path / "audit", lambda *_: None, lambda *_: None)
    assert "counterfactual_recovery" not in results.scores
    assert results.scores["insertion_auc"].notna().all()
    assert set(results.curves["method"]) == {"gradient", "grad-cam", CENTRE, RANDOM}


def test_quick_measures_removal_alone(plan_of: Plans, tmp_path: Path) -> None:
    results = run(plan_of(4, fidelity="quick"), tmp_path / "audit", lambda *_: None, lambda *_: None)
    assert [name for name in FIDELITY if name in results.scores] == ["removal_drop"]
    assert results.curves.empty


def test_the_range_of_the_input_changes_no_measure(plan_of: Plans, block: Block) -> None:
    """Noise and blur are in the unit of the input."""

    class Rescaled(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Tensor) -> Tensor:
            return self.network((images + 1024) / 2048)

    wide = wrap(Rescaled(block.model.network).eval(), block.model.targets, 32, -1024, 1024)
    maps = {"noise": np.random.default_rng(0).random((2, 32, 32))}
    rows: list[Any] = [
        fidelity.judge(each, maps)[0]["noise"] for each in (block, Block.of(wide, block.subjects, 0))
    ]
    for one, other in zip(*rows, strict=True):
        assert one == pytest.approx(other, abs=1e-3)


def test_an_unknown_depth_is_refused(plan_of: Plans) -> None:
    with pytest.raises(InputError, match=r"fidelity 'deep', expected quick or full"):
        plan_of(fidelity="deep")

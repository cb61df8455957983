"""Running an audit: every film is predicted, every outlined finding explained by every method.

Both stages write block after block, each under its final name only when it is whole, so an
audit that was interrupted goes on where it stopped and finds the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from plainfilm.audit import fidelity
from plainfilm.audit.folder import AGAIN, open_folder, read_block, write_block
from plainfilm.audit.maps import BLOCK, MapStore
from plainfilm.audit.measures import Block, outline_facts, shown_of
from plainfilm.audit.plan import Plan
from plainfilm.datasets.study import Study
from plainfilm.errors import ArtifactError, InputError, LabelError, NumericError

Progress = Callable[[str, int, int], None]
"""Told the stage, what is done and the total."""

Exclude = Callable[[str, InputError | LabelError | NumericError, int], None]
"""Told of a film that cannot be used, and of how many there are; raises where the audit must not go on."""

FILMS = 64
"""Films that are predicted between two writes."""

ATTRIBUTES = ("view", "sex", "age", "device", "split")

Pair = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Results:
    """What an audit found.

    Attributes:
        predictions: One row a film: ``film, patient``, ``ATTRIBUTES``, and ``logit:NAME``,
            ``probability:NAME`` and ``truth:NAME`` for each finding.
        scores: One row a map, and one a baseline with ``row`` -1: ``row`` in the map store, ``film,
            patient``, ``ATTRIBUTES``, ``finding, method, flat``, what was outlined and the measures.
        excluded: Film to the reason why it is not among them.
        maps: The raw maps.
        curves: Points of the curves of insertion, deletion and Sensitivity-N (``fidelity.judge``); empty
            where fidelity is measured by removal alone.
    """

    predictions: pd.DataFrame
    scores: pd.DataFrame
    excluded: dict[str, str]
    maps: MapStore
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)


def run(plan: Plan, out: Path, progress: Progress, exclude: Exclude) -> Results:
    """Runs an audit into a folder, or goes on with the one that it holds.

    Raises:
        ArtifactError: where the folder holds another audit, or a damaged one.
        InputError: for a film that cannot be read, unless ``exclude`` takes it; LabelError and
            NumericError likewise. For films of which none can be used.
        ModelError: for a method that does not apply to the network, before any film is read.
        ResourceError: where the folder cannot be written.
    """
    _check_applicable(plan, out)
    open_folder(out, plan.identity())
    predicted = pd.concat(_predictions(plan, out, progress, exclude), ignore_index=True)
    excluded = predicted[predicted["excluded"] != ""].set_index("film")["excluded"].to_dict()
    if len(excluded) == len(predicted):
        found = f"{len(predicted)} films of which none can be used"
        raise InputError(found, "at least one", plan.data.name, f"The last: {predicted['excluded'].iloc[-1]}")
    usable = ~predicted["film"].isin(excluded)
    pairs = [(film, finding) for film, finding in plan.pairs if usable[film]]
    maps = MapStore(out / "maps", len(pairs))
    scores, curves = [], []
    for rows, points in _scores(plan, pairs, maps, out, progress):
        scores.append(rows)
        curves.append(points)
    return Results(
        predicted[predicted["excluded"] == ""].drop(columns="excluded").reset_index(drop=True),
        pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(),
        excluded,
        maps,
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(),
    )


def _check_applicable(plan: Plan, out: Path) -> None:
    """Tries the methods on a black image, for predictions can take hours; once an audit."""
    if (out / "blocks" / "predictions-000000.parquet").exists():
        return
    spec, target = plan.model.spec, plan.model.index(plan.findings[0])
    image = torch.zeros(1, spec.channels, spec.size, spec.size, device=plan.model.device)
    for method in plan.built.values():
        # Of a black image alone, it says nothing of films.
        with suppress(NumericError):
            method.attribute(image, target)


def _predictions(plan: Plan, out: Path, progress: Progress, exclude: Exclude) -> Iterator[pd.DataFrame]:
    total, known = len(plan.data), _Known.of(plan)
    for start in range(0, total, FILMS):
        films = range(start, min(start + FILMS, total))
        path = out / "blocks" / f"predictions-{start // FILMS:06d}.parquet"
        if path.exists():
            _tell_again(read_block(path), exclude, total)
        else:
            write_block(path, pd.DataFrame([_predict(plan, film, known, exclude) for film in films]))
        yield read_block(path)
        progress("Predicting", films.stop, total)


def _tell_again(predicted: pd.DataFrame, exclude: Exclude, total: int) -> None:
    """The films that an earlier run left out, so that the rule for them holds for both together."""
    for film, reason in predicted.loc[predicted["excluded"] != "", ["film", "excluded"]].to_numpy():
        exclude(film, InputError(reason, where="left out before"), total)


@dataclass(frozen=True, eq=False)
class _Known:
    """What the data set says of all films without reading them, asked for once."""

    ids: Sequence[str]
    patients: Sequence[str]
    truth: np.ndarray

    @classmethod
    def of(cls, plan: Plan) -> _Known:
        """Raises a LabelError for truth that is neither 1, 0 nor unknown."""
        truth = plan.data.labels(plan.findings)
        strange = truth[~np.isin(truth, (0, 1)) & ~np.isnan(truth)]
        if strange.size:
            found, advice = f"a truth of {strange[0]:g}", "Decide what an uncertain label means."
            raise LabelError(found, "1, 0 or unknown", plan.data.name, advice)
        return cls(plan.data.ids, plan.data.patients, truth)


def _predict(plan: Plan, index: int, known: _Known, exclude: Exclude) -> dict[str, Any]:
    film = known.ids[index]
    row: dict[str, Any] = {"film": film, "patient": known.patients[index], "excluded": ""}
    try:
        study = plan.data[index]
        image, _ = plan.model.prepare(study.radiograph)
        with torch.no_grad():
            logits = plan.model.logits(image).double().cpu()
            chances = plan.model.as_probabilities(logits)[0]
    except (InputError, LabelError, NumericError) as error:
        exclude(film, error, len(plan.data))
        return row | {"excluded": str(error)}
    row |= _attributes(study)
    for name, truth in zip(plan.findings, known.truth[index], strict=True):
        place = plan.model.index(name)
        row[f"logit:{name}"], row[f"probability:{name}"] = logits[0, place].item(), chances[place].item()
        row[f"truth:{name}"] = float(truth)
    return row


def _scores(
    plan: Plan, pairs: Sequence[Pair], maps: MapStore, out: Path, progress: Progress
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The scores and the curves of block after block."""
    ids = plan.data.ids

    def done(films: int) -> None:
        progress("Explaining", films, len(pairs))

    for start in range(0, len(pairs), BLOCK):
        own = pairs[start : start + BLOCK]
        path, points = (
            out / "blocks" / f"{kind}-{start // BLOCK:06d}.parquet" for kind in ("scores", "curves")
        )
        if not (path.exists() and points.exists()):
            scores, curves = _explain(plan, own, start, maps, done)
            write_block(points, pd.DataFrame(curves))
            write_block(path, pd.DataFrame(scores))
        found = read_block(path)
        if set(zip(found["film"], found["finding"], strict=True)) != {
            (ids[film], name) for film, name in own
        }:
            raise ArtifactError("other films and findings", "those of this audit", str(path), AGAIN)
        yield found, read_block(points)
        done(start + len(own))


def _explain(
    plan: Plan, pairs: Sequence[Pair], start: int, maps: MapStore, done: Callable[[int], None]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The scores of a block of films and findings, and its curves; its maps go to the store."""
    by_film = {film: plan.data[film] for film, _ in pairs}
    block = Block.of(plan.model, [(by_film[film], finding) for film, finding in pairs], start)
    rows = [_subject(study, finding) for study, finding in block.subjects]
    scores, shown = [], {}
    for name, method in plan.built.items():
        found = block.explain(method)
        maps.write(name, start // BLOCK, found)
        shown[name] = shown_of(found, method.evidence)
        facts = [
            {"method": name, "row": start + k, "flat": bool(np.ptp(each) == 0)}
            for k, each in enumerate(found)
        ]
        judged = block.judge(shown[name])
        scores += [row | fact | each for row, fact, each in zip(rows, facts, judged, strict=True)]
    for name, found in block.baselines().items():
        shown[name], fact = found, {"method": name, "row": -1, "flat": False}
        scores += [row | fact | each for row, each in zip(rows, block.judge(found), strict=True)]
    if plan.fidelity == "quick":
        return scores, []
    without = [each for pair in pairs if (each := plan.without(*pair)) is not None]
    faithful, curves = fidelity.judge(block, shown, without, lambda films: done(start + films))
    in_order = [each for name in shown for each in faithful[name]]
    return [row | each for row, each in zip(scores, in_order, strict=True)], curves


def _subject(study: Study, finding: str) -> dict[str, Any]:
    """What a row of scores says of its film and finding."""
    named = {"film": study.radiograph.id, "patient": study.patient, "finding": finding}
    return named | _attributes(study) | outline_facts(study, finding)


def _attributes(study: Study) -> dict[str, Any]:
    given = {**study.attributes, "view": study.radiograph.view or ""}
    return {name: given.get(name, np.nan if name == "age" else "") for name in ATTRIBUTES}

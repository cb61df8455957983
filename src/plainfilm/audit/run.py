"""Running an audit: every film is predicted, every outlined finding explained by every method.

Both stages write block after block, each under its final name only when it is whole, so an
audit that was interrupted goes on where it stopped and finds the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from plainfilm.audit.maps import BLOCK, MapStore
from plainfilm.audit.measures import Block, outline_facts
from plainfilm.audit.plan import Plan
from plainfilm.datasets.study import Study
from plainfilm.errors import ArtifactError, InputError, LabelError, NumericError
from plainfilm.io.atomic import atomic_write, check_output_folder, sweep, write_text

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
    """

    predictions: pd.DataFrame
    scores: pd.DataFrame
    excluded: dict[str, str]
    maps: MapStore


def run(plan: Plan, out: Path, progress: Progress, exclude: Exclude) -> Results:
    """Runs an audit into a folder, or goes on with the one that it holds.

    Raises:
        ArtifactError: where the folder holds another audit.
        InputError: for a film that cannot be read, unless ``exclude`` takes it; LabelError and
            NumericError likewise.
        ResourceError: where the folder cannot be written.
    """
    _open(plan, out)
    predicted = pd.concat(_predictions(plan, out, progress, exclude), ignore_index=True)
    excluded = predicted[predicted["excluded"] != ""].set_index("film")["excluded"].to_dict()
    pairs = [(film, finding) for film, finding in plan.pairs if plan.data.ids[film] not in excluded]
    maps = MapStore(out / "maps", len(pairs))
    scores = list(_scores(plan, pairs, maps, out, progress))
    return Results(
        predicted[predicted["excluded"] == ""].drop(columns="excluded").reset_index(drop=True),
        pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(),
        excluded,
        maps,
    )


def _open(plan: Plan, out: Path) -> None:
    """Notes what is audited, or compares it with what the folder holds."""
    blocks, path, identity = out / "blocks", out / "audit.json", plan.identity()
    for folder in (out, blocks):
        folder.mkdir(exist_ok=True)
        check_output_folder(folder)
        sweep(folder)
    if not path.exists():
        write_text(path, json.dumps(identity, indent=2))
    found = json.loads(path.read_text())
    changed = [key for key in identity if found.get(key) != identity[key]]
    if changed:
        raise ArtifactError(
            f"an audit with another {', '.join(changed)}", "the same audit, to go on with it", str(out),
            "Choose an empty folder.",
        )  # fmt: skip


def _predictions(plan: Plan, out: Path, progress: Progress, exclude: Exclude) -> Iterator[pd.DataFrame]:
    total = len(plan.data)
    truth = plan.data.labels(plan.findings)
    for start in range(0, total, FILMS):
        films = range(start, min(start + FILMS, total))
        path = out / "blocks" / f"predictions-{start // FILMS:06d}.parquet"
        if not path.exists():
            rows = [_predict(plan, film, truth[film], exclude) for film in films]
            _write(path, pd.DataFrame(rows))
        yield pd.read_parquet(path)
        progress("Predicting", films.stop, total)


def _predict(plan: Plan, index: int, truth: np.ndarray, exclude: Exclude) -> dict[str, Any]:
    film = plan.data.ids[index]
    row: dict[str, Any] = {"film": film, "patient": plan.data.patients[index], "excluded": ""}
    try:
        study = plan.data[index]
        image, _ = plan.model.prepare(study.radiograph)
        with torch.no_grad():
            logits = plan.model.logits(image)[0].double().cpu()
            probabilities = plan.model.probabilities(image)[0].double().cpu()
    except (InputError, LabelError, NumericError) as error:
        exclude(film, error, len(plan.data))
        return row | {"excluded": str(error)}
    places = [plan.model.index(name) for name in plan.findings]
    row |= _attributes(study)
    for k, (name, place) in enumerate(zip(plan.findings, places, strict=True)):
        row[f"logit:{name}"], row[f"probability:{name}"] = logits[place].item(), probabilities[place].item()
        row[f"truth:{name}"] = float(truth[k])
    return row


def _scores(
    plan: Plan, pairs: Sequence[Pair], maps: MapStore, out: Path, progress: Progress
) -> Iterator[pd.DataFrame]:
    for start in range(0, len(pairs), BLOCK):
        path = out / "blocks" / f"scores-{start // BLOCK:06d}.parquet"
        if not path.exists():
            rows = _explain(plan, pairs[start : start + BLOCK], start, maps)
            _write(path, pd.DataFrame(rows))
        yield pd.read_parquet(path)
        progress("Explaining", min(start + BLOCK, len(pairs)), len(pairs))


def _explain(plan: Plan, pairs: Sequence[Pair], start: int, maps: MapStore) -> list[dict[str, Any]]:
    """The scores of a block of films and findings; its maps go to the store."""
    by_film = {film: plan.data[film] for film, _ in pairs}
    block = Block.of(plan.model, [(by_film[film], finding) for film, finding in pairs], start)
    rows = [_subject(study, finding) for study, finding in block.subjects]
    scores = []
    for name, method in plan.built.items():
        found = block.explain(method)
        maps.write(name, start // BLOCK, found)
        judged = block.judge(found, method.evidence)
        facts = [
            {"method": name, "row": start + k, "flat": bool(np.ptp(each) == 0)}
            for k, each in enumerate(found)
        ]
        scores += [row | fact | each for row, fact, each in zip(rows, facts, judged, strict=True)]
    for name, found in block.baselines().items():
        judged = block.judge(found, "positive")
        scores += [
            row | {"method": name, "row": -1, "flat": False} | each
            for row, each in zip(rows, judged, strict=True)
        ]
    return scores


def _subject(study: Study, finding: str) -> dict[str, Any]:
    """What a row of scores says of its film and finding."""
    named = {"film": study.radiograph.id, "patient": study.patient, "finding": finding}
    return named | _attributes(study) | outline_facts(study, finding)


def _attributes(study: Study) -> dict[str, Any]:
    given = {"view": study.radiograph.view or "", **study.attributes}
    return {name: given.get(name, np.nan if name == "age" else "") for name in ATTRIBUTES}


def _write(path: Path, table: pd.DataFrame) -> None:
    with atomic_write(path) as file:
        table.to_parquet(file, index=False)

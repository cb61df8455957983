"""Table 1 and E.1 of Gifsplanation (Cohen et al. 2021): best-case IoU and AUROC, classifiers side by side.

    python benchmarks/localisation_table.py --data phantom:300 --models phantom
    python benchmarks/localisation_table.py --data nih --models phantom runs/mine --methods gradient grad-cam

For each finding and classifier: films in the order of the data that are labelled with the finding, have a
mask or boxes of it, and get a probability above 0; the first ``--limit`` of them. Each map is scored on the
model's grid, where the mask is drawn on it, as in the paper. Cells are the mean and the sample standard
deviation of best-case IoU over these films. AUROC is that of a balanced subset of all films, with DeLong's
interval.

``--reference`` does what the published code did: one film more than the limit, magnitudes of every map, and
masks that grow by antialiasing. The paper takes PA films alone (``--view PA``), and its AUROCs are truncated
to two digits; these here are rounded.

``--data nih`` and ``--data rsna`` are the real films with boxes under PLAINFILM_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plainfilm.attribution import explain_films
from plainfilm.attribution.explanation import Explanation
from plainfilm.attribution.registry import names
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.opening import open_data
from plainfilm.datasets.phantom import Phantom
from plainfilm.datasets.readers.nih import read_nih
from plainfilm.datasets.readers.rsna import read_rsna
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError, ModelError, NumericError
from plainfilm.metrics import balanced_auroc, best_case_iou, centre_prior
from plainfilm.metrics.baselines import CENTRE
from plainfilm.metrics.scoring import drawn
from plainfilm.models.classifier import Classifier
from plainfilm.models.zoo import load

METHODS = ("gradient", "guided-backprop", "integrated-gradients", "iterative-delete", "grad-cam")
LIMIT, BATCH = 80, 8


@dataclass
class Column:
    """What one classifier gets for one finding: values by method, over the same films."""

    model: str
    finding: str
    auroc: str = ""
    films: list[str] = field(default_factory=list)
    iou: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def opened(name: str, view: str | None) -> Manifest | Phantom:
    """A data set by name, or the films of one view of it."""
    data = real(name) if name in ("nih", "rsna") else open_data(name)
    if view is None:
        return data
    if isinstance(data, Phantom):
        raise InputError(f"view {view!r}", "none, for phantoms have no parts", name)
    return data.select(data.films["view"] == view)


def real(name: str) -> Manifest:
    """The real films under PLAINFILM_DATA: "nih" or "rsna"."""
    folder = Path(os.environ["PLAINFILM_DATA"]) / "nih"
    films = folder / "images_384"
    if name == "nih":
        table, boxes = folder / "Data_Entry_2017_v2020.subset.csv", folder / "BBox_List_2017.csv"
        return read_nih(films, table=table, boxes=boxes).here()
    table = folder / "rsna_on_nih.csv"
    return read_rsna(films, table=table, nih=table).here()


def probabilities(model: Classifier, data: Manifest | Phantom) -> np.ndarray:
    """Of all films and targets, ``(films, targets)``, one film in memory at a time."""
    rows = []
    for index in range(len(data)):
        image, _ = model.prepare(data[index].radiograph)
        with torch.no_grad():
            rows.append(model.probabilities(image)[0].double().cpu().numpy())
    return np.stack(rows)


def candidates(data: Manifest | Phantom, finding: str, scores: np.ndarray, limit: int) -> list[int]:
    """The first ``limit`` films that are labelled and outlined and whose probability is above 0."""
    labels, outlined = data.labels([finding])[:, 0], data.outlined()
    found = [k for k in range(len(data)) if labels[k] == 1 and finding in outlined[k] and scores[k] > 0]
    return found[:limit]


def mask_on(explanation: Explanation, study: Study, size: int, reference: bool) -> np.ndarray:
    """The mask on the model's grid; as published it covers every cell that it touches."""
    placement = explanation.placement.at((size, size))
    region = study.region(explanation.target)
    assert region is not None
    return placement.sample(region.astype(np.float32)) > 0 if reference else placement.sample_mask(region)


def evidence_of(explanation: Explanation, size: int, reference: bool) -> np.ndarray:
    """The map on the model's grid: its magnitude where that is what counts, and always as published."""
    magnitude = reference or explanation.evidence == "magnitude"
    return drawn(np.abs(explanation.map) if magnitude else explanation.map, (size, size))


def filled(
    column: Column, model: Classifier, data: Any, chosen: Sequence[int], asked: argparse.Namespace
) -> None:
    """Scores every method, and a centre prior, on the chosen films."""
    size = model.spec.size
    for start in range(0, len(chosen), BATCH):
        studies = [data[k] for k in chosen[start : start + BATCH]]
        films = [study.radiograph for study in studies]
        column.films += [film.id for film in films]
        masks: list[np.ndarray] = []
        for method in asked.methods:
            if method in column.refused:
                continue
            began = time.process_time()
            try:
                found = explain_films(model, films, column.finding, method)
            except (ModelError, NumericError) as error:
                column.refused[method] = str(error)
                continue
            column.seconds[method] = column.seconds.get(method, 0) + time.process_time() - began
            masks = [mask_on(e, s, size, asked.reference) for e, s in zip(found, studies, strict=True)]
            maps = [evidence_of(e, size, asked.reference) for e in found]
            column.iou.setdefault(method, []).extend(map(best_case_iou, maps, masks))
        prior = centre_prior((size, size))
        column.iou.setdefault(CENTRE, []).extend(best_case_iou(prior, mask) for mask in masks)


def columns(data: Any, asked: argparse.Namespace) -> Iterator[Column]:
    """One a finding and model, finding by finding."""
    models = {name: load(name) for name in asked.models}
    scores = {name: probabilities(model, data) for name, model in models.items()}
    outlined = {name for film in data.outlined() for name in film}
    for finding in asked.findings or [name for name in data.findings if name in outlined]:
        for name, model in models.items():
            if finding not in model.findings or finding not in data.findings:
                continue
            mine = scores[name][:, model.index(finding)]
            area = balanced_auroc(mine, data.labels([finding])[:, 0])
            column = Column(name, finding, f"{area} of {area.n_positive} and {area.n_negative}")
            chosen = candidates(data, finding, mine, asked.limit + asked.reference)
            filled(column, model, data, chosen, asked)
            yield column


def cell(values: Sequence[float]) -> str:
    """Mean and sample standard deviation over films with a mask on the grid."""
    known = np.array([value for value in values if not np.isnan(value)])
    spread = f"{known.std(ddof=1):.3f}" if known.size > 1 else "-"
    return f"{known.mean():.3f} ± {spread} ({known.size})" if known.size else "-"


def printed(column: Column) -> None:
    """One finding of one model."""
    print(f"\n{column.finding} · {column.model} · {len(column.films)} films · AUROC {column.auroc}")
    for method, values in column.iou.items():
        took = column.seconds.get(method)
        each = f"   {took / max(len(column.films), 1):.2f} s a film" if took is not None else ""
        print(f"  {method:<22} {cell(values)}{each}")
    for method, reason in column.refused.items():
        print(f"  {method:<22} refused: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="phantom:300")
    parser.add_argument("--models", nargs="+", default=["phantom"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=names())
    parser.add_argument("--findings", nargs="+")
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("--view")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for column in columns(opened(asked.data, asked.view), asked):
        printed(column)
        found.append(vars(column))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""plainfilm demo: everything once, on films whose truth is known exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plainfilm.cli.console import command_line, print_table, progress, say
from plainfilm.cli.explain import save_scores, show_scores
from plainfilm.cli.films import open_results
from plainfilm.cli.options import Device, Model, OnDevice
from plainfilm.cli.predict import load_model, save_predictions
from plainfilm.errors import InputError, ModelError
from plainfilm.findings import ALL, NIH

if TYPE_CHECKING:
    from plainfilm.datasets.phantom import Phantom
    from plainfilm.metrics.intervals import Interval
    from plainfilm.models.classifier import Classifier
    from plainfilm.reports.collector import Collector
    from plainfilm.reports.contact_sheet import Tile

HELD_OUT_SEED = 20_260
"""No recipe trains on phantoms of this seed."""

PREDICTED = 6
"""Films that are predicted for each film that is explained: areas under a curve need many."""

EXPLAINED = NIH[:8]
"""The findings that the NIH release has boxes for; fewer findings leave more films for each."""

PER_FILM = 2
"""Findings explained in one film, at most."""

METHODS = {"grad-cam": {}, "gradient": {}, "guided-backprop": {}, "integrated-gradients": {"steps": 12}}
TRUTH = "the exact outline of what was drawn"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the page, contact sheet and tables.")] = Path("demo"),
    films: Annotated[int, typer.Option(min=1, help="Films to explain; six times as many are read.")] = 24,
    size: Annotated[int, typer.Option(min=64, help="Side of the films in pixels.")] = 224,
    model: Model = "phantom",
    device: OnDevice = Device.AUTO,
) -> None:
    """Render radiographs with known findings, classify and explain them, and test the maps."""
    open_results(out)
    # Here, because help must not wait for torch.
    from plainfilm.datasets.phantom import Phantom
    from plainfilm.reports.collector import Collector
    from plainfilm.reports.contact_sheet import write_contact_sheet
    from plainfilm.reports.page import write_page

    phantom = Phantom(films * PREDICTED, size=size, seed=HELD_OUT_SEED)
    collector = Collector(load_model(model, device))
    chosen = choose_studies(phantom, films, explained_findings(collector.model))
    if not chosen:
        raise InputError(f"{len(phantom)} films without a finding to explain", advice="Raise --films.")
    areas = _classify(phantom, collector.model)
    tiles = _explain(phantom, chosen, collector)
    save_predictions(out, collector.predictions, collector.model.findings)
    save_scores(out, collector.scores)
    write_contact_sheet(out / "contact_sheet.png", tiles)
    report = collector.report("What a chest X-ray model looks at", command_line(), TRUTH, areas=areas)
    write_page(out / "index.html", report)
    _show(collector, areas)
    say(f"Page:          {out / 'index.html'}")
    say(f"Contact sheet: {out / 'contact_sheet.png'}")


def explained_findings(model: Classifier) -> tuple[str, ...]:
    """Those of ``EXPLAINED`` that the model knows, or, where it knows none, all that the phantom draws.

    Raises:
        ModelError: for a model that knows nothing that the phantom draws.
    """
    known = [name for name in ALL if name in model.findings]
    if not known:
        raise ModelError(
            f"a model of {', '.join(model.findings[:3])}", f"one that knows any of {', '.join(ALL)}",
            "--model", "Use 'plainfilm explain' with films that show what this model knows.",
        )  # fmt: skip
    return tuple(name for name in known if name in EXPLAINED) or tuple(known)


def choose_studies(
    phantom: Phantom, count: int, findings: Sequence[str] = EXPLAINED
) -> dict[int, tuple[str, ...]]:
    """Index to the findings to explain there, so that each finding comes up about equally often.

    Only the labels are looked at, never a picture or a prediction.
    """
    present = {k: [n for n in findings if phantom.content(k).labels[n]] for k in range(len(phantom))}
    times = dict.fromkeys(findings, 0)
    chosen: dict[int, tuple[str, ...]] = {}
    while len(chosen) < min(count, sum(map(bool, present.values()))):
        left = [k for k, names in present.items() if names and k not in chosen]
        # The first film with a finding that has come up least so far.
        best = min(left, key=lambda k: min(times[name] for name in present[k]))
        chosen[best] = tuple(sorted(present[best], key=times.__getitem__)[:PER_FILM])
        times |= {name: times[name] + 1 for name in chosen[best]}
    return chosen


def _classify(phantom: Phantom, model: Classifier) -> dict[str, Interval]:
    import numpy as np

    from plainfilm.metrics.classification import multilabel_auroc

    scores, truth = [], []
    for study in progress(phantom, "Classifying", len(phantom)):
        scores.append(model.predict(study.radiograph))
        truth.append(study.findings)
    known = [name for name in model.findings if name in truth[0]]
    table = [np.array([[row[name] for name in known] for row in rows]) for rows in (scores, truth)]
    return multilabel_auroc(table[0], table[1], known)


def _explain(phantom: Phantom, chosen: Mapping[int, Sequence[str]], collector: Collector) -> list[Tile]:
    from plainfilm.reports.collector import explanations_of
    from plainfilm.reports.contact_sheet import Tile

    tiles = []
    for index, names in progress(list(chosen.items()), "Explaining"):
        study, model = phantom[index], collector.model
        film = study.radiograph
        explanations = explanations_of(model, film, names, METHODS)
        # A finding too faint to outline is there all the same; it has no mask to score against.
        masks = {name: study.masks[name] for name in names if name in study.masks}
        collector.add(film, model.predict(film), explanations, masks, study.present)
        tiles.append(Tile(film.pixels, film.id, study.masks))
    return tiles


def _show(collector: Collector, areas: Mapping[str, Interval]) -> None:
    from plainfilm.reports.localisation import BASELINES, CENTRE, RANDOM, rows

    cells = [(name, str(area), str(area.n_positive)) for name, area in areas.items()]
    print_table(("finding", "AUROC (95 %)", "with it"), cells)
    known = [area.value for area in areas.values() if area.status != "undefined"]
    if known:
        say(f"Mean AUROC over {len(known)} findings: {sum(known) / len(known):.3f}")
    if not collector.scores:
        say("No finding in these films has an outline to locate; raise --films.")
        return
    table = rows(collector.scores)
    show_scores(table)
    overlap = {row.method: row.iou.value for row in table}
    best = max((name for name in overlap if name not in BASELINES), key=overlap.__getitem__)
    say(f"Best localisation: {best}, mean best-case IoU {overlap[best]:.3f}")
    say(f"Knowing nothing: centre prior {overlap[CENTRE]:.3f}, random map {overlap[RANDOM]:.3f}")

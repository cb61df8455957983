"""The page of an autoencoder: what it loses of the films, and what a classifier then misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import plainfilm
from plainfilm.audit.reconstruction import Discrimination, Impact, Pair, Reconstructing, errors
from plainfilm.io.atomic import write_text
from plainfilm.metrics.intervals import Interval
from plainfilm.reports.page import as_html, environment
from plainfilm.reports.wording import Remark, counted, listed, number

WINDOW = 0.25
"""A difference of so much of the grey range is black or white on the page; no difference is mid-grey."""

LITTLE = 0.5
"""Share of the variance below which a reconstruction is hardly one."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A pair ready to draw: film, reconstruction and difference in [0, 1]."""

    film: str
    present: tuple[str, ...]
    pictures: tuple[tuple[str, np.ndarray], ...]

    @classmethod
    def of(cls, pair: Pair) -> Shown:
        difference = (pair.reconstructed - pair.pixels) / (2 * WINDOW) + 0.5
        pictures = (
            ("film", pair.pixels),
            ("reconstruction", pair.reconstructed),
            ("difference", difference),
        )
        return cls(pair.film, pair.present, tuple((name, np.clip(p, 0, 1)) for name, p in pictures))


def write_reconstruction(
    path: Path,
    found: Reconstructing,
    impacts: Sequence[Impact],
    areas: Sequence[Discrimination],
    facts: Mapping[str, str],
    excluded: Mapping[str, str] | None = None,
) -> Path:
    """Writes the page as one HTML file, atomically.

    Args:
        path: The file.
        found: The films.
        impacts: Of the reconstruction on predictions; those of a label on its own target are shown.
        areas: AUROC before and after.
        facts: Label to value, printed at the end of the page.
        excluded: Film id to the reason why it is not among the films.

    Raises:
        ResourceError: where the folder cannot be written.
    """
    table = found.table
    sums = errors(table)
    page = environment().get_template("reconstruction.html.j2").render(
        films=len(table), patients=table["patient"].nunique(), errors=sums, areas=areas,
        impacts=[row for row in impacts if row.label in ("", row.target)], window=WINDOW,
        name=found.autoencoder.card.get("name", "autoencoder"), latent=found.autoencoder.latent,
        remarks=remarks(sums, areas, found), pairs=[Shown.of(pair) for pair in found.pairs],
        report=SimpleNamespace(excluded=excluded or {}, provenance=facts), version=plainfilm.__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )  # fmt: skip
    write_text(path, as_html(page))
    return path


def remarks(
    sums: Mapping[str, Interval], areas: Sequence[Discrimination], found: Reconstructing
) -> list[Remark]:
    """The sentences a reader should see first, worries before comfort."""
    said = []
    if not sums["explained"].value >= LITTLE:
        text = (
            f"The reconstructions explain {number(sums['explained'].value)} of the films' variance: they are "
            "hardly more than grey. Untrained weights or another range of grey levels are the usual causes."
        )
        said.append(Remark("worry", text))
    lost = [row.finding for row in areas if row.is_lost]
    kept = [row.finding for row in areas if row.difference.status == "ok" and not row.is_lost]
    if lost:
        text = (
            f"Reconstruction costs the classifier {listed(lost)}: the area under the ROC curve falls beyond "
            "chance. What is not drawn cannot come and go in a counterfactual film."
        )
        said.append(Remark("worry", text))
    if kept:
        text = f"No fall beyond chance is shown for {listed(kept)}; the intervals tell how large one may be."
        said.append(Remark("good", text))
    if not areas:
        text = "No finding is labelled both present and absent here: what a classifier misses is not tested."
        said.append(Remark("worry", text))
    if len(found.rows) > len(found.pairs):
        text = f"{len(found.pairs)} of {counted(len(found.rows), 'film')} are shown; the tables count all."
        said.append(Remark("note", text))
    return said

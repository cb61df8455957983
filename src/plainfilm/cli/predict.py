"""plainfilm predict: the probabilities of each finding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import plainfilm as pf
from plainfilm.cli.console import command_line, print_json, print_table, say
from plainfilm.cli.films import Quarantine, each_film, open_output, write_csv
from plainfilm.cli.options import AsJson, ErrorPolicy, Films, MaxExcluded, Model, OnError

if TYPE_CHECKING:
    from plainfilm.models.classifier import Classifier
    from plainfilm.radiograph import Radiograph

    Prediction = tuple[Radiograph, dict[str, float]]


def predict(
    films: Films,
    model: Model = "phantom",
    out: Annotated[Path | None, typer.Option(help="Folder for predictions.csv and index.html.")] = None,
    as_json: AsJson = False,
    on_error: ErrorPolicy = OnError.STOP,
    max_excluded: MaxExcluded = 0.05,
) -> None:
    """Print the probability of each finding in each film."""
    if out:
        open_output(out)
    from plainfilm.io.scan import find_films
    from plainfilm.reports.page import MOST_FILMS, Case

    paths = find_films(films)
    classifier = pf.load(model)
    quarantine = Quarantine(on_error, max_excluded)
    cases, rows, warnings = [], [], []
    for film, found in each_film(paths, "Predicting", lambda film: (film, classifier.predict(film)), quarantine):
        rows.append((film.id, found, film.warnings))
        warnings.extend(film.warnings)
        if out and len(cases) < MOST_FILMS:
            cases.append(Case.of(film, found))

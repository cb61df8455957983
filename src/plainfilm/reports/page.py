"""One HTML page that needs no other file: films, maps, probabilities, tables, warnings, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import plainfilm
from plainfilm.attribution.explanation import Explanation, Status
from plainfilm.attribution.picture import limits
from plainfilm.io.atomic import write_text
from plainfilm.metrics.intervals import Interval
from plainfilm.radiograph import Radiograph
from plainfilm.reports import figures, wording
from plainfilm.reports.localisation import Score, by_finding, rows
from plainfilm.reports.player import Player

COMPARABLE = ("bits per pixel",)
"""Units in which maps of different methods can be compared: these methods share one scale of colours."""

MOST_FILMS = 60
"""Films that a page shows; with more it would be slow to open. Tables count all of them."""


@dataclass(frozen=True, eq=False)
class Map:
    """A map as a page shows it: ``values`` lie on the film at display size.

    ``player`` holds the films that it was made of, where its method makes films; ``total`` is the sum over
    the network's input, for units of which a sum means something.
    """

    method: str
    target: str
    unit: str
    probability: float
    is_flat: bool
    values: np.ndarray
    total: float | None = None
    player: Player | None = None

    @classmethod
    def of(cls, explanation: Explanation) -> Map:
        """The map of an explanation, without its film."""
        total = float(explanation.map.sum()) if explanation.unit in COMPARABLE else None
        films = explanation.counterfactual
        return cls(
            explanation.method, explanation.target, explanation.unit, explanation.probability,
            explanation.status is Status.FLAT, figures.small_map(explanation), total,
            Player.of(films) if films else None,
        )  # fmt: skip

    @property
    def scale(self) -> str:
        """What has one scale on a page: the method, or the unit where methods compare in it."""
        return self.unit if self.unit in COMPARABLE else self.method

    @property
    def peak(self) -> float:
        """The value that is furthest from zero."""
        return float(self.values.flat[np.abs(self.values).argmax()])


@dataclass(frozen=True, eq=False)
class Case:
    """One film with all that a page says of it, at display size.

    Attributes:
        id: The film's id, however strange.
        facts: View, size and the like, ready to print.
        pixels: ``(h, w)`` in [0, 1].
        probabilities: Finding to probability.
        maps: In the order of targets, then methods.
        outlines: Finding to the border of its mask, as an SVG path.
        present: Findings known to be present; None where nothing is known.
        warnings: What the reader noticed.
    """

    id: str
    facts: tuple[str, ...]
    pixels: np.ndarray
    probabilities: Mapping[str, float]
    maps: tuple[Map, ...] = ()
    outlines: Mapping[str, str] = field(default_factory=dict)
    present: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        film: Radiograph,
        probabilities: Mapping[str, float],
        explanations: Sequence[Explanation] = (),
        masks: Mapping[str, np.ndarray] | None = None,
        present: Sequence[str] | None = None,
    ) -> Case:
        """What a page keeps of a film; masks are bool ``(H, W)`` on the film's own grid."""
        return cls(
            film.id, wording.facts(film), figures.small(film.pixels), probabilities,
            tuple(Map.of(explanation) for explanation in explanations),
            {name: figures.outline(mask) for name, mask in (masks or {}).items()},
            None if present is None else tuple(present), film.warnings,
        )  # fmt: skip

    @property
    def size(self) -> tuple[int, int]:
        """Height and width at display size."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def targets(self) -> tuple[str, ...]:
        """The findings that are explained, in order."""
        return tuple(dict.fromkeys(m.target for m in self.maps))


@dataclass(frozen=True, eq=False)
class Report:
    """What a page is made of.

    Attributes:
        title: Above everything.
        model: Name of the model.
        provenance: Label to value, printed at the end of the page.
        cases: The films to show, at most ``MOST_FILMS`` of them.
        films: How many films there were.
        operating_points: Finding to the probability from which on it is called present.
        areas: Finding to AUROC.
        scores: Of every map that could be scored.
        maps: How many maps were made, and how many of them are flat.
        truth: What the maps were scored against, in words.
        chosen: How the shown films were chosen, in a sentence.
        excluded: Film id to the reason why it is not among the films.
        warnings: Of all films, those not shown included.
        caution: What the model's card says its users should know.
        is_value: Whether the model answers with values, of a score for instance, and not with probabilities.
    """

    title: str
    model: str
    provenance: Mapping[str, str]
    cases: Sequence[Case]
    films: int
    operating_points: Mapping[str, float | None] = field(default_factory=dict)
    areas: Mapping[str, Interval] = field(default_factory=dict)
    scores: Sequence[Score] = ()
    maps: tuple[int, int] = (0, 0)
    truth: str = ""
    chosen: str = ""
    excluded: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    caution: str = ""
    is_value: bool = False

    @property
    def has_players(self) -> bool:
        """Whether any film moves, for which alone the page holds a script."""
        return any(m.player for case in self.cases for m in case.maps)

    @property
    def scales(self) -> dict[str, figures.Span]:
        """Method to the range of its colours, one for all films, so that maps can be compared.

        Methods whose unit is ``COMPARABLE`` have one range together. The range ends at the 90th percentile
        of the ends that the method's maps would have on their own (``limits``), maps of zeros left out, and
        is symmetric where any of the maps is signed.
        """
        spans: dict[str, list[figures.Span]] = {}
        for shown in (m for case in self.cases for m in case.maps):
            own = spans.setdefault(shown.scale, [])
            if shown.values.any():
                own.append(limits(shown.values))
        scale_of = {shown.method: shown.scale for case in self.cases for shown in case.maps}
        return {method: _common(spans[scale]) for method, scale in scale_of.items()}

    @property
    def shared(self) -> dict[str, list[str]]:
        """Unit to the methods that share its scale, where there are several."""
        found: dict[str, list[str]] = {}
        for method, scale in dict.fromkeys((m.method, m.scale) for case in self.cases for m in case.maps):
            found.setdefault(scale, []).append(method)
        return {scale: methods for scale, methods in found.items() if len(methods) > 1}


def _common(spans: Sequence[figures.Span]) -> figures.Span:
    top = float(np.percentile([high for _, high in spans], 90)) if spans else 1.0
    return (-top, top) if any(low < 0 for low, _ in spans) else (0.0, top)


def write_page(path: Path, report: Report) -> Path:
    """Renders a report as one HTML file, atomically.

    Everything that comes from outside is escaped, and no number that is not finite is written.

    Raises:
        ResourceError: where the folder cannot be written.
    """
    write_text(path, render(report))
    return path


def render(report: Report) -> str:
    """The page as HTML."""
    page = environment().get_template("page.html.j2").render(
        report=report, scales=report.scales, table=rows(report.scores), findings=by_finding(report.scores),
        remarks=wording.remarks(report), version=plainfilm.__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )  # fmt: skip
    return as_html(page)


def as_html(page: str) -> str:
    """A page that a file can hold: a file name that is not UTF-8 reaches Python as lone surrogates."""
    return page.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def environment() -> Environment:
    """The templates, with everything that comes from outside escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "number": wording.number, "range": wording.interval, "scale": wording.scale, "plain": wording.plain,
        "amount": wording.amount,
        "percent": lambda value: f"{100 * min(max(value, 0), 1):.1f}%",
    }  # fmt: skip
    environment.globals |= {
        "film_uri": figures.film_uri, "overlay_uri": figures.overlay_uri, "bar_stops": figures.bar_stops,
    }  # fmt: skip
    return environment

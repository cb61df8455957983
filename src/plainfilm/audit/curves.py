"""Mean curves of an audit, and whether its measures of fidelity rank methods alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from plainfilm.metrics.agreement import rank_agreement
from plainfilm.metrics.baselines import BASELINES
from plainfilm.metrics.bootstrap import mean_band
from plainfilm.metrics.intervals import Interval
from plainfilm.metrics.measures import MEASURES

CURVES = ("insertion", "deletion", "sensitivity_n")

FEWEST_RANKED = 3
"""Methods below which a ranking says nothing: two are in one order or the other."""


@dataclass(frozen=True)
class Curve:
    """One method's mean over films.

    Attributes:
        method: Its name.
        shares: Of the pixels that are changed, ``(points,)``, rising.
        values: The mean at each share, with an interval over patients.
    """

    method: str
    shares: tuple[float, ...]
    values: tuple[Interval, ...]

    @property
    def is_baseline(self) -> bool:
        return self.method in BASELINES


def mean_curves(points: pd.DataFrame) -> dict[str, tuple[Curve, ...]]:
    """Name of a curve to those of the methods, in the order of the points (``fidelity.judge``)."""
    found = {}
    for name in CURVES if len(points) else ():
        own = points[points["curve"] == name]
        methods = list(dict.fromkeys(own["method"]))
        found[name] = tuple(_curve(method, own[own["method"] == method]) for method in methods)
    return found


def measure_agreement(
    scores: pd.DataFrame, methods: Sequence[str], measures: Sequence[str]
) -> Mapping[tuple[str, str], Interval]:
    """Kendall's tau between the rankings of methods, baselines left out, by each two measures.

    Nothing for fewer than ``FEWEST_RANKED`` methods or two measures.
    """
    if len(methods) < FEWEST_RANKED or len(measures) < 2:
        return {}
    subjects = ["film", "finding"]
    wide = {
        name: scores.pivot(index=subjects, columns="method", values=name)[[*methods]] for name in measures
    }
    patients = scores.drop_duplicates(subjects).set_index(subjects)["patient"]
    lower = [name for name in measures if not MEASURES[name].higher_is_better]
    order = next(iter(wide.values())).index
    return rank_agreement(
        {name: table.to_numpy(float) for name, table in wide.items()},
        patients.loc[order].to_list(), lower,
    )  # fmt: skip


def _curve(method: str, points: pd.DataFrame) -> Curve:
    wide = points.pivot(index=["film", "finding"], columns="share", values="value")
    patients = points.drop_duplicates(["film", "finding"]).set_index(["film", "finding"])["patient"]
    band = mean_band(wide.to_numpy(float), patients=patients.loc[wide.index].to_list())
    return Curve(method, tuple(map(float, wide.columns)), tuple(band))

"""What an attribution method says about one film, kept in its own unit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from plainfilm.attribution.counterfactual import Counterfactual
from plainfilm.attribution.picture import save_overlay
from plainfilm.errors import ArtifactError, InputError, ModelError
from plainfilm.io.arrays import read_npz
from plainfilm.io.atomic import atomic_write
from plainfilm.radiograph import Placement, Radiograph


class Status(StrEnum):
    """How an attribution ended; ``sentence`` says it to a reader."""

    OK = "ok"
    FLAT = "flat"
    NOT_REACHED = "not reached"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "The map varies over the film.",
    Status.FLAT: "The map is constant: nothing in this film moves the score, or the film itself is constant.",
    Status.NOT_REACHED: "The prediction did not fall as far as asked; the map shows how far the search went.",
}


@dataclass(frozen=True, eq=False)
class Explanation:
    """One map with everything needed to draw, score and repeat it.

    Attributes:
        map: float32 ``(h, w)``, raw and signed, never rescaled.
        unit: What one unit of the map means.
        target: The finding that is explained.
        method: The method's name, as ``plainfilm list`` prints it.
        settings: The method's settings.
        status: Whether the map says anything.
        placement: Where the map lies on the film.
        film: The film.
        probability: What the model gives the target on this film; where its output is a value, that value.
        evidence: Which part of the map counts as evidence for the target: "positive"
            values, or the "magnitude" where the sign has no place on a film.
        provenance: Versions, model and film by hash.
        output: Whether the model returns a "logit", a "probability" or a "value".
        counterfactual: The films that the map was made of, where the method makes films.
    """

    map: np.ndarray = field(repr=False)
    unit: str
    target: str
    method: str
    settings: Mapping[str, Any]
    status: Status
    placement: Placement
    film: Radiograph
    probability: float
    evidence: str = "positive"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    output: str = "logit"
    counterfactual: Counterfactual | None = field(default=None, repr=False)

    def on_film(self) -> np.ndarray:
        """The map on the film's own grid, float32 ``(H, W)``; 0 where the model saw nothing."""
        return self.placement.restore(self.map)

    def evidence_on_film(self, against: bool = False) -> np.ndarray:
        """What localisation is scored on: ``on_film`` without values that speak against, ``(H, W)`` >= 0.

        Args:
            against: The other side instead: what lowers the score.

        Raises:
            ModelError: for evidence against where the map's sign has no place on a film.
        """
        if against and self.evidence != "positive":
            raise ModelError(
                f"a map of {self.method}, scored on its {self.evidence}", "a map whose sign has a meaning",
                "evidence_on_film", "Ask grad-cam or occlusion what speaks against a finding.",
            )  # fmt: skip
        values = -self.map if against else self.map if self.evidence == "positive" else np.abs(self.map)
        return self.placement.restore(np.maximum(values, 0))

    def save(self, path: str | Path) -> Path:
        """Writes a picture (.png, .jpg, .webp) or the raw map with its record (.npz), atomically.

        Films that move are written by ``counterfactual.save``.

        Raises:
            InputError: for another suffix.
            ResourceError: where the folder cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in (*_PICTURES, ".npz"):
            raise InputError(f"suffix {path.suffix!r}", ", ".join((*_PICTURES, ".npz")), path.name)
        with atomic_write(path) as file:
            if path.suffix.lower() == ".npz":
                np.savez_compressed(file, map=self.map, record=np.array(json.dumps(self.record())))
            else:
                save_overlay(file, self, _PICTURES[path.suffix.lower()])
        return path

    def record(self) -> dict[str, Any]:
        """Everything but pixels, ready for JSON."""
        return {
            "film": self.film.id,
            "target": self.target,
            "probability": self.probability,
            "output": self.output,
            "method": self.method,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "status": self.status.value,
            "unit": self.unit,
            "evidence": self.evidence,
            "placement": asdict(self.placement),
            "provenance": dict(self.provenance),
            **({"counterfactual": self.counterfactual.record()} if self.counterfactual else {}),
        }  # fmt: skip


_PICTURES = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | None) else repr(value)


def load_map(path: str | Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The raw map ``(h, w)`` and the record of an ``.npz`` that ``Explanation.save`` wrote.

    Raises:
        ArtifactError: where the file is damaged, or holds anything but plain arrays.
    """
    path = Path(path)
    stored = read_npz(path)
    try:
        return stored["map"], json.loads(str(stored["record"]))
    except (ValueError, KeyError) as error:
        raise ArtifactError(
            f"a file that cannot be read ({error})", "a saved explanation", path.name
        ) from error

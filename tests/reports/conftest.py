"""Explanations without a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plainfilm.attribution.explanation import Explanation, Status
from plainfilm.radiograph import Placement, Radiograph


@pytest.fixture
def film() -> Radiograph:
    rows, columns = np.mgrid[:40, :32]
    return Radiograph((rows + columns).astype(np.float32) / 72, id="film-1", view="PA")


@pytest.fixture
def explained(film: Radiograph) -> Callable[..., Explanation]:
    """An explanation of ``film`` from a map."""

    def explain(values: np.ndarray, **changes: Any) -> Explanation:
        shape = values.shape[0], values.shape[1]
        given: dict[str, Any] = {
            "map": values.astype(np.float32), "unit": "logit per cell", "target": "Mass",
            "method": "grad-cam", "settings": {}, "status": Status.OK,
            "placement": Placement.resize(film.size, shape), "film": film, "probability": 0.8,
        }  # fmt: skip
        return Explanation(**(given | changes))

    return explain

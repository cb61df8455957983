"""Plainfilm: trustworthy explanations for chest X-ray models.

Names load when they are first used, so that importing the package costs nothing
and never imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

if TYPE_CHECKING:
    from plainfilm.attribution.explain import explain
    from plainfilm.attribution.explanation import Explanation
    from plainfilm.errors import PlainfilmError
    from plainfilm.io.read import read
    from plainfilm.models.classifier import Classifier, wrap
    from plainfilm.models.zoo import load
    from plainfilm.radiograph import Placement, Radiograph

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "models.classifier",
    "Explanation": "attribution.explanation",
    "Placement": "radiograph",
    "PlainfilmError": "errors",
    "Radiograph": "radiograph",
    "explain": "attribution.explain",
    "load": "models.zoo",
    "read": "io.read",
    "wrap": "models.classifier",
}

__all__ = [
    "Classifier",
    "Explanation",
    "Placement",
    "PlainfilmError",
    "Radiograph",
    "__version__",
    "explain",
    "load",
    "read",
    "wrap",
]

__getattr__ = loads_on_first_use(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__

"""Plainfilm: trustworthy explanations for chest X-ray models.

Names load when they are first used, so that importing the package costs nothing
and never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'plainfilm' has no attribute {name!r}")
    value = getattr(import_module(f"plainfilm.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

"""Attribution: which pixels a score rests on. One method a file; names load when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plainfilm.attribution.explain import explain_films
    from plainfilm.attribution.explanation import Explanation, Status
    from plainfilm.attribution.gradcam import GradCAM
    from plainfilm.attribution.gradient import Gradient
    from plainfilm.attribution.guided_backprop import GuidedBackprop
    from plainfilm.attribution.integrated_gradients import IntegratedGradients
    from plainfilm.attribution.method import Method

_HOMES = {
    "Explanation": "explanation",
    "GradCAM": "gradcam",
    "Gradient": "gradient",
    "GuidedBackprop": "guided_backprop",
    "IntegratedGradients": "integrated_gradients",
    "Method": "method",
    "Status": "explanation",
    "explain_films": "explain",
}

__all__ = [
    "Explanation",
    "GradCAM",
    "Gradient",
    "GuidedBackprop",
    "IntegratedGradients",
    "Method",
    "Status",
    "explain_films",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'plainfilm.attribution' has no attribute {name!r}")
    value = getattr(import_module(f"plainfilm.attribution.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

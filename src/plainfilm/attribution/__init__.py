"""Attribution: which pixels a score rests on. One method a file; names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

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

__getattr__ = loads_on_first_use(__name__, _HOMES)

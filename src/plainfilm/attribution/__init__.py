"""Attribution: which pixels a score rests on. One method a file; names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

if TYPE_CHECKING:
    from plainfilm.attribution.deeplift import DeepLift
    from plainfilm.attribution.expected_gradients import ExpectedGradients
    from plainfilm.attribution.explain import explain_films
    from plainfilm.attribution.explanation import Explanation, Status
    from plainfilm.attribution.gradcam import GradCAM
    from plainfilm.attribution.gradcam_plus_plus import GradCAMPlusPlus
    from plainfilm.attribution.gradient import Gradient
    from plainfilm.attribution.guided_backprop import GuidedBackprop
    from plainfilm.attribution.integrated_gradients import IntegratedGradients
    from plainfilm.attribution.lrp import LRP
    from plainfilm.attribution.method import Method
    from plainfilm.attribution.occlusion import Occlusion
    from plainfilm.attribution.smoothgrad import SmoothGrad

_HOMES = {
    "LRP": "lrp",
    "DeepLift": "deeplift",
    "ExpectedGradients": "expected_gradients",
    "Explanation": "explanation",
    "GradCAM": "gradcam",
    "GradCAMPlusPlus": "gradcam_plus_plus",
    "Gradient": "gradient",
    "GuidedBackprop": "guided_backprop",
    "IntegratedGradients": "integrated_gradients",
    "Method": "method",
    "Occlusion": "occlusion",
    "SmoothGrad": "smoothgrad",
    "Status": "explanation",
    "explain_films": "explain",
}

__all__ = [
    "LRP",
    "DeepLift",
    "ExpectedGradients",
    "Explanation",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GuidedBackprop",
    "IntegratedGradients",
    "Method",
    "Occlusion",
    "SmoothGrad",
    "Status",
    "explain_films",
]

__getattr__ = loads_on_first_use(__name__, _HOMES)

"""Attribution: which pixels a score rests on. One method a file; names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

if TYPE_CHECKING:
    from plainfilm.attribution.bottleneck import Bottleneck
    from plainfilm.attribution.counterfactual import Counterfactual
    from plainfilm.attribution.deeplift import DeepLift
    from plainfilm.attribution.expected_gradients import ExpectedGradients
    from plainfilm.attribution.explain import explain_films
    from plainfilm.attribution.explanation import Explanation, Status
    from plainfilm.attribution.feature_statistics import FeatureStatistics
    from plainfilm.attribution.gradcam import GradCAM
    from plainfilm.attribution.gradcam_plus_plus import GradCAMPlusPlus
    from plainfilm.attribution.gradient import Gradient
    from plainfilm.attribution.guided_backprop import GuidedBackprop
    from plainfilm.attribution.integrated_gradients import IntegratedGradients
    from plainfilm.attribution.iterative_delete import IterativeDelete
    from plainfilm.attribution.latent_shift import LatentShift
    from plainfilm.attribution.lrp import LRP
    from plainfilm.attribution.method import Method
    from plainfilm.attribution.multilayer_bottleneck import MultiLayerBottleneck
    from plainfilm.attribution.occlusion import Occlusion
    from plainfilm.attribution.smoothgrad import SmoothGrad

_HOMES = {
    "LRP": "lrp",
    "Bottleneck": "bottleneck",
    "Counterfactual": "counterfactual",
    "DeepLift": "deeplift",
    "ExpectedGradients": "expected_gradients",
    "Explanation": "explanation",
    "FeatureStatistics": "feature_statistics",
    "GradCAM": "gradcam",
    "GradCAMPlusPlus": "gradcam_plus_plus",
    "Gradient": "gradient",
    "GuidedBackprop": "guided_backprop",
    "IntegratedGradients": "integrated_gradients",
    "IterativeDelete": "iterative_delete",
    "LatentShift": "latent_shift",
    "Method": "method",
    "MultiLayerBottleneck": "multilayer_bottleneck",
    "Occlusion": "occlusion",
    "SmoothGrad": "smoothgrad",
    "Status": "explanation",
    "explain_films": "explain",
}

__all__ = [
    "LRP",
    "Bottleneck",
    "Counterfactual",
    "DeepLift",
    "ExpectedGradients",
    "Explanation",
    "FeatureStatistics",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GuidedBackprop",
    "IntegratedGradients",
    "IterativeDelete",
    "LatentShift",
    "Method",
    "MultiLayerBottleneck",
    "Occlusion",
    "SmoothGrad",
    "Status",
    "explain_films",
]

__getattr__ = loads_on_first_use(__name__, _HOMES)

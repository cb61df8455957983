"""Attribution methods by name: our own, and those of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from plainfilm.attribution.method import Attribution
from plainfilm.errors import ModelError
from plainfilm.models.classifier import Classifier

OURS = {
    "gradient": "plainfilm.attribution.gradient:Gradient",
    "guided-backprop": "plainfilm.attribution.guided_backprop:GuidedBackprop",
    "integrated-gradients": "plainfilm.attribution.integrated_gradients:IntegratedGradients",
    "grad-cam": "plainfilm.attribution.gradcam:GradCAM",
    "deeplift": "plainfilm.attribution.deeplift:DeepLift",
    "lrp": "plainfilm.attribution.lrp:LRP",
    "grad-cam++": "plainfilm.attribution.gradcam_plus_plus:GradCAMPlusPlus",
    "smoothgrad": "plainfilm.attribution.smoothgrad:SmoothGrad",
    "expected-gradients": "plainfilm.attribution.expected_gradients:ExpectedGradients",
    "iterative-delete": "plainfilm.attribution.iterative_delete:IterativeDelete",
    "occlusion": "plainfilm.attribution.occlusion:Occlusion",
    "iba": "plainfilm.attribution.bottleneck:Bottleneck",
    "inverse-iba": "plainfilm.attribution.bottleneck:InverseBottleneck",
    "multilayer-iba": "plainfilm.attribution.multilayer_bottleneck:MultiLayerBottleneck",
    "latent-shift": "plainfilm.attribution.latent_shift:LatentShift",
}
"""Name to home; a method is imported when it is asked for, since some bring heavy libraries."""


def names() -> tuple[str, ...]:
    """All methods that can be named, ours first."""
    return (*OURS, *sorted(point.name for point in entry_points(group="plainfilm.attribution")))


def method_class(name: str) -> type[Attribution]:
    """The class of the method called ``name``.

    Raises:
        ModelError: with close matches for an unknown name.
    """
    if name in OURS:
        module, attribute = OURS[name].split(":")
        found: type[Attribution] = getattr(import_module(module), attribute)
        return found
    for point in entry_points(group="plainfilm.attribution", name=name):
        loaded: type[Attribution] = point.load()
        return loaded
    close = get_close_matches(name, names(), n=2, cutoff=0.4) or names()
    raise ModelError(f"method {name!r}", "a known method", "method", f"Choose from: {', '.join(close)}.")


def build_method(name: str, model: Classifier, settings: Mapping[str, Any]) -> Attribution:
    """The method called ``name`` on a classifier.

    Args:
        name: As ``names`` lists it.
        model: The classifier. Where its card names a file of feature "statistics" or an "autoencoder",
            methods that need one and are given none take that; likewise what its network returns.
        settings: The method's settings by name.

    Raises:
        ModelError: for an unknown name, or a setting that the method does not know.
    """
    method = method_class(name)
    known = method.setting_names()
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise ModelError(f"setting {unknown[0]!r}", f"one of {', '.join(known)}", name)
    companions = {what: model.card[what] for what in COMPANIONS if what in known and what in model.card}
    if "output" in known:
        companions["output"] = model.output
    build: Any = method
    built: Attribution = build(model.network if method.of_network else model, **{**companions, **settings})
    return built


COMPANIONS = ("statistics", "autoencoder")
"""Artefacts beside a model that its card may name."""

"""Attribution methods by name: our own, and those of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from torch import nn

from plainfilm.attribution.method import Method
from plainfilm.errors import ModelError

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
}
"""Name to home; a method is imported when it is asked for, since some bring heavy libraries."""


def names() -> tuple[str, ...]:
    """All methods that can be named, ours first."""
    return (*OURS, *sorted(point.name for point in entry_points(group="plainfilm.attribution")))


def method_class(name: str) -> type[Method]:
    """The class of the method called ``name``.

    Raises:
        ModelError: with close matches for an unknown name.
    """
    if name in OURS:
        module, attribute = OURS[name].split(":")
        found: type[Method] = getattr(import_module(module), attribute)
        return found
    for point in entry_points(group="plainfilm.attribution", name=name):
        loaded: type[Method] = point.load()
        return loaded
    close = get_close_matches(name, names(), n=2, cutoff=0.4) or names()
    raise ModelError(f"method {name!r}", "a known method", "method", f"Choose from: {', '.join(close)}.")


def build_method(
    name: str,
    network: nn.Module,
    settings: Mapping[str, Any],
    card: Mapping[str, Any] | None = None,
    output: str = "",
) -> Method:
    """The method called ``name`` on a network.

    Args:
        name: As ``names`` lists it.
        network: The network.
        settings: The method's settings by name.
        card: The model's card. Where it names a file of feature "statistics", methods that need them and
            are given none take that.
        output: What the network returns, "logit" for instance, for methods that ask and are not told.

    Raises:
        ModelError: for an unknown name, or a setting that the method does not know.
    """
    method = method_class(name)
    known = [each.name for each in fields(method) if each.name != "network"]
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise ModelError(f"setting {unknown[0]!r}", f"one of {', '.join(known)}", name)
    if "statistics" in known and card and "statistics" in card:
        settings = {"statistics": card["statistics"], **settings}
    if "output" in known and output:
        settings = {"output": output, **settings}
    return method(network, **settings)

"""Attribution methods by name: our own, and those of other packages."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from plainfilm.attribution.method import Method
from plainfilm.errors import ModelError

OURS = {
    "gradient": "plainfilm.attribution.gradient:Gradient",
    "guided-backprop": "plainfilm.attribution.guided_backprop:GuidedBackprop",
    "integrated-gradients": "plainfilm.attribution.integrated_gradients:IntegratedGradients",
    "grad-cam": "plainfilm.attribution.gradcam:GradCAM",
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

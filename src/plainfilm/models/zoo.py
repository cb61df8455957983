"""Classifiers by name or by file."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.state_dict import read_state_dict
from plainfilm.models.classifier import Classifier
from plainfilm.models.foreign import XRV_NAMES, load_densenet, load_torchxrayvision
from plainfilm.models.jfhealthcare import from_tensors, is_jfhealthcare
from plainfilm.models.spec import InputSpec
from plainfilm.models.store import load_classifier

SHIPPED = Path(__file__).parent / "weights"
"""Checkpoints that come with the package, trained by its own recipes on the phantom."""

OURS = ("phantom",)

XRV = "xrv/"

PICKLED = (".pt", ".pth")


def load(name: str | Path, targets: Sequence[str] | None = None, spec: InputSpec | None = None) -> Classifier:
    """Loads a classifier by name or by file.

    Args:
        name: One of ``available()``; or a run folder, or a ``.safetensors`` or ``.json`` file of a
            checkpoint; or a ``.pt`` or ``.pth`` state dict of a DenseNet or of JF Healthcare's classifier.
        targets: Names of the outputs, for a state dict alone.
        spec: What the network was trained with, for a state dict alone.

    Returns:
        The classifier, in evaluation mode, on the CPU.

    Raises:
        ModelError: for an unknown name, or a state dict without targets and spec, or these
            with anything else.
        ArtifactError: for files that are missing, damaged or could run code.
    """
    path = Path(name)
    if path.suffix in PICKLED:
        return _load_state_dict(path, targets, spec)
    if targets is not None or spec is not None:
        raise ModelError("targets or spec", "neither", str(name), "A checkpoint tells them by itself.")
    if str(name) in available(installed=False):
        return _load_named(str(name))
    if path.exists() or path.suffix in (".safetensors", ".json"):
        return load_classifier(path)
    close = get_close_matches(str(name), available(), cutoff=0.5)
    advice = f"Did you mean {' or '.join(map(repr, close))}?" if close else "A file must exist to be loaded."
    raise ModelError(f"{str(name)!r}", f"one of {', '.join(available())}, or a file", "load", advice)


def available(installed: bool = True) -> tuple[str, ...]:
    """The names that ``load`` knows, by default without those of packages that are not installed."""
    if installed and find_spec("torchxrayvision") is None:
        return OURS
    return OURS + tuple(XRV + name for name in XRV_NAMES)


def _load_named(name: str) -> Classifier:
    if name.startswith(XRV):
        return load_torchxrayvision(name.removeprefix(XRV))
    return load_classifier(SHIPPED / f"{name}.json")


def _load_state_dict(path: Path, targets: Sequence[str] | None, spec: InputSpec | None) -> Classifier:
    if not path.exists():
        raise ArtifactError(f"no file {path}", "a state dict", path.name)
    if targets is None and spec is None:
        tensors = read_state_dict(path)
        if is_jfhealthcare(tensors):
            return from_tensors(tensors, path.name)
    if targets is None or spec is None:
        raise ModelError(
            "a state dict alone", "its targets and input as well", path.name,
            "Use load(path, targets=[...], spec=InputSpec(size, low, high, channels)).",
        )  # fmt: skip
    return load_densenet(path, targets, spec)

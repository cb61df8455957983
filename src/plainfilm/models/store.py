"""Classifiers to and from checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import load_strictly, read_checkpoint, write_checkpoint
from plainfilm.models.classifier import Classifier
from plainfilm.models.densenet import DenseNet
from plainfilm.models.spec import InputSpec

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"densenet": DenseNet}
"""Networks that a card can name; each keeps the arguments it was built with in ``arguments``."""

STATISTICS = "statistics"
"""The key of a card that names a file of feature statistics, relative to the card."""

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, ModelError)
"""What a card raises whose values are not those that ``save_classifier`` writes."""


def save_classifier(classifier: Classifier, path: Path | str, card: Mapping[str, Any] | None = None) -> Path:
    """Writes a classifier so that ``load_classifier`` rebuilds it.

    Args:
        classifier: One whose network is among ``ARCHITECTURES``.
        path: A folder, or a ``.safetensors`` file (``write_checkpoint``).
        card: JSON values to tell with it (recipe, seed, data, metrics), over those that it has. Here
            "statistics" names a file of feature statistics, beside the card; those that the classifier
            came with are not told again, since its weights may have changed.

    Returns:
        The path of the card.

    Raises:
        ModelError: if the network is of another kind and could not be rebuilt from a name, or
            does not fit its own targets and input.
        NumericError, ResourceError: as ``write_checkpoint``.
    """
    if type(classifier) is not Classifier:
        raise ModelError(
            f"a {type(classifier).__name__}", "a Classifier", "save_classifier",
            "Save a calibration in its own file: Calibration.save().",
        )  # fmt: skip
    network = classifier.network
    names = [name for name, kind in ARCHITECTURES.items() if type(network) is kind]
    if not names:
        raise ModelError(
            f"a {type(network).__name__}", f"one of {', '.join(ARCHITECTURES)}", "save_classifier",
            "Save the state dict of your own network yourself and wrap the network after loading.",
        )  # fmt: skip
    arguments: Any = network.arguments
    check_fit(arguments, classifier.targets, classifier.spec)
    described = {
        "architecture": {"name": names[0], "arguments": arguments},
        "targets": classifier.targets,
        "input": asdict(classifier.spec),
        "output": classifier.output,
        "operating_points": classifier.operating_points,
    }
    known = {name: value for name, value in classifier.card.items() if name != STATISTICS}
    return write_checkpoint(Path(path), network.state_dict(), {**known, **(card or {}), **described})


def load_classifier(path: Path | str) -> Classifier:
    """Rebuilds a classifier that ``save_classifier`` wrote, in evaluation mode.

    Raises:
        ArtifactError: if the files are damaged (``read_checkpoint``), or the card describes no
            classifier, or another one than the weights are of.
    """
    checkpoint = read_checkpoint(Path(path))
    card, where = dict(checkpoint.card), checkpoint.path.name
    if STATISTICS in card:
        card[STATISTICS] = str(checkpoint.path.parent / card[STATISTICS])
    network = _build(card, where)
    load_strictly(network, checkpoint.tensors, where)
    try:
        spec = InputSpec(**_without_lists(card["input"]))
        check_fit(card["architecture"]["arguments"], card["targets"], spec)
        return Classifier(
            network.eval(), card["targets"], spec, card["output"], card, card["operating_points"]
        )
    except MALFORMED as problem:
        raise _no_classifier(where, problem) from problem


def check_fit(arguments: Mapping[str, Any], targets: Sequence[str], spec: InputSpec) -> None:
    """Compares targets and input with the arguments that a network was built with.

    Raises:
        ModelError: if the number of targets or of channels differs.
    """
    outputs, channels = arguments["num_classes"], arguments["in_channels"]
    if (len(targets), spec.channels) != (outputs, channels):
        raise ModelError(
            f"{len(targets)} targets and {spec.channels} channels",
            f"{outputs} and {channels}, as the network has", "Classifier",
        )  # fmt: skip


def _build(card: Mapping[str, Any], where: str) -> nn.Module:
    try:
        name, arguments = card["architecture"]["name"], card["architecture"]["arguments"]
        if name in ARCHITECTURES:
            return ARCHITECTURES[name](**_without_lists(arguments))
    except MALFORMED as problem:
        raise _no_classifier(where, problem) from problem
    raise ArtifactError(
        f"architecture {name!r}",
        f"one of {', '.join(ARCHITECTURES)}",
        where,
        "A newer plainfilm may know it.",
    )


def _without_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _no_classifier(where: str, problem: Exception) -> ArtifactError:
    return ArtifactError(f"a card that describes no classifier ({problem})", "one of save_classifier", where)

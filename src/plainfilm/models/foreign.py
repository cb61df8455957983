"""DenseNets that others trained: state dicts of torchvision, torchxrayvision and CheXNet.

All of them become our DenseNet with logits. Calibrated outputs are undone: what torchxrayvision
builds into its outputs ("op_threshs") becomes the operating points of the classifier.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import load_strictly
from plainfilm.io.module_pickle import read_module_pickle
from plainfilm.io.state_dict import read_state_dict
from plainfilm.models.classifier import Classifier
from plainfilm.models.densenet import DenseNet
from plainfilm.models.spec import InputSpec
from plainfilm.models.store import check_fit

XRV_NAMES = tuple(
    f"densenet121-res224-{data}" for data in ("all", "nih", "pc", "chex", "mimic_nb", "mimic_ch", "rsna")
)
"""The DenseNets of torchxrayvision, by the names it gives them."""

XRV_RANGE = (-1024.0, 1024.0)

FIRST = "features.conv0.weight"
LAYER = re.compile(r"features\.denseblock(\d+)\.denselayer\d+\.conv2\.weight")
THRESHOLDS = "op_threshs"


def load_densenet(path: Path, targets: Sequence[str], spec: InputSpec) -> Classifier:
    """A classifier from a state dict of a DenseNet, in a ``.pt`` or ``.pth`` file.

    Args:
        path: The file (``read_state_dict``).
        targets: Names of the outputs; the file does not tell them.
        spec: What the network was trained with; the file does not tell it either.

    Raises:
        ArtifactError: if the file is refused or holds another network.
        ModelError: if targets or spec do not fit the weights.
    """
    tensors = read_state_dict(path)
    return _classifier(tensors, targets, spec, path.name)


def from_torchxrayvision(model: Any) -> Classifier:
    """Our DenseNet with the weights, targets and operating points of a live torchxrayvision DenseNet.

    Raises:
        ArtifactError: if the model is another network.
    """
    spec = InputSpec(getattr(model, "input_resolution", 224), *XRV_RANGE)
    return _classifier(model.state_dict(), model.targets, spec, "torchxrayvision")


def load_torchxrayvision(name: str) -> Classifier:
    """One of torchxrayvision's public DenseNets, from the release's file in its cache folder.

    The files are whole pickled modules, which run code when torch loads them. Here the tensors alone are
    taken out and nothing is run (``read_module_pickle``). Nothing is downloaded.

    Args:
        name: One of ``XRV_NAMES``.

    Raises:
        ArtifactError: if torchxrayvision or the weights are missing, with what to do.
    """
    library = _torchxrayvision()
    facts = library.models.model_urls[name]
    path = Path(library.utils.get_cache_dir()).expanduser() / Path(facts["weights_url"]).name
    if not path.exists():
        raise ArtifactError(
            f"no file {path}", "the weights of the model", f"xrv/{name}",
            f"Fetch {facts['weights_url']} and put it there; nothing in it is run.",
        )  # fmt: skip
    tensors = {THRESHOLDS: library.models.torch.tensor(facts["op_threshs"]), **read_module_pickle(path)}
    return _classifier(tensors, facts["labels"], InputSpec(facts["input_resolution"], *XRV_RANGE), path.name)


def _torchxrayvision() -> ModuleType:
    # It takes seconds to import and turns all warnings off for good, so it comes late and caught.
    try:
        with warnings.catch_warnings():
            return import_module("torchxrayvision")
    except ImportError as problem:
        raise ArtifactError(
            "no package torchxrayvision", "it installed", "xrv/", "Run: pip install 'plainfilm[xrv]'."
        ) from problem


def _classifier(
    tensors: Mapping[str, Tensor], targets: Sequence[str], spec: InputSpec, where: str
) -> Classifier:
    weights = _canonical(tensors, where)
    thresholds = weights.pop(THRESHOLDS, None)
    network = _blank(weights, where)
    load_strictly(network, weights, where)
    check_fit(network.arguments, targets, spec)
    points = {} if thresholds is None else _operating_points(targets, thresholds.tolist())
    return Classifier(network.eval(), targets, spec, card={"source": where}, operating_points=points)


def _canonical(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Renames what wrappers and older releases named otherwise."""
    first = next((name for name in tensors if name.endswith(FIRST)), None)
    if first is None:
        raise ArtifactError(f"weights without {FIRST}", "those of a DenseNet", where)
    prefix = first.removesuffix(FIRST)
    renamed = {}
    for name, tensor in tensors.items():
        name = name.removeprefix(prefix).replace("classifier.0.", "classifier.")
        # torchvision before 0.3 wrote "norm.1" for "norm1".
        name = re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", name)
        renamed[name] = tensor
    return renamed


def _blank(weights: Mapping[str, Tensor], where: str) -> DenseNet:
    """The untrained DenseNet whose weights have these shapes."""
    blocks = [int(match[1]) for match in map(LAYER.fullmatch, weights) if match]
    try:
        growth, width = weights["features.denseblock1.denselayer1.conv2.weight"].shape[:2]
        init_features, in_channels = weights[FIRST].shape[:2]
        return DenseNet(
            len(weights["classifier.weight"]), in_channels, growth,
            block_config=tuple(blocks.count(block) for block in range(1, len(set(blocks)) + 1)),
            num_init_features=init_features, bottleneck=width // max(growth, 1),
        )  # fmt: skip
    except (KeyError, ValueError, ModelError) as problem:
        raise ArtifactError(
            f"weights that lack or misshape {problem}", "those of a DenseNet", where
        ) from problem


def _operating_points(targets: Sequence[str], thresholds: Sequence[float]) -> dict[str, float]:
    pairs = zip(targets, thresholds, strict=True)
    return {name: threshold for name, threshold in pairs if name and math.isfinite(threshold)}

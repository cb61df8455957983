"""The whole state of a training run on disk, so that it can go on as if it had never stopped.

A snapshot is a folder of ``weights.safetensors`` (the network), ``state.safetensors`` (tensors of the
optimiser and the like) and ``meta.json`` (everything else, with the SHA-256 of the other two). It
appears whole or not at all, and nothing in it is ever run.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from plainfilm.errors import ArtifactError
from plainfilm.io.atomic import write_bytes
from plainfilm.io.folder import atomic_folder

FORMAT = 1
WEIGHTS, STATE, META = "weights.safetensors", "state.safetensors", "meta.json"

Facts = Mapping[str, Any]
"""What a run depends on beside its state."""

BINDING = {
    "recipe": "The recipe was changed: give the one the run began with, or another run folder.",
    "data": "Films, labels or their division changed since: begin anew in another folder.",
    "plainfilm": "Install the version that the run began with, or begin anew in another folder.",
}
"""Facts that must be as they were, and what to do where one is not."""

log = logging.getLogger(__name__)


def write_snapshot(folder: Path, state: Mapping[str, Any], facts: Facts) -> None:
    """Writes a checkpoint of Lightning's as a new folder.

    Raises:
        ResourceError: where the disk is full or the place cannot be written; no such folder then exists.
    """
    tensors: dict[str, Tensor] = {}
    rest = {name: value for name, value in state.items() if name != "state_dict"}
    content = {"facts": dict(facts), "step": state["global_step"], "state": _packed(rest, "", tensors)}
    with atomic_folder(folder) as part:
        digests = {WEIGHTS: _write(part / WEIGHTS, state["state_dict"]), STATE: _write(part / STATE, tensors)}
        meta = {"format": FORMAT, "sha256": digests, **content}
        meta["meta_sha256"] = _digest(meta)
        write_bytes(part / META, json.dumps(meta).encode())


def read_snapshot(folder: Path) -> dict[str, Any]:
    """Reads what ``write_snapshot`` wrote, on the CPU.

    Raises:
        ArtifactError: for a snapshot that is incomplete, damaged or of another format.
    """
    meta = read_meta(folder)
    weights, tensors = (_read(folder / name, meta["sha256"][name]) for name in (WEIGHTS, STATE))
    state: dict[str, Any] = _unpacked(meta["state"], tensors)
    return {**state, "state_dict": weights}


def read_meta(folder: Path) -> dict[str, Any]:
    """What a snapshot tells beside its tensors: "facts", "step", "state" and digests; errors as above."""
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_bytes())
        found, told = meta["format"], meta.pop("meta_sha256")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"a {META} that cannot be read ({error})") from error
    if found != FORMAT:
        advice = "It was written by another version of plainfilm."
        raise ArtifactError(f"format {found}", f"format {FORMAT}", folder.name, advice)
    if _digest(meta) != told:
        raise _damaged(folder, f"a {META} that was changed")
    return meta


def check_facts(meta: Mapping[str, Any], facts: Facts, where: str) -> None:
    """Compares a snapshot with what the run is about to be continued with.

    Raises:
        ArtifactError: where recipe, data or version of plainfilm are others.
    """
    told = meta["facts"]
    for name, advice in BINDING.items():
        if told.get(name) != facts[name]:
            raise ArtifactError(
                f"another {name} ({told.get(name)})", f"{facts[name]}", f"resuming from {where}", advice
            )
    others = [
        f"{name} {told.get(name)}, now {facts[name]}" for name in facts if told.get(name) != facts[name]
    ]
    if others:
        log.warning("The run began with %s: it goes on, but not bit for bit.", "; ".join(others))


def _write(path: Path, tensors: Mapping[str, Tensor]) -> str:
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    blob = safetensors.torch.save(plain)
    write_bytes(path, blob)
    return sha256(blob).hexdigest()


def _read(path: Path, digest: str) -> dict[str, Tensor]:
    try:
        blob = path.read_bytes()
        if sha256(blob).hexdigest() != digest:
            raise _damaged(path.parent, f"a {path.name} that was cut off or changed")
        return safetensors.torch.load(blob)
    except (OSError, SafetensorError) as error:
        raise _damaged(path.parent, f"no readable {path.name}") from error


def _packed(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """A value as JSON that ``_unpacked`` turns back exactly; tensors go into ``tensors``."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name, "channels_last": _is_channels_last(value)}
    if isinstance(value, Mapping):
        return {"dict": [[key, _packed(each, f"{name}/{key}", tensors)] for key, each in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_packed(each, f"{name}/{k}", tensors) for k, each in enumerate(value)]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        tensor = tensors[value["tensor"]]
        return tensor.contiguous(memory_format=torch.channels_last) if value["channels_last"] else tensor
    if "dict" in value:
        return {key: _unpacked(each, tensors) for key, each in value["dict"]}
    if "float" in value:
        return float(value["float"])
    if "tuple" in value:
        return tuple(_unpacked(each, tensors) for each in value["tuple"])
    return [_unpacked(each, tensors) for each in value["list"]]


def _is_channels_last(tensor: Tensor) -> bool:
    # The optimiser adds in the order of memory, so the order belongs to the state.
    return (
        tensor.ndim == 4
        and not tensor.is_contiguous()
        and tensor.is_contiguous(memory_format=torch.channels_last)
    )


def _digest(meta: Mapping[str, Any]) -> str:
    return sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _damaged(folder: Path, got: str) -> ArtifactError:
    return ArtifactError(got, "a whole snapshot", folder.name)

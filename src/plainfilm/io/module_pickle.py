"""Tensors out of whole pickled modules, as torchxrayvision releases them, without running what is in them.

Every class and function that the pickle names, but for a handful that build plain tensors, is replaced by one
that does nothing and only keeps what it is given. The tensors are then found by walking ``_parameters``,
``_buffers`` and ``_modules``, as ``Module.state_dict`` would.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plainfilm.errors import ArtifactError
from plainfilm.io.state_dict import ADVICE, UNREADABLE, opened_archive

DTYPES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip

DEEPEST = 64
"""Modules within modules; more is no network."""


class Inert:
    """Stands for any object: takes every argument, item and state, and does nothing with them."""

    def __new__(cls, *arguments: Any, **settings: Any) -> Inert:
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.state: Any = {}

    def __call__(self, *arguments: Any, **settings: Any) -> Inert:
        return Inert()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Of a dict of another kind."""

    def append(self, value: Any) -> None:
        """Of a list of another kind."""

    def extend(self, values: Any) -> None:
        """Of a list of another kind."""


def read_module_pickle(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a whole module, written by ``torch.save(network, path)`` since PyTorch 1.6.

    Returns:
        Parameter and buffer names to tensors, on the CPU.

    Raises:
        ArtifactError: for a file that is no such archive, is damaged, or holds no tensors.
    """
    with opened_archive(path) as (archive, content):
        try:
            root = _Reader(content, archive).load()
            found = dict(_tensors(root, "", DEEPEST))
        except (*UNREADABLE, RecursionError, zipfile.BadZipFile) as problem:
            raise ArtifactError(
                f"a pickle that cannot be read ({problem})", "a module", path.name
            ) from problem
    if not found:
        raise ArtifactError("a pickle without parameters", "a module", path.name, ADVICE)
    return found


class _Reader(pickle.Unpickler):
    """Builds tensors, ordered dictionaries, and nothing else."""

    def __init__(self, content: bytes, archive: zipfile.ZipFile) -> None:
        super().__init__(io.BytesIO(content))
        self.archive = archive
        self.folder = archive.namelist()[0].split("/")[0]

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _rebuilt,
            "torch._utils._rebuild_parameter": _parameter,
        }
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        return known.get(f"{module}.{name}", Inert)

    def persistent_load(self, told: Any) -> Tensor:
        _, dtype, key, _, _ = told
        blob = bytearray(self.archive.read(f"{self.folder}/data/{key}"))
        return torch.frombuffer(blob, dtype=dtype) if blob else torch.empty(0, dtype=dtype)


def _rebuilt(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *rest: Any) -> Tensor:
    return torch.as_strided(storage, tuple(size), tuple(stride), offset).clone()


def _parameter(data: Tensor, *rest: Any) -> Tensor:
    return data


def _tensors(module: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    state = module.state if isinstance(module, Inert) else module
    if not isinstance(state, dict) or not depth:
        return
    for kind in ("_parameters", "_buffers"):
        for name, value in dict(state.get(kind) or {}).items():
            if isinstance(name, str) and isinstance(value, Tensor):
                yield prefix + name, value
    for name, child in dict(state.get("_modules") or {}).items():
        yield from _tensors(child, f"{prefix}{name}.", depth - 1)

"""State dicts in PyTorch's own files, read without running anything in them.

A ``.pt`` or ``.pth`` file holds a pickle, which may run any code when it is loaded. It is accepted
only as an uncompressed zip archive whose check sums agree and whose pickle builds tensors and
nothing else; then ``torch.load(weights_only=True)`` reads it, a second line of defence.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from plainfilm.errors import ArtifactError

BUILDERS = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        *(
            f"torch {kind}Storage"
            for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Byte", "Bool")
        ),
    }
)
"""All that a file of plain tensors refers to; anything else could run code."""

ZIP_START = b"PK\x03\x04"

ADVICE = (
    "Nothing was run. Where you trust the file, load it yourself and save its tensors: "
    "torch.save(model.state_dict(), path)."
)

UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError,
    OverflowError,
)  # fmt: skip
"""What PyTorch raises for an archive that is well-formed outside and damaged within."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Reads a ``.pt`` or ``.pth`` file of plain tensors.

    Args:
        path: A file written by ``torch.save(network.state_dict(), path)``; a state dict under
            the key "state_dict" is found too.

    Returns:
        Parameter name to tensor, on the CPU.

    Raises:
        ArtifactError: for a missing, cut off or changed file, a whole pickled module, TorchScript,
            PyTorch's formats before 1.6, and anything that holds more than tensors.
    """
    try:
        blob = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as problem:
        raise ArtifactError(f"no file {path}", "a .pt file of tensors", path.name) from problem
    _check_archive(blob, path.name)
    try:
        content = torch.load(io.BytesIO(blob), map_location="cpu", weights_only=True)
    except UNREADABLE as problem:
        raise ArtifactError(
            "an archive that PyTorch cannot read", "a state dict", path.name, ADVICE
        ) from problem
    return _tensors(content, path.name)


def _check_archive(blob: bytes, where: str) -> None:
    with _opened(blob, where) as (_, content):
        foreign = [name for name in _references(content) if name not in BUILDERS]
    if foreign:
        named = ", ".join(repr(name[:80]) for name in dict.fromkeys(foreign[:3]))
        raise ArtifactError(f"a pickle that builds {named}", "plain tensors", where, ADVICE)


@contextmanager
def opened_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, bytes]]:
    """An archive of PyTorch's, checked but for what its pickle names, and that pickle.

    Raises:
        ArtifactError: for a missing, cut off or changed file, TorchScript, and PyTorch's formats before 1.6.
    """
    try:
        blob = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as problem:
        raise ArtifactError(f"no file {path}", "a .pt file", path.name) from problem
    with _opened(blob, path.name) as opened:
        yield opened


@contextmanager
def _opened(blob: bytes, where: str) -> Iterator[tuple[zipfile.ZipFile, bytes]]:
    # A zip file may begin with anything, here perhaps with a pickle that PyTorch would read instead.
    if not (blob.startswith(ZIP_START) and _is_archive(blob)):
        raise ArtifactError(_describe(blob), "a zip archive written by torch.save", where, ADVICE)
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            (content,) = _checked_pickles(archive, len(blob), where)
            yield archive, content
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, LookupError) as problem:
        raise ArtifactError(
            f"a damaged archive ({problem})", "a whole one", where, "Copy it again."
        ) from problem


def _is_archive(blob: bytes) -> bool:
    try:
        return zipfile.is_zipfile(io.BytesIO(blob))
    except zipfile.BadZipFile:  # an archive in several parts, or one damaged to look like it
        return False


def _checked_pickles(archive: zipfile.ZipFile, size: int, where: str) -> list[bytes]:
    members = archive.infolist()
    if any(
        "/code/" in f"/{member.filename}" or member.filename.endswith("constants.pkl") for member in members
    ):
        raise ArtifactError("a TorchScript program", "plain tensors", where, ADVICE)
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > size:
        raise ArtifactError("a compressed archive", "one written by torch.save", where, ADVICE)
    broken = archive.testzip()
    if broken:
        raise ArtifactError("an archive with a wrong check sum", "a whole file", where, "Copy it again.")
    pickles = [archive.read(member) for member in members if member.filename.lower().endswith(".pkl")]
    if len(pickles) != 1:
        raise ArtifactError(
            f"an archive with {len(pickles)} pickles", "one, as torch.save writes", where, ADVICE
        )
    return pickles


def _references(content: bytes) -> Iterator[str]:
    """Every class or function that a pickle names, found without loading it."""
    for operation, argument, _ in pickletools.genops(content):
        if operation.name in ("GLOBAL", "INST"):
            yield str(argument)
        elif operation.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
            yield f"a name hidden by {operation.name}"


def _describe(blob: bytes) -> str:
    if not blob:
        return "an empty file"
    if blob[:5] == b"<html" or blob[:9].lower() == b"<!doctype":
        return "a web page, not weights"
    if blob[:2] == b"PK":
        return "an archive that was cut off"
    if blob[:1] == b"\x80":
        return "a bare pickle, PyTorch's format before 1.6"
    return "a tar archive, PyTorch's first format" if _is_tar(blob) else "a file of another kind"


def _is_tar(blob: bytes) -> bool:
    return tarfile.is_tarfile(io.BytesIO(blob))


def _tensors(content: object, where: str) -> dict[str, Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise ArtifactError(f"a {type(content).__name__}", "a state dict", where, ADVICE)
    others = [
        key for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))
    ]
    if others:
        raise ArtifactError(f"entries that are no tensors ({others[0]!r:.80})", "a state dict", where, ADVICE)
    return dict(content)

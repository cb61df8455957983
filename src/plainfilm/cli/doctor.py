"""plainfilm doctor: what is installed, what works, and whether the shipped weights are whole."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer

from plainfilm.cli.console import print_json, print_table
from plainfilm.cli.options import AsJson
from plainfilm.errors import ArtifactError

PACKAGES = (
    "plainfilm", "torch", "torchvision", "torchxrayvision", "captum", "lightning", "torchmetrics",
    "numpy", "scipy", "pandas", "pillow", "pydicom", "safetensors", "matplotlib",
)  # fmt: skip

CODECS = {
    "JPEG": ("libjpeg", "gdcm"),
    "JPEG 2000": ("openjpeg", "gdcm"),
    "JPEG-LS": ("jpeg_ls", "gdcm"),
    "RLE": ("rle", "pydicom"),
}
"""Compression inside DICOM to the modules that can undo it."""


def doctor(as_json: AsJson = False) -> None:
    """Show versions, devices, codecs, and whether the shipped weights are whole."""
    weights = _weights()
    record = {"versions": _versions(), "devices": _devices(), "codecs": _codecs(), "weights": weights}
    if as_json:
        print_json(record)
    else:
        for title, facts in record.items():
            print_table((title, ""), facts.items())
    if any(state.startswith("damaged") for state in weights.values()):
        raise typer.Exit(ArtifactError.exit_code)


def _versions() -> dict[str, str]:
    system = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    return system | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> dict[str, str]:
    import torch

    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return {
        "cores": str(os.cpu_count()),
        "torch threads": str(torch.get_num_threads()),
        "CUDA": ", ".join(gpus) or "none",
        "MPS": "yes" if torch.backends.mps.is_available() else "none",
    }


def _codecs() -> dict[str, str]:
    found = {name: [module for module in modules if find_spec(module)] for name, modules in CODECS.items()}
    return {name: ", ".join(modules) or "none; install plainfilm[dicom]" for name, modules in found.items()}


def _weights() -> dict[str, str]:
    from plainfilm.io.checkpoint import read_checkpoint
    from plainfilm.models.zoo import SHIPPED

    states = {}
    for card in sorted(SHIPPED.glob("*.json")):
        try:
            states[card.stem] = f"whole, SHA-256 {read_checkpoint(card).card['sha256']}"
        except ArtifactError as error:
            states[card.stem] = f"damaged: {error}"
    return states or {"none": "no weights are shipped with this installation"}

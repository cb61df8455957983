"""CheXlocalize (Saporta et al. 2022): outlines of ten findings on CheXpert's validation and test films."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import Annotation, Kind, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.chexpert import SPLITS, TABLES, Part, film_columns, read_chexpert
from plainfilm.datasets.readers.layout import films_table, find_optional, find_table
from plainfilm.errors import ArtifactError, InputError, LabelError
from plainfilm.findings import canonical
from plainfilm.masks.rle import LONGEST, MORE, OFFSET
from plainfilm.radiograph import Size

TASKS = (
    "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Lesion", "Lung Opacity", "Edema", "Consolidation",
    "Atelectasis", "Pneumothorax", "Effusion", "Support Devices",
)  # fmt: skip
"""The ten findings in the order of the release, whose files write two of them otherwise."""

PARTS: dict[str, Part] = {"val": "valid", "test": "test"}
SOURCES = {"expert": "gt", "benchmark": "hb", "gradcam": "gradcam"}
CONTENTS: dict[Kind, str] = {"rle": "segmentations", "polygon": "annotations"}
SIZE = "img_size"


def read_chexlocalize(
    root: str | Path,
    part: Literal["val", "test"] = "val",
    source: Literal["expert", "benchmark", "gradcam"] = "expert",
    kind: Literal["rle", "polygon"] = "rle",
    shapes: str | Path | None = None,
    table: str | Path | None = None,
) -> Manifest:
    """Reads the outlines of one part, drawn by radiologists or made from Grad-CAM maps.

    A finding that is nowhere on a film has no shape and, where experts looked, the label 0: a mean over
    positive films and one over all films can both be had. The films are those of the label table. Without
    one they are the outlined films alone, where the shapes of "expert" are the labels and other sources
    leave them unknown.

    Args:
        root: The folder of ``CheXlocalize`` and ``CheXpert``, or either of them.
        part: "val" or "test"; ``split`` says "validation" or "test".
        source: "expert" (``gt_``, the truth), "benchmark" (``hb_``, other radiologists, test only) or
            "gradcam"; annotations name the last two as their reader.
        kind: "rle" for ``*_segmentations_*.json`` or "polygon" for ``*_annotations_*.json``.
        shapes: The JSON file, if it has another name or place.
        table: ``val_labels.csv``, ``valid.csv`` or ``test_labels.csv`` likewise.

    Raises:
        InputError: for a folder or file that is missing, or no JSON.
        LabelError: for another part, source or kind, or a file of other content.
    """
    for name, given, known in (("part", part, PARTS), ("source", source, SOURCES), ("kind", kind, CONTENTS)):
        if given not in known:
            raise LabelError(f"{name}={given!r}", f"one of {', '.join(known)}", "read_chexlocalize")
    root = Path(root)
    path = find_table(root, f"{SOURCES[source]}_{CONTENTS[kind]}_{part}.json", given=shapes)
    entries = _json(path)
    reader = "" if source == "expert" else source
    drawn = annotation_table(
        Annotation(film, finding, kind, shape, size, reader)
        for film, entry in entries.items()
        for finding, size, shape in _shapes(film, entry, kind, path.name)
    )
    labels = find_optional(root, *TABLES[PARTS[part]], given=table)
    if labels:
        films = read_chexpert(root, labels, PARTS[part])
    else:
        films = _outlined(root, part, list(entries), drawn if source == "expert" else None)
    unknown = entries.keys() - set(films.ids)
    if unknown:
        raise LabelError(f"outlines of {min(unknown)}", "films of the table of labels", path.name)
    return replace(films, name="chexlocalize", annotations=drawn)


def _json(path: Path) -> dict[str, dict[str, Any]]:
    """Film to what is said of it."""
    try:
        blob = path.read_bytes()
        content = json.loads(gzip.decompress(blob) if path.suffix == ".gz" else blob)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise InputError(f"a file that cannot be read ({error})", "JSON", path.name) from error
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise LabelError("JSON of another content", "one entry a film", path.name)
    return content


def _shapes(film: str, entry: dict[str, Any], kind: Kind, where: str) -> Iterator[tuple[str, Size, Any]]:
    """Finding, size (H, W) and shape of everything drawn on a film."""
    for name, shape in entry.items():
        if name == SIZE:
            continue
        finding = canonical(name)
        if finding not in TASKS:
            raise LabelError(f"the finding {name!r}", f"one of {', '.join(TASKS)}", f"{where}, {film}")
        try:
            if kind == "polygon":
                size, drawn = _size(entry[SIZE]), bool(shape)
            else:
                size, shape = _size(shape["size"]), shape["counts"]
                drawn = not _is_empty(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise LabelError(f"{error!r}", f"shapes as {kind}", f"{where}, {film}, {name}") from error
        if drawn:
            yield finding, size, shape


def _size(size: Any) -> Size:
    """Height and width, in this order in every JSON file of the release."""
    height, width = map(int, size)
    return height, width


def _is_empty(counts: str) -> bool:
    """Whether run lengths are a single one, which is background; a decoded mask would cost 10 ms."""
    ends = (not (ord(letter) - OFFSET) & MORE for letter in counts[: 2 * LONGEST])
    return sum(ends) < 2


def _outlined(root: Path, part: str, films: list[str], drawn: pd.DataFrame | None) -> Manifest:
    """The outlined films without a table of labels."""
    paths = pd.Series(films, dtype=str).str.replace("_", "/", n=2) + ".jpg"
    columns = film_columns(root, paths, f"CheXlocalize, {part}").assign(split=SPLITS[PARTS[part]])
    columns["view"] = np.where(columns["film"].str.endswith("_lateral"), "LATERAL", "")
    found = {name: set(rows["film"]) for name, rows in drawn.groupby("finding")} if drawn is not None else {}
    unseen = 0.0 if drawn is not None else np.nan
    labels = {name: [1.0 if film in found.get(name, ()) else unseen for film in films] for name in TASKS}
    return Manifest("chexlocalize", root, pd.concat([columns, films_table({}, labels)], axis=1))


@dataclass(frozen=True, eq=False)
class Heatmap:
    """One of the authors' Grad-CAM maps.

    Attributes:
        map: float32 ``(320, 320)``, not normalised.
        finding: The finding it explains.
        size: Height and width of the film.
        probability: Of the finding, by the authors' model.
        label: 1 or 0.
    """

    map: np.ndarray
    finding: str
    size: Size
    probability: float
    label: float


def load_heatmap(path: str | Path) -> Heatmap:
    """Reads one pickle of ``gradcam_maps_val``; only tensors, numbers and text are built from it.

    A tensor's bytes are read by ``torch.load(weights_only=True)``. The map belongs on the film by a
    bilinear resize (corners not aligned).

    Raises:
        InputError: for a file that is missing.
        ArtifactError: for a pickle that names anything else, or is damaged or of other content.
    """
    path = Path(path)
    try:
        content = _Tensors(io.BytesIO(path.read_bytes())).load()
        # Width first, unlike every other size of the release.
        width, height = map(int, content["cxr_dims"])
        pixels = np.asarray(content["map"], np.float32)
        return Heatmap(
            pixels.reshape(pixels.shape[-2:]), canonical(content["task"]), (height, width),
            float(content["prob"]), float(content["gt"]),
        )  # fmt: skip
    except OSError as error:
        raise InputError("a file that cannot be read", "a heat map's pickle", path.name) from error
    except DAMAGE as error:
        raise ArtifactError(
            f"{error}", "a heat map of CheXlocalize", path.name, "Nothing was run."
        ) from error


DAMAGE = (
    pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError,
    OverflowError, MemoryError,
)  # fmt: skip
"""What pickles raise that are cut off, changed, or of other content."""


class _Tensors(pickle.Unpickler):
    """Builds tensors and plain numbers; everything else that a pickle may name is refused."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        import torch

        def load_storage(blob: bytes) -> Any:
            return torch.load(io.BytesIO(blob), map_location="cpu", weights_only=True)

        scalar: Any = np.float64(0).__reduce__()[0]
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
            ("torch.storage", "_load_from_bytes"): load_storage,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "scalar"): scalar,
            ("numpy._core.multiarray", "scalar"): scalar,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"a pickle that builds {module}.{name}")
        return known[module, name]

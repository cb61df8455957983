"""COCO's JSON of boxes, polygons and run lengths, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import Annotation, Kind, annotation_table, masks_on
from plainfilm.datasets.manifest import FINDING, Manifest
from plainfilm.datasets.readers.layout import film_key, locate, without_suffix
from plainfilm.errors import InputError, LabelError
from plainfilm.findings import LUNGS, canonical
from plainfilm.io.atomic import write_text
from plainfilm.io.read import read
from plainfilm.masks.box import mask_box
from plainfilm.masks.rle import encode_rle
from plainfilm.radiograph import Size

FORMAT = "COCO's format of object detection"


def read_coco(root: str | Path, annotations: str | Path) -> Manifest:
    """Any data set in COCO's format of object detection, TBX11K for instance.

    A category is a finding: 1 on films where it is drawn, 0 on all others. A segmentation is read as it is,
    polygons or run lengths, plain or compressed; the box beside it says less and is passed over.
    A film is known by its file name without folder and suffix, by all of it where that is not unique;
    its height and width are those of the JSON.

    Args:
        root: The folder of the data set; films are found in any folder below it.
        annotations: The JSON file, from the root.

    Raises:
        InputError: for a file that is missing or no JSON.
        LabelError: for missing keys, ids that are not defined, a box without size, or a name that two
            films have.
    """
    root = Path(root)
    where = Path(annotations).name
    content = _content(root / annotations)
    try:
        names = {each["id"]: canonical(each["name"]) for each in content["categories"]}
        films = _films(content["images"], root)
        known = films.to_dict("index")
        drawn = [_annotation(each, known, names, where) for each in content["annotations"]]
    except KeyError as error:
        raise LabelError(f"nothing under {error}", FORMAT, where) from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise LabelError(f"entries of another kind ({error})", FORMAT, where) from error
    table = films.reset_index(drop=True)
    for name in dict.fromkeys(names.values()):
        if name != LUNGS:
            found = {each.film for each in drawn if each.finding == name}
            table[FINDING + name] = table["film"].isin(found).astype("float32")
    return Manifest(Path(annotations).stem, root, table, annotation_table(drawn))


def write_coco(manifest: Manifest, path: str | Path) -> None:
    """Writes the films and all that is drawn on them as COCO's JSON, which ``read_coco`` reads again.

    Masks that are files become compressed run lengths. Labels without a shape, scores and attributes have
    no place in the format; a film's id, its patient and the reader of a shape are kept as keys beside
    COCO's own.

    Args:
        manifest: The data set. The size of a film is that on which it was annotated, else that of the
            table, else that of its file.
        path: Where to write; the films are named from the manifest's root.

    Raises:
        InputError: for a film of unknown size, or a mask that cannot be read.
        LabelError: for a film that was annotated on grids of two sizes.
        ResourceError: where the file cannot be written.
    """
    shapes = dict(iter(manifest.annotations.groupby("film")))
    nothing = manifest.annotations.iloc[:0]
    names = list(dict.fromkeys((*manifest.findings, *manifest.annotations["finding"])))
    images: list[dict[str, Any]] = []
    drawn: list[dict[str, Any]] = []
    for index, row in enumerate(manifest.films.itertuples()):
        rows = shapes.get(row.film, nothing)
        size = _size(manifest, index, rows)
        images.append({
            "id": index + 1, "file_name": row.path or row.film, "height": size[0], "width": size[1],
            "film": row.film, "patient": row.patient,
        })  # fmt: skip
        for number in range(len(rows)):
            shape = _written(rows.iloc[[number]], size, manifest.root)
            category = names.index(rows["finding"].iloc[number]) + 1
            drawn.append({"id": len(drawn) + 1, "image_id": index + 1, "category_id": category, **shape})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    write_text(path, json.dumps({"images": images, "annotations": drawn, "categories": categories}))


def _content(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"a file that cannot be read ({error})", "a JSON file", path.name) from error
    if not isinstance(found, dict):
        raise LabelError(f"a {type(found).__name__}", "an object of images and annotations", path.name)
    return found


def _films(images: Sequence[Mapping[str, Any]], root: Path) -> pd.DataFrame:
    """One row an image, indexed by COCO's id."""
    names = [str(each["file_name"]) for each in images]
    ids = [film_key(name) for name in names]
    if len(set(ids)) < len(ids):
        ids = [without_suffix(name).replace("/", "_") for name in names]
    table = pd.DataFrame({
        "film": [each.get("film", name) for each, name in zip(images, ids, strict=True)],
        "patient": [each.get("patient", "") for each in images],
        "path": locate(root, names),
        "height": [each["height"] for each in images],
        "width": [each["width"] for each in images],
    })  # fmt: skip
    return table.set_axis([each["id"] for each in images])


def _annotation(
    entry: Mapping[str, Any], films: Mapping[Any, Any], names: Mapping[Any, str], where: str
) -> Annotation:
    film = films[entry["image_id"]]
    kind, shape, size = _shape(entry)
    if kind == "box" and not (np.isfinite(shape).all() and min(shape[2:]) > 0):
        raise LabelError(f"the box {shape}", "finite numbers, a size above 0", f"{where}, {entry['id']}")
    size = size or (int(film["height"]), int(film["width"]))
    return Annotation(film["film"], names[entry["category_id"]], kind, shape, size, entry.get("reader", ""))


def _shape(entry: Mapping[str, Any]) -> tuple[Kind, Any, Size | None]:
    outline = entry.get("segmentation")
    if isinstance(outline, dict):
        return "rle", outline["counts"], (outline["size"][0], outline["size"][1])
    if outline:
        return "polygon", [np.reshape(ring, (-1, 2)).tolist() for ring in outline], None
    left, top, width, height = entry["bbox"]
    return "box", [left, top, width, height], None


def _size(manifest: Manifest, index: int, shapes: pd.DataFrame) -> Size:
    row = manifest.films.iloc[index]
    drawn = set(zip(shapes["height"].tolist(), shapes["width"].tolist(), strict=True)) - {(0, 0)}
    if len(drawn) > 1:
        raise LabelError(f"annotations on grids of {drawn}", "one size a film", str(row["film"]))
    if drawn:
        return drawn.pop()
    if np.isfinite(row["height"]):
        return int(row["height"]), int(row["width"])
    return read(manifest.path(index)).size


def _written(row: pd.DataFrame, size: Size, root: Path) -> dict[str, Any]:
    """One shape in COCO's words."""
    kind, shape = row["kind"].iloc[0], json.loads(row["shape"].iloc[0])
    reader = {"reader": row["reader"].iloc[0]} if row["reader"].iloc[0] else {}
    if kind == "box":
        return {"bbox": shape, "area": shape[2] * shape[3], "iscrowd": 0, **reader}
    (mask,) = masks_on(row, size, root).values()
    if kind == "polygon":
        outline: Any = [[value for point in ring for value in point] for ring in shape]
    else:
        outline = {"size": list(size), "counts": encode_rle(mask) if kind == "file" else shape}
    return {
        "segmentation": outline, "bbox": mask_box(mask) or (0, 0, 0, 0), "area": int(mask.sum()),
        "iscrowd": int(kind != "polygon"), **reader,
    }  # fmt: skip

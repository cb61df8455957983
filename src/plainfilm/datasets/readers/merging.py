"""One truth from several readers: their labels by a rule, their boxes by fusion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.errors import InputError, LabelError
from plainfilm.masks.box import Box

ANY, MAJORITY = "any", "majority"
AND = "+"
"""Stands between the ids of readers who saw one box."""


@dataclass(frozen=True)
class FusedBox:
    """A box on which readers agree.

    Attributes:
        box: Left, top, width and height, the mean of the readers' edges.
        readers: Who saw it, each once, in order of their ids.
    """

    box: Box
    readers: tuple[str, ...]


def marks_of(
    rows: pd.DataFrame, films: Sequence[str], readers: Sequence[str], findings: Sequence[str]
) -> np.ndarray:
    """What each reader said of each film: float32 ``(R, N, K)``.

    1 where the reader marked the finding; 0 where not, on a film with any row of that reader; NaN elsewhere.

    Args:
        rows: Columns film, reader and finding, one row a mark. Findings beyond ``findings``, such as
            "No finding", tell only that the film was read.
        films: N ids.
        readers: R ids.
        findings: K names.
    """
    reader, film, finding = (
        pd.Index(names).get_indexer(rows[column])
        for names, column in ((readers, "reader"), (films, "film"), (findings, "finding"))
    )
    marks = np.full((len(readers), len(films), len(findings)), np.nan, np.float32)
    known = (reader >= 0) & (film >= 0)
    marks[reader[known], film[known]] = 0
    marked = known & (finding >= 0)
    marks[reader[marked], film[marked], finding[marked]] = 1
    return marks


def merge_readers(marks: np.ndarray, readers: Sequence[str], rule: str = ANY) -> np.ndarray:
    """One label for each film and finding: float32 ``(N, K)``; NaN where nobody asked read the film.

    Args:
        marks: ``(R, N, K)``: 1 present, 0 absent, NaN where a reader did not read the film.
        readers: R ids.
        rule: "any" (present where one reader says so), "majority" (where more than half of those who read
            the film say so), or the id of the one reader who is asked.

    Raises:
        LabelError: for another rule.
    """
    if rule in readers:
        return marks[list(readers).index(rule)]
    if rule not in (ANY, MAJORITY):
        raise LabelError(
            f"readers={rule!r}", f"'{ANY}', '{MAJORITY}' or one of {', '.join(readers)}", "merge_readers"
        )
    read = (~np.isnan(marks)).sum(0)
    votes = np.nansum(marks, 0)
    needed = 1 if rule == ANY else read // 2 + 1
    return np.where(read, votes >= needed, np.nan).astype(np.float32)


def fuse_boxes(boxes: Sequence[Box], readers: Sequence[str], overlap: float = 0.5) -> list[FusedBox]:
    """Boxes of several readers around one finding, those that overlap made one.

    Weighted box fusion (Solovyev, Wang and Gabruseva 2021, section 3) with the same weight for every box:
    from the largest down, a box joins the cluster whose mean box it overlaps most, or opens a new one.
    The paper goes by confidence, which readers do not give; size makes the result independent of the
    order of rows.

    Args:
        boxes: N boxes (left, top, width, height).
        readers: N ids.
        overlap: The least intersection over union with the mean box, in (0, 1].

    Returns:
        The fused boxes, in the order in which they were opened.

    Raises:
        InputError: for an overlap outside its range, or other than one reader a box.
    """
    if not 0 < overlap <= 1:
        raise InputError(f"overlap {overlap}", "a number above 0, up to 1", "fuse_boxes")
    if len(boxes) != len(readers):
        raise InputError(f"{len(readers)} readers", f"one for each of {len(boxes)} boxes", "fuse_boxes")
    clusters: list[list[int]] = []
    means: list[np.ndarray] = []
    values = np.asarray(boxes, float).reshape(-1, 4)
    for index in sorted(range(len(boxes)), key=lambda k: (-values[k, 2] * values[k, 3], tuple(values[k]))):
        overlaps = [_overlap(values[index], mean) for mean in means]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= overlap:
            clusters[best].append(index)
            means[best] = values[clusters[best]].mean(0)
        else:
            clusters.append([index])
            means.append(values[index])
    return [
        FusedBox(_box(mean), tuple(sorted({readers[k] for k in cluster})))
        for mean, cluster in zip(means, clusters, strict=True)
    ]


def fuse_readers(manifest: Manifest, overlap: float = 0.5, agreed: int = 1) -> Manifest:
    """A data set in which the boxes of several readers are fused (``fuse_boxes``); labels stay.

    A fused box names its readers with "+" between them, "R8+R10" for instance.

    Args:
        manifest: The data set.
        overlap: The least intersection over union with the mean box.
        agreed: Boxes that fewer readers saw are left out.

    Raises:
        InputError: for an overlap outside (0, 1].
    """
    is_box = manifest.annotations["kind"] == "box"
    fused = []
    for key, rows in manifest.annotations[is_box].groupby(["film", "finding", "height", "width"], sort=False):
        film, finding, height, width = key
        boxes = [json.loads(shape) for shape in rows["shape"]]
        for each in fuse_boxes(boxes, list(rows["reader"]), overlap):
            if len(each.readers) >= agreed:
                names = AND.join(each.readers)
                fused.append(Annotation(film, finding, "box", each.box, (height, width), names))
    kept = manifest.annotations[~is_box]
    return replace(manifest, annotations=pd.concat([kept, annotation_table(fused)], ignore_index=True))


def _box(values: np.ndarray) -> Box:
    left, top, width, height = values.tolist()
    return left, top, width, height


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    shared = np.minimum(one[:2] + one[2:], other[:2] + other[2:]) - np.maximum(one[:2], other[:2])
    inside = float(np.prod(np.maximum(shared, 0)))
    return inside / float(np.prod(one[2:]) + np.prod(other[2:]) - inside)

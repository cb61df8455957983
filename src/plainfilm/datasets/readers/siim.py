"""SIIM-ACR Pneumothorax Segmentation Challenge (2019): NIH films with outlines of pneumothoraces."""

from __future__ import annotations

from pathlib import Path

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.layout import films_table, find_table, locate, read_csv
from plainfilm.errors import LabelError
from plainfilm.masks.rle import NONE

TABLES = ("stage_2_train.csv", "train-rle.csv")
FINDING = "Pneumothorax"
SIZE = (1024, 1024)


def read_siim(root: str | Path, table: str | Path | None = None) -> Manifest:
    """Reads SIIM's films, one row each, and the rows of its table as outlines.

    A film may have several outlines; ``Study.masks`` holds their union. The paper of Gifsplanation
    counts outlines, ``len(manifest.annotations)``, and not films. The release names no patients and they
    cannot be told from a film's id, so every film is a patient here and a split may part two films of one.

    Args:
        root: The folder of the release, films nested by study and series or flat, or absent.
        table: ``stage_2_train.csv`` or ``train-rle.csv``, if not under ``root`` by that name.

    Raises:
        InputError: where the table is missing or cannot be read.
        LabelError: for missing columns, or an outline that does not fit 1024 x 1024 pixels.
    """
    root = Path(root)
    cells = read_csv(found := find_table(root, *TABLES, given=table), ("ImageId", "EncodedPixels"))
    drawn = cells[cells["EncodedPixels"].str.strip() != NONE]
    films = cells["ImageId"].drop_duplicates()
    columns = {"film": films, "path": locate(root, films.tolist())}
    findings = {FINDING: films.isin(drawn["ImageId"]).astype("float32")}
    shapes = [
        Annotation(film, FINDING, "rle", _counts(text, f"{found.name}, film {film}"), SIZE)
        for film, text in drawn[["ImageId", "EncodedPixels"]].itertuples(index=False)
    ]
    return Manifest("siim", root, films_table(columns, findings), annotation_table(shapes))


def _counts(text: str, where: str) -> list[int]:
    """COCO's plain run lengths of SIIM's.

    Both walk down the columns and name background and foreground in turn; COCO names the rest too.
    Nothing is drawn for that, so 3,576 outlines take a fraction of a second.
    """
    words = text.split()
    lengths = [int(word) for word in words if word.isascii() and word.isdigit()]
    rest = SIZE[0] * SIZE[1] - sum(lengths)
    if not words or len(lengths) != len(words) or len(words) % 2 or rest < 0:
        got = f"{len(words)} words, starting with {text[:40]!r}"
        raise LabelError(got, f"pairs of gap and run within {SIZE[1]} x {SIZE[0]} pixels, or {NONE}", where)
    return [*lengths, rest]

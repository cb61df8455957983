"""OpenI (Demner-Fushman et al. 2016): 7,470 films of 3,955 reports of Indiana University."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Literal, cast
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from plainfilm.datasets.manifest import FINDING, Manifest
from plainfilm.datasets.readers.layout import find_optional, locate, read_csv, views
from plainfilm.errors import InputError, LabelError

REPORTS, FOLDER = "NLMCXR_reports.tgz", "ecgen-radiology"
VIEWS = {
    "metadata": ("nlmcxr_dicom_metadata.csv", "View Position"), "tsne": ("nlmcxr_tsne_pa.csv", "tsne-view"),
}  # fmt: skip
"""Table and column that say how a film was taken."""

LARGEST_REPORT, LARGEST_ARCHIVE = 1_000_000, 1_000_000_000
"""Bytes; the release has 9,000 and 30 million."""

NOT_INDEXED = frozenset({"no indexing"})
LATERAL = {"L": "LATERAL", "LARGE LATERAL": "LATERAL"}

WORDS: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis", "atelectases"),
    "Calcified Granuloma": ("calcified granuloma",),
    "Cardiomegaly": ("cardiomegaly",),
    "Edema": ("edema",),
    "Effusion": ("effusion",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("fibrosis",),
    "Fracture": ("fracture",),
    "Granuloma": ("granuloma",),
    "Hernia": ("hernia",),
    "Hiatal Hernia": ("hiat",),
    "Infiltration": ("infiltration", "infiltrate"),
    "Lung Lesion": ("lesion",),
    "Lung Opacity": ("opacity",),
    "Mass": ("mass",),
    "Nodule": ("nodule",),
    "Pleural_Thickening": ("pleural thickening", "thickening/pleura"),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax",),
}
"""Finding to words of which a term of its report holds one."""

NAMESAKES: Mapping[str, tuple[str, ...]] = {
    "Effusion": ("pericardial effusion",),
    "Emphysema": ("subcutaneous", "mediastinal"),
    "Fibrosis": ("cystic fibrosis",),
    "Granuloma": ("granulomatous",),
    "Hernia": ("hiat",),
    "Lung Lesion": ("bone",),
    "Mass": ("mediastin", "thyroid", "paratracheal"),
}
"""Finding to words that make such a term another finding."""


def read_openi(
    root: str | Path,
    reports: str | Path | None = None,
    metadata: str | Path | None = None,
    tsne: str | Path | None = None,
    view: Literal["metadata", "tsne"] = "metadata",
    terms: Literal["automatic", "major"] = "automatic",
    legacy_substring: bool = False,
) -> Manifest:
    """Reads OpenI.

    A film is called as its file without suffix, ``CXR1_1_IM-0001-3001``; patient and study are the
    report's, ``CXR1``. A finding is 1 where a term of the report holds one of its ``WORDS`` and the
    term is none of ``NAMESAKES``; else 0. Reading takes about a second; save the manifest to keep it.

    Args:
        root: A folder of films, or one without.
        reports: ``NLMCXR_reports.tgz`` or the folder unpacked from it, if not under ``root``.
        metadata: torchxrayvision's ``nlmcxr_dicom_metadata.csv``, likewise; without it views are "".
        tsne: torchxrayvision's ``nlmcxr_tsne_pa.csv``, likewise.
        view: By "metadata", which is often empty or wrong, or by "tsne", which holds half of the films.
        terms: Those that a program found ("automatic") or that a person chose ("major"), among which a
            report that was not indexed leaves all findings unknown.
        legacy_substring: Count namesakes too, as torchxrayvision does, to reproduce published counts.

    Raises:
        InputError: for a folder, the reports or a table that are missing or damaged.
        LabelError: for another option, or reports of another kind.
    """
    for name, given, known in (("view", view, VIEWS), ("terms", terms, ("automatic", "major"))):
        if given not in known:
            raise LabelError(f"{name}={given!r}", f"one of {', '.join(known)}", "read_openi")
    root = Path(root)
    found = [_report(blob, terms, name) for name, blob in _blobs(_reports(root, reports))]
    table = pd.DataFrame(
        [(film, uid, words) for uid, words, films in found for film in films],
        columns=["film", "patient", "terms"],
    ).sort_values("film", ignore_index=True)
    table["path"] = locate(root, [f"{film}.png" for film in table["film"]])
    table["study"] = table["patient"]
    table["view"] = _views(root, table["film"], view, metadata if view == "metadata" else tsne)
    findings = _findings(table.pop("terms"), legacy_substring)
    return Manifest("openi", root, pd.concat([table, findings], axis=1))


def _reports(root: Path, given: str | Path | None) -> Path:
    """The archive of reports, or the folder unpacked from it."""
    places = [Path(given)] if given else [root / REPORTS, root / FOLDER, root / "reports" / FOLDER]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise InputError("no reports", f"{REPORTS} or the folder {FOLDER}", str(given or root))
    return found


def _blobs(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each report, read in one pass; nothing is unpacked onto the disk."""
    if path.is_dir():
        for file in sorted(path.glob("*.xml")):
            _check_size(file.stat().st_size, file.name)
            yield file.name, file.read_bytes()
        return
    try:
        with gzip.open(path) as packed:
            # To the end, where the check sum is: of a damaged archive tarfile may read a part in silence.
            content = packed.read(LARGEST_ARCHIVE)
        with tarfile.open(fileobj=BytesIO(content), mode="r:") as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".xml"):
                    _check_size(member.size, member.name)
                    yield member.name, cast("IO[bytes]", archive.extractfile(member)).read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"an archive that cannot be read ({error})", REPORTS, path.name) from error


def _check_size(size: int, where: str) -> None:
    if size > LARGEST_REPORT:
        raise InputError(f"a report of {size} bytes", f"up to {LARGEST_REPORT}", where)


def _report(blob: bytes, terms: str, where: str) -> tuple[str, frozenset[str], list[str]]:
    """Patient, terms and films of a report."""
    # No report of the release declares a type; one that does could grow by entities without end.
    # Without NUL it is no UTF-16, where the declaration would look otherwise.
    if b"<!DOCTYPE" in blob or b"\0" in blob:
        raise InputError("a report that declares entities", "plain XML", where, "It is not of the release.")
    try:
        report = ElementTree.fromstring(blob)
        uid = report.find("uId").attrib["id"]  # type: ignore[union-attr]
        films = [node.attrib["id"] for node in report.iterfind("parentImage")]
    except (ElementTree.ParseError, AttributeError, KeyError, ValueError) as error:
        raise LabelError(f"a report of another form ({error!r})", "one of OpenI", where) from error
    return uid, frozenset((node.text or "").lower() for node in report.iterfind(f"MeSH/{terms}")), films


def _findings(reports: pd.Series, legacy: bool) -> pd.DataFrame:
    """A column for each finding, from the terms of each film's report."""
    distinct = reports.unique()
    rows = [_row(terms, legacy) for terms in distinct]
    table = pd.DataFrame(rows, index=list(distinct), columns=[FINDING + name for name in WORDS])
    return table.loc[list(reports)].reset_index(drop=True)


def _row(terms: frozenset[str], legacy: bool) -> list[float]:
    if terms == NOT_INDEXED:
        return [np.nan] * len(WORDS)
    return [
        float(any(_means(term, words, () if legacy else NAMESAKES.get(name, ())) for term in terms))
        for name, words in WORDS.items()
    ]


def _means(term: str, words: Iterable[str], namesakes: Iterable[str]) -> bool:
    return any(word in term for word in words) and not any(word in term for word in namesakes)


def _views(root: Path, films: pd.Series, view: str, given: str | Path | None) -> pd.Series:
    """The view of each film, or "" where no table says it."""
    name, column = VIEWS[view]
    path = find_optional(root, name, given=given)
    if path is None:
        return pd.Series("", films.index)
    table = read_csv(path, ("imageid", column)).set_index("imageid")[column]
    return views(films.map(table).fillna("").replace(LATERAL))

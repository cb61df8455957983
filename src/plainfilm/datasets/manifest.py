"""The table of a data set: films, findings, patients and what experts drew."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from plainfilm.datasets.annotations import (
    annotation_table,
    boxes_on,
    check_annotations,
    mask_path,
    masks_on,
    resized,
)
from plainfilm.datasets.columns import FINDING, SCORE, UNCERTAIN, ZONES, check_labels, completed
from plainfilm.datasets.study import Study
from plainfilm.errors import ArtifactError, InputError, LabelError, ResourceError
from plainfilm.findings import LUNGS
from plainfilm.io.atomic import write_text
from plainfilm.io.content import content_hash, content_hashes
from plainfilm.io.folder import atomic_folder
from plainfilm.io.read import read

__all__ = ["FINDING", "POLICIES", "SCORE", "UNCERTAIN", "ZONES", "Manifest", "Policy", "check_labels"]

Policy = Literal["ignore", "zero", "one", "soft"]
POLICIES: Mapping[str, float] = {"ignore": np.nan, "zero": 0.0, "one": 1.0, "soft": 0.5}
"""What becomes of a finding that a report mentions with doubt."""

VERSION = 2
AGAIN = "Build it again."
MOVED = "If the films moved, say where with root= or --root."
TABLES = ("films.parquet", "annotations.parquet")


@dataclass(frozen=True, eq=False)
class Manifest:
    """A data set: one row a film, and one row a shape that was drawn on a film.

    Ids are text: ``00123`` and ``NA`` stay what they are.

    Attributes:
        name: What the data set is called.
        root: The folder from which ``path`` counts.
        films: Columns ``film`` (unique), ``path`` (with "/"; "" where the file is not here), ``patient``,
            ``study``, ``view`` ("PA", "AP", "LATERAL" or ""), ``sex`` ("F", "M" or ""), ``age`` in years,
            ``device``, ``split`` ("train", "validation", "test" or ""), ``sha256``, ``height`` and ``width``
            (after a check; NaN before), ``bits`` and ``inverted`` where the files do not tell (``read``),
            ``finding:NAME`` (1, 0, -1 uncertain, NaN unknown) and ``score:NAME``.
        annotations: Columns of ``plainfilm.datasets.annotations.COLUMNS``.
        uncertain: What -1 becomes, by finding; "ignore" (NaN) where nothing is said.

    Raises:
        LabelError: for missing columns, an id that occurs twice, values that no column may hold, or an
            unknown policy.
    """

    name: str
    root: Path
    films: pd.DataFrame = field(repr=False)
    annotations: pd.DataFrame = field(default_factory=annotation_table, repr=False)
    uncertain: Mapping[str, Policy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "films", completed(self.films, self.name))
        check_annotations(self.annotations, self.name)
        _check_policies(self.uncertain, self.findings, self.name)

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, index: int) -> Study:
        """The study of one film, which is read from its file.

        Raises:
            InputError: for a film that is not here or cannot be read, or an annotation of another shape.
        """
        row = self.films.iloc[index]
        bits = None if isnan(row["bits"]) else int(row["bits"])
        try:
            film = read(self.path(index), bits=bits, inverted=row["inverted"] == 1)
        except InputError as error:
            # By its place in the data set: where that lies on this disk is nobody's business.
            raise InputError(error.got, error.expected, row["path"] or error.where, error.advice) from error
        shapes = self.annotations.iloc[self._shapes.get(row["film"], [])]
        masks = masks_on(shapes, film.size, self.root)
        given = {name: float(row[SCORE + name]) for name in self.scores}
        scores = {name: value for name, value in given.items() if not isnan(value)}
        zones = np.array([scores[zone] for zone in ZONES]) if scores.keys() >= set(ZONES) else None
        return Study(
            radiograph=replace(
                film,
                id=row["film"],
                view=film.view or row["view"] or None,
                warnings=(*film.warnings, *resized(shapes, film.size)),
            ),
            findings=dict(zip(self.findings, self._labels[index].tolist(), strict=True)),
            lungs=masks.pop(LUNGS, None),
            masks=masks,
            boxes=boxes_on(shapes, film.size),
            zones=zones,
            patient=row["patient"],
            scores=scores,
            attributes={name: row[name] for name in ("view", "sex", "age", "device", "split")},
        )

    @cached_property
    def findings(self) -> tuple[str, ...]:
        """Names of the findings."""
        return tuple(c.removeprefix(FINDING) for c in self.films if c.startswith(FINDING))

    @cached_property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores."""
        return tuple(c.removeprefix(SCORE) for c in self.films if c.startswith(SCORE))

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each film."""
        return tuple(self.films["film"])

    @property
    def patients(self) -> tuple[str, ...]:
        """The patient of each film."""
        return tuple(self.films["patient"])

    def labels(self, findings: Sequence[str] | None = None) -> np.ndarray:
        """Findings of all films, uncertain ones decided by the policy: float32 ``(N, K)``; 1, 0 or NaN.

        Raises:
            LabelError: for a finding that the data set does not know, with close matches.
        """
        wanted = self.findings if findings is None else tuple(findings)
        columns = [self._column(name) for name in wanted]
        return np.stack(columns, 1) if columns else np.empty((len(self), 0), np.float32)

    def outlined(self) -> list[tuple[str, ...]]:
        """For each film the findings that an annotation outlines."""
        drawn = self.annotations[self.annotations["finding"] != LUNGS]
        names = {film: tuple(dict.fromkeys(each)) for film, each in drawn.groupby("film")["finding"]}
        return [names.get(film, ()) for film in self.films["film"]]

    def path(self, index: int) -> Path:
        """The file of a film.

        Raises:
            InputError: where it is not on this disk.
        """
        film, path = (self.films[name].iat[index] for name in ("film", "path"))
        if not (path and os.path.isfile(self.root / path)):
            root = os.path.basename(os.path.abspath(self.root))
            raise InputError("no such file", f"one under the root {root!r}", path or film, MOVED)
        return self.root / path

    def select(self, rows: np.ndarray | pd.Series) -> Manifest:
        """The films at these positions, or where a bool array says so, with their annotations."""
        films = self.films.iloc[np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows)]
        kept = self.annotations[self.annotations["film"].isin(films["film"])]
        return replace(self, films=films.reset_index(drop=True), annotations=kept.reset_index(drop=True))

    def here(self) -> Manifest:
        """The films whose file is on this disk.

        Raises:
            InputError: where there is none.
        """
        found = np.array([bool(path) and (self.root / path).is_file() for path in self.films["path"]], bool)
        if not found.any():
            raise InputError("none of the films", f"{len(self)} files", str(self.root), MOVED)
        return self.select(found)

    def film_keys(self, cache: Path | None = None) -> list[str]:
        """A text for each film that changes with its file and with what outlines its lungs.

        Args:
            cache: A folder that remembers hashes of files (``plainfilm.io.content``).

        Raises:
            InputError: for a film that is not here.
        """
        ledger = cache / "contents.json" if cache else None
        films = content_hashes((self.path(index) for index in range(len(self))), ledger)
        drawn = self.annotations[self.annotations["finding"] == LUNGS]
        lungs: dict[str, str] = {}
        for row in drawn.itertuples():
            file = content_hash(self.root / mask_path(row)) if row.kind == "file" else ""
            lungs[row.film] = f"{lungs.get(row.film, '')}{row.height}x{row.width}{row.shape}{file}"
        columns = (self.films[name] for name in ("film", "bits", "inverted"))
        known = [(lungs.get(film, ""), bits, inverted) for film, bits, inverted in zip(*columns, strict=True)]
        return [
            hashlib.sha256(repr((key, *beside)).encode()).hexdigest()
            for key, beside in zip(films, known, strict=True)
        ]

    def fingerprint(self) -> str:
        """A hash of the table, the annotations and the policy; of films by name alone (``film_keys``)."""
        found = hashlib.blake2b(repr((self.name, sorted(self.uncertain.items()))).encode(), digest_size=16)
        for table in (self.films, self.annotations):
            found.update(table.to_csv(index=False).encode())
        return found.hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Writes ``films.parquet``, ``annotations.parquet`` and ``manifest.json`` into a new folder.

        Raises:
            ResourceError: where the folder exists or cannot be written.
        """
        folder = Path(folder)
        if folder.exists():
            raise ResourceError("a folder that exists", "a new one", str(folder), "Remove or rename it.")
        with atomic_folder(folder) as part:
            self.films.to_parquet(part / "films.parquet", index=False)
            self.annotations.to_parquet(part / "annotations.parquet", index=False)
            facts = {
                "version": VERSION, "name": self.name, "root": _root_from(folder, self.root),
                "uncertain": dict(self.uncertain), "films": len(self), "fingerprint": self.fingerprint(),
                "sha256": {name: content_hash(part / name) for name in TABLES},
            }  # fmt: skip
            write_text(part / "manifest.json", json.dumps(facts, indent=2))
        return folder

    @classmethod
    def load(cls, folder: str | Path, root: str | Path | None = None) -> Manifest:
        """Opens a folder that ``save`` wrote.

        Args:
            folder: The folder.
            root: Where the films lie now, if they moved.

        Raises:
            ArtifactError: for a folder that is incomplete, changed by hand, or of another version.
        """
        folder = Path(folder)
        if not (folder / "manifest.json").is_file():
            expected = "a folder that 'plainfilm data build' or Manifest.save wrote"
            raise ArtifactError("no manifest.json", expected, str(folder))
        try:
            facts = json.loads((folder / "manifest.json").read_text())
            if facts["version"] != VERSION:
                raise ArtifactError(f"version {facts['version']}", f"version {VERSION}", folder.name, AGAIN)
            # Before they are parsed, for the parser is not made for damaged files.
            changed = [name for name in TABLES if content_hash(folder / name) != facts["sha256"][name]]
            if changed:
                raise ArtifactError(f"a changed {changed[0]}", "that of manifest.json", folder.name, AGAIN)
            films, annotations = (pd.read_parquet(folder / name) for name in TABLES)
            place = Path(root or os.path.normpath(folder / facts["root"]))
            found = cls(facts["name"], place, films, annotations, facts["uncertain"])
            unchanged = found.fingerprint() == facts["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError, LabelError) as error:
            raise ArtifactError(f"{error}", "a manifest", folder.name, AGAIN) from error
        if not unchanged:
            raise ArtifactError("another name or policy", "that of its tables", folder.name, AGAIN)
        return found

    def _column(self, name: str) -> np.ndarray:
        if name not in self.findings:
            close = get_close_matches(name.strip(), self.findings, n=3)
            advice = f"Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise LabelError(f"finding {name!r}", f"one of {', '.join(self.findings)}", self.name, advice)
        values = self.films[FINDING + name].to_numpy(np.float32)
        decided = POLICIES[self.uncertain.get(name, "ignore")]
        return np.where(values == UNCERTAIN, np.float32(decided), values)

    @cached_property
    def _labels(self) -> np.ndarray:
        return self.labels()

    @cached_property
    def _shapes(self) -> dict[str, np.ndarray]:
        """Film to the rows of its annotations."""
        return self.annotations.groupby("film").indices


def _root_from(folder: Path, root: Path) -> str:
    """Where the films lie as seen from a folder, so that both can be moved together."""
    try:
        return Path(os.path.relpath(root, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return str(root.absolute())


def _check_policies(policies: Mapping[str, str], findings: Sequence[str], name: str) -> None:
    for finding, policy in policies.items():
        if policy not in POLICIES:
            raise LabelError(f"policy {policy!r} for {finding}", f"one of {', '.join(POLICIES)}", name)
        if finding not in findings:
            raise LabelError(f"a policy for {finding!r}", f"one of {', '.join(findings)}", name)

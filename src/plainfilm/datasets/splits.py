"""Splits that no patient crosses: by a hash, in folds, and the check that nothing leaks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from plainfilm.datasets.columns import SPLITS
from plainfilm.datasets.manifest import Manifest
from plainfilm.errors import LabelError

HELD_OUT = SPLITS[1:]


def split_by_patient(
    manifest: Manifest, shares: Mapping[str, float], seed: int = 0, official: bool = True
) -> Manifest:
    """Gives every film a split, all films of a patient the same one; what no share claims is "train".

    Where a patient goes follows from the patient and the seed alone, so films that are added later move
    nobody. Shares are therefore met on average, and closely only with hundreds of patients.

    Args:
        manifest: The films.
        shares: "validation" and "test" to a share of the patients.
        seed: Another seed, another split.
        official: Keeps the validation and test films of the release and deals out the rest. Other films
            of their patients, where the release places them nowhere, are left out: their split is "".

    Raises:
        LabelError: for shares that make no sense, a share of a part that the release has fixed, a part that
            gets no film, or a release that leaks (``check_disjoint``).
    """
    _check_shares(shares, manifest)
    films = manifest.films
    given = films["split"] if official else pd.Series("", films.index)
    fixed = given.isin(HELD_OUT)
    for part in shares:
        if (given == part).any():
            raise LabelError(
                f"a share for {part!r}", f"none: the release has {(given == part).sum()} films there",
                manifest.name, "Leave the share out, or ignore the official split.",
            )  # fmt: skip
    taken = films["patient"].isin(films["patient"][fixed])
    dealt = films["patient"].map({name: _part(name, shares, seed) for name in films["patient"].unique()})
    made = replace(manifest, films=films.assign(split=given.where(fixed | taken, dealt)))
    _check_filled(made, shares, seed)
    check_disjoint(made)
    return made


def cross_validation(manifest: Manifest, folds: int, seed: int = 0) -> list[tuple[Manifest, Manifest]]:
    """Pairs (train, test) in which every patient is tested once; splits of the release are ignored.

    Patients are dealt out in the order of their hashes: no fold has two patients more than another.

    Raises:
        LabelError: for fewer than two folds or fewer patients than folds, or one film under two patients.
    """
    patients = sorted(set(manifest.patients), key=lambda patient: position(patient, seed))
    if not 2 <= folds <= len(patients):
        raise LabelError(f"{folds} folds", f"2 to {len(patients)}, the number of patients", manifest.name)
    fold = {patient: k % folds for k, patient in enumerate(patients)}
    places = np.array([fold[patient] for patient in manifest.patients])
    return [_train_and_test(manifest, places == k) for k in range(folds)]


def check_disjoint(manifest: Manifest) -> None:
    """Refuses splits that leak.

    Films whose split is "" are in none. Files are compared where they were hashed (``checking.check``).

    Raises:
        LabelError: where films of one patient, or two copies of one file, lie in different splits.
    """
    films = manifest.films[manifest.films["split"] != ""]
    for column, what in (("patient", "patients"), ("sha256", "files")):
        known = films[films[column] != ""]
        leaks = known[known.groupby(column)["split"].transform("nunique") > 1]
        if len(leaks):
            both = leaks[leaks[column] == leaks[column].iloc[0]].drop_duplicates("split")
            example = " and ".join(f"{row.film} ({row.split})" for row in both.itertuples())
            raise LabelError(
                f"{leaks[column].nunique()} {what} in more than one split, such as {example}",
                f"{what} in one split each", manifest.name,
                "Split by patient: plainfilm data split --ignore-official.",
            )  # fmt: skip


def position(patient: str, seed: int) -> float:
    """A number in [0, 1) that follows from the patient and the seed."""
    digest = hashlib.blake2b(f"{seed} {patient}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _train_and_test(manifest: Manifest, tested: np.ndarray) -> tuple[Manifest, Manifest]:
    whole = replace(manifest, films=manifest.films.assign(split=np.where(tested, "test", "train")))
    check_disjoint(whole)
    return whole.select(~tested), whole.select(tested)


def _part(patient: str, shares: Mapping[str, float], seed: int) -> str:
    left = position(patient, seed)
    for part in HELD_OUT:
        left -= shares.get(part, 0.0)
        if left < 0:
            return part
    return SPLITS[0]


def _check_shares(shares: Mapping[str, float], manifest: Manifest) -> None:
    unknown = [part for part in shares if part not in HELD_OUT]
    if unknown:
        raise LabelError(f"a share for {unknown[0]!r}", " or ".join(HELD_OUT), manifest.name)
    if not (all(0 < share < 1 for share in shares.values()) and sum(shares.values()) < 1):
        got = ", ".join(f"{part} {share:g}" for part, share in shares.items())
        raise LabelError(f"the shares {got}", "numbers above 0 that leave some to train on", manifest.name)


def _check_filled(made: Manifest, shares: Mapping[str, float], seed: int) -> None:
    for part, share in shares.items():
        if not (made.films["split"] == part).any():
            raise LabelError(
                f"no film for {part} from a share {share:g} of {made.films['patient'].nunique()} patients",
                f"patients enough for {('two', 'three')[len(shares) - 1]} parts", made.name,
                f"Give a larger share, another seed than {seed}, or more patients.",
            )  # fmt: skip

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.splits import check_disjoint, cross_validation, split_by_patient
from plainfilm.errors import LabelError

SHARES = {"validation": 0.15, "test": 0.25}
MANY = [f"patient {k}" for k in range(100)]
"""Enough for a film in every part."""


def manifest(patients, **columns) -> Manifest:
    films = pd.DataFrame({"film": [f"f{k}" for k in range(len(patients))], "patient": list(patients)})
    return Manifest("ours", Path(), films.assign(**columns))


def places(made: Manifest) -> dict[str, set[str]]:
    found = defaultdict(set)
    for patient, split in zip(made.patients, made.films["split"], strict=True):
        found[patient].add(split)
    return found


@settings(deadline=None, max_examples=12)
@given(st.lists(st.sampled_from("abcdefghij"), max_size=30), st.integers(0, 99))
def test_all_films_of_a_patient_lie_in_one_split(patients, seed):
    made = split_by_patient(manifest([*MANY, *patients]), SHARES, seed)
    assert all(len(parts) == 1 and "" not in parts for parts in places(made).values())


@settings(deadline=None, max_examples=12)
@given(st.lists(st.text("abc", min_size=1), unique=True, min_size=2), st.integers(0, 9))
def test_where_a_patient_goes_follows_from_the_patient_and_the_seed_alone(patients, seed):
    together = places(split_by_patient(manifest([*MANY, *patients]), SHARES, seed))
    alone = places(split_by_patient(manifest([*MANY, patients[-1]]), SHARES, seed))
    assert together[patients[-1]] == alone[patients[-1]]


def test_shares_are_met_on_average_and_seeds_differ():
    many = manifest([str(k) for k in range(10_000)])
    first, second = (split_by_patient(many, SHARES, seed).films["split"] for seed in (0, 1))
    counts = first.value_counts(normalize=True)
    # Five standard deviations of a share of 10,000 are 0.022 at most.
    assert counts["validation"] == pytest.approx(0.15, abs=0.022)
    assert counts["test"] == pytest.approx(0.25, abs=0.022)
    # Independent splits agree by chance alone: 0.15^2 + 0.25^2 + 0.6^2.
    assert (first == second).mean() == pytest.approx(0.445, abs=0.03)


def test_the_official_test_films_stay_and_validation_is_cut_from_the_rest():
    splits = ["test"] * 100 + ["train"] * 400
    released = manifest([str(k) for k in range(500)], split=splits)
    made = split_by_patient(released, {"validation": 0.2}).films["split"]
    assert (made[:100] == "test").all()
    assert set(made[100:]) == {"train", "validation"}
    fresh = split_by_patient(released, SHARES, official=False).films["split"]
    assert set(fresh[:100]) == {"train", "validation", "test"}


def test_a_share_of_a_part_that_the_release_has_fixed_is_refused():
    with pytest.raises(LabelError, match=r"a share for 'test'.*2 films there.*ignore the official split"):
        split_by_patient(manifest("abc", split=["test", "test", "train"]), SHARES)


def test_films_of_a_test_patient_that_the_release_places_nowhere_are_left_out():
    made = split_by_patient(manifest("aab", split=["test", "", ""]), {})
    assert made.films["split"].tolist() == ["test", "", "train"]


def test_a_part_that_gets_no_film_is_refused():
    with pytest.raises(LabelError, match=r"no film for test from a share 0\.01 of 3 patients"):
        split_by_patient(manifest("abca"), {"test": 0.01})


@pytest.mark.parametrize(
    "shares",
    [{"train": 0.5}, {"test": 0}, {"test": 1}, {"test": float("nan")}, {"test": 0.6, "validation": 0.4}],
)
def test_shares_that_make_no_sense_are_refused(shares):
    with pytest.raises(LabelError, match="share"):
        split_by_patient(manifest("abc"), shares)


@settings(deadline=None, max_examples=12)
@given(st.lists(st.sampled_from("abcdefghij"), min_size=20, max_size=40), st.integers(2, 5))
def test_every_patient_is_tested_in_one_fold(patients, folds):
    if len(set(patients)) < folds:
        return
    pairs = cross_validation(manifest(patients), folds, seed=3)
    assert sorted(film for _, test in pairs for film in test.ids) == sorted(manifest(patients).ids)
    sizes = [len(set(test.patients)) for _, test in pairs]
    assert max(sizes) - min(sizes) <= 1
    for train, test in pairs:
        assert not set(train.patients) & set(test.patients)
        assert len(train) + len(test) == len(patients)
        assert set(train.films["split"]) == {"train"}
        assert set(test.films["split"]) == {"test"}


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_folds_must_be_at_least_two_and_at_most_the_patients(folds):
    with pytest.raises(LabelError, match="folds"):
        cross_validation(manifest("abca"), folds)


def test_a_patient_in_two_splits_is_a_leak_and_named_by_films_alone():
    leaking = manifest(["secret", "b", "secret"], split=["train", "train", "test"])
    with pytest.raises(LabelError, match=r"1 patients.*f0 \(train\) and f2 \(test\)") as caught:
        check_disjoint(leaking)
    assert "secret" not in str(caught.value)


def test_one_file_in_two_splits_is_a_leak():
    leaking = manifest("abc", split=["train", "train", "test"], sha256=["x", "y", "x"])
    with pytest.raises(LabelError, match=r"1 files.*f0 \(train\) and f2 \(test\)"):
        check_disjoint(leaking)
    with pytest.raises(LabelError, match="1 files"):
        cross_validation(leaking, 3)


def test_films_in_no_split_and_files_without_a_hash_do_not_leak():
    check_disjoint(manifest("aab", split=["train", "", "test"], sha256=["", "x", ""]))


def test_the_rest_of_the_manifest_is_kept():
    before = manifest(MANY, age=range(100))
    after = split_by_patient(before, SHARES)
    pd.testing.assert_frame_equal(after.films.drop(columns="split"), before.films.drop(columns="split"))
    assert replace(after, films=before.films).fingerprint() == before.fingerprint()


def test_nihs_patients_with_follow_ups_stay_together(real_data):
    table = pd.read_csv(real_data / "nih" / "Data_Entry_2017_v2020.subset.csv", dtype=str)
    made = split_by_patient(manifest(table["Patient ID"]), SHARES)
    assert len(places(made)) < len(made)
    assert all(len(parts) == 1 for parts in places(made).values())

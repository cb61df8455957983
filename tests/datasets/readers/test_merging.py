"""Merging of readers against counting, box fusion against its properties and a slow copy of its rule."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.datasets.annotations import Annotation, annotation_table
from plainfilm.datasets.manifest import Manifest
from plainfilm.datasets.readers.merging import FusedBox, fuse_boxes, fuse_readers, marks_of, merge_readers
from plainfilm.errors import InputError, LabelError

READERS = ("R1", "R2", "R3", "R4")
boxes = st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 60)] * 2)
many = st.lists(st.tuples(boxes, st.sampled_from(READERS)), max_size=8)
marks = st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=len(READERS), max_size=len(READERS))


def rows(*marked):
    return pd.DataFrame(marked, columns=["film", "reader", "finding"])


def iou(one, other):
    """Of whole numbers, by counting pixels."""
    inside = [
        {(x, y) for x in range(left, left + width) for y in range(top, top + height)}
        for left, top, width, height in (one, other)
    ]
    return len(inside[0] & inside[1]) / len(inside[0] | inside[1])


def test_a_reader_marks_what_has_a_row_and_denies_the_rest_of_the_films_read():
    found = marks_of(
        rows(("a", "R1", "Mass"), ("a", "R1", "Mass"), ("a", "R2", "No finding"), ("b", "R2", "Nodule")),
        ["a", "b"], ["R1", "R2"], ["Mass", "Nodule"],
    )  # fmt: skip
    np.testing.assert_array_equal(found[0], [[1, 0], [np.nan, np.nan]])
    np.testing.assert_array_equal(found[1], [[0, 0], [0, 1]])


@given(marks)
def test_any_and_majority_are_what_counting_says(said):
    given_marks = np.array(said, np.float32).reshape(-1, 1, 1)
    votes = [value for value in said if not np.isnan(value)]
    some = float(1.0 in votes) if votes else np.nan
    most = float(votes.count(1.0) > votes.count(0.0)) if votes else np.nan
    np.testing.assert_array_equal(merge_readers(given_marks, READERS, "any"), [[some]])
    np.testing.assert_array_equal(merge_readers(given_marks, READERS, "majority"), [[most]])


@given(marks)
def test_a_majority_is_always_some(said):
    given_marks = np.array(said, np.float32).reshape(-1, 1, 1)
    some, most = (merge_readers(given_marks, READERS, rule) for rule in ("any", "majority"))
    assert np.isnan(some).all() or (most <= some).all()


def test_one_reader_speaks_for_that_reader_alone():
    given_marks = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    np.testing.assert_array_equal(merge_readers(given_marks, READERS, "R3"), given_marks[2])


def test_an_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(LabelError, match="'any', 'majority' or one of R1"):
        merge_readers(np.zeros((4, 1, 1)), READERS, "most")


def test_boxes_that_overlap_become_their_mean_with_all_who_saw_it():
    found = fuse_boxes([(0, 0, 10, 10), (2, 0, 10, 10), (50, 50, 5, 5)], ["R2", "R1", "R2"])
    assert found == [FusedBox((1, 0, 10, 10), ("R1", "R2")), FusedBox((50, 50, 5, 5), ("R2",))]


def test_a_reader_who_drew_twice_counts_once():
    (found,) = fuse_boxes([(0, 0, 10, 10), (1, 0, 10, 10)], ["R1", "R1"])
    assert found.readers == ("R1",)


@given(many)
def test_the_order_of_the_rows_does_not_matter(drawn):
    drawn = drawn[:4]
    results = {
        tuple(fuse_boxes([box for box, _ in order], [reader for _, reader in order]))
        for order in permutations(drawn)
    }
    assert len(results) == 1


@given(many, st.floats(0.1, 1.0))
def test_fusion_follows_the_rule_of_the_paper_step_by_step(drawn, overlap):
    drawn = sorted(drawn, key=lambda each: (-each[0][2] * each[0][3], each[0]))
    clusters: list[list[tuple]] = []
    for each in drawn:
        best, most = None, -1.0
        for cluster in clusters:
            mean = [sum(box[k] for box, _ in cluster) / len(cluster) for k in range(4)]
            shared = max(0, min(mean[0] + mean[2], each[0][0] + each[0][2]) - max(mean[0], each[0][0]))
            shared *= max(0, min(mean[1] + mean[3], each[0][1] + each[0][3]) - max(mean[1], each[0][1]))
            ratio = shared / (mean[2] * mean[3] + each[0][2] * each[0][3] - shared)
            if ratio > most:
                best, most = cluster, ratio
        if best is not None and most >= overlap:
            best.append(each)
        else:
            clusters.append([each])
    found = fuse_boxes([box for box, _ in drawn], [reader for _, reader in drawn], overlap)
    assert [each.readers for each in found] == [
        tuple(sorted({reader for _, reader in cluster})) for cluster in clusters
    ]
    for each, cluster in zip(found, clusters, strict=True):
        np.testing.assert_allclose(each.box, np.mean([box for box, _ in cluster], 0))


@given(boxes, boxes)
def test_two_boxes_fuse_just_where_enough_of_their_pixels_are_shared(one, other):
    shared = iou(one, other)
    for overlap in (shared - 0.01, shared + 0.01):
        if 0 < overlap <= 1:
            assert len(fuse_boxes([one, other], ["R1", "R2"], overlap)) == (1 if overlap < shared else 2)


def test_an_overlap_of_nothing_and_a_box_without_reader_are_refused():
    with pytest.raises(InputError, match="overlap 0"):
        fuse_boxes([(0, 0, 1, 1)], ["R1"], 0)
    with pytest.raises(InputError, match="one for each of 1 boxes"):
        fuse_boxes([(0, 0, 1, 1)], [])


def test_a_data_set_is_fused_by_film_and_finding(tmp_path):
    drawn = [
        Annotation("a", "Mass", "box", (0, 0, 10, 10), reader="R1"),
        Annotation("a", "Mass", "box", (2, 0, 10, 10), reader="R2"),
        Annotation("a", "Nodule", "box", (0, 0, 10, 10), reader="R3"),
        Annotation("b", "Mass", "box", (0, 0, 10, 10), reader="R3"),
        Annotation("b", "Mass", "polygon", [[[0, 0], [1, 0], [1, 1]]], reader="R3"),
    ]
    films = pd.DataFrame({"film": ["a", "b"], "finding:Mass": [1.0, 1.0], "finding:Nodule": [1.0, 0.0]})
    manifest = Manifest("fused", tmp_path, films, annotation_table(drawn))
    found = fuse_readers(manifest).annotations
    assert sorted(zip(found["film"], found["finding"], found["kind"], found["reader"], strict=True)) == [
        ("a", "Mass", "box", "R1+R2"),
        ("a", "Nodule", "box", "R3"),
        ("b", "Mass", "box", "R3"),
        ("b", "Mass", "polygon", "R3"),
    ]
    both = fuse_readers(manifest, agreed=2).annotations
    assert [json.loads(shape) for shape in both["shape"][both["kind"] == "box"]] == [[1, 0, 10, 10]]
    assert set(both["kind"]) == {"box", "polygon"}

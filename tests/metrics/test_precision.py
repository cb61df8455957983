from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from plainfilm.errors import InputError
from plainfilm.metrics.precision import average_precision, multilabel_average_precision

films = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=30
)


@settings(deadline=None)
@given(films)
def test_it_is_scikit_learns_for_every_list_with_a_positive_film(films):
    scores, truth = map(np.array, zip(*films, strict=True))
    if truth.any():
        expected = average_precision_score(truth, scores)
        assert average_precision(scores, truth) == pytest.approx(expected, abs=1e-12)
    else:
        assert math.isnan(average_precision(scores, truth))


def test_it_is_scikit_learns_on_a_real_chexnet(real_data):
    folder = real_data / "nih"
    scores = pd.read_csv(folder / "chexnet_zech_test_preds.csv.gz", index_col=0)
    labels = pd.read_csv(folder / "chexnet_zech_test_labels.csv.gz", index_col=0)
    found = labels.loc[scores.index, "Finding Labels"].str.get_dummies("|")
    targets = [column.removeprefix("prob_") for column in scores]
    measured = multilabel_average_precision(scores, found[targets], targets)
    for name in targets:
        expected = average_precision_score(found[name], scores[f"prob_{name}"])
        assert measured[name] == pytest.approx(expected, abs=1e-12)


def test_a_perfect_order_scores_1_and_a_constant_score_the_prevalence():
    assert average_precision([0.1, 0.2, 0.8], [0, 0, 1]) == 1
    assert average_precision([0.5] * 4, [0, 1, 0, 0]) == 0.25


def test_unknown_truth_is_left_out():
    assert average_precision([0.9, 0.5, 0.4], [np.nan, 1, 0]) == 1


def test_no_positive_film_is_undefined_and_never_0():
    assert math.isnan(average_precision([0.1, 0.2], [0, 0]))
    assert math.isnan(average_precision([], []))


def test_the_targets_must_match_the_columns():
    with pytest.raises(InputError, match=r"\(n, 2\)"):
        multilabel_average_precision(np.zeros((5, 3)), np.zeros((5, 3)), ["Mass", "Nodule"])

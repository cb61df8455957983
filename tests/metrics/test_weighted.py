from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainfilm.errors import LabelError
from plainfilm.metrics.classification import auroc
from plainfilm.metrics.precision import average_precision
from plainfilm.metrics.weighted import mean, weighted_auroc, weighted_average_precision, weighted_mean

TWINS = [(weighted_auroc, auroc), (weighted_average_precision, average_precision)]
films = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.sampled_from([0.0, 1.0, np.nan]), st.integers(0, 3)),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize(("weighted", "plain"), TWINS)
@settings(deadline=None)
@given(films)
def test_a_weight_is_so_many_copies_of_a_film(weighted, plain, films):
    scores, truth, counts = (np.array(column) for column in zip(*films, strict=True))
    expected = plain(np.repeat(scores, counts), np.repeat(truth, counts))
    found = weighted(np.stack([counts, np.zeros_like(counts)], 1), scores, truth)
    np.testing.assert_allclose(found, [expected, np.nan], atol=1e-12)


@settings(deadline=None)
@given(films)
def test_a_weighted_mean_is_that_of_copies(films):
    _, values, counts = (np.array(column) for column in zip(*films, strict=True))
    found = weighted_mean(counts[:, None], values)
    np.testing.assert_allclose(found, mean(np.repeat(values, counts)), atol=1e-12)


def test_a_mean_leaves_out_what_is_undefined():
    assert mean([0.2, np.nan, 0.4]) == pytest.approx(0.3)
    assert np.isnan(mean([np.nan]))


def test_labels_are_checked():
    with pytest.raises(LabelError):
        weighted_auroc(np.ones((2, 1), int), [0.1, 0.2], [1, -1])

from __future__ import annotations

import numpy as np
import pytest
import torch

from plainfilm.errors import InputError, LabelError, NumericError
from plainfilm.metrics.labels import classes, known, numbers, probabilities, scores_and_labels


def test_unknown_films_are_left_out_and_counted():
    scores, present, unknown = known([0.1, 0.2, 0.3, 0.4], [1, np.nan, 0, np.nan], "test")
    assert scores.tolist() == [0.1, 0.3]
    assert present.tolist() == [True, False]
    assert unknown == 2


def test_films_are_parted_by_class():
    positive, negative, unknown = classes([0.1, 0.2, 0.3], [1, 0, 1], "test")
    assert (positive.tolist(), negative.tolist(), unknown) == ([0.1, 0.3], [0.2], 0)


def test_tensors_of_half_precision_become_float64():
    assert numbers(torch.tensor([0.5], dtype=torch.bfloat16)).dtype == np.float64


def test_an_uncertain_label_is_refused_with_its_count():
    with pytest.raises(LabelError, match="here: got 2 truth values such as -1"):
        scores_and_labels([0.1, 0.2, 0.3], [-1, -1, 0], "here")


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(NumericError, match="first at 1"):
        scores_and_labels([0.1, np.inf], [1, 0], "here")


def test_logits_are_no_probabilities():
    with pytest.raises(InputError, match="become probabilities by a sigmoid"):
        probabilities([-1.2, 0.3], [1, 0], "here")


def test_the_score_of_an_unknown_film_may_be_anything_finite():
    scores, _, _ = probabilities([7.0, 0.3], [np.nan, 0], "here")
    assert scores.tolist() == [0.3]

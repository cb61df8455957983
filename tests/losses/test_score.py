from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.errors import LabelError
from plainfilm.losses.score import BEND, score_loss


@given(predicted=st.floats(-1, 2), truth=st.floats(0, 1))
def test_both_losses_are_their_definitions(predicted, truth):
    p, t = torch.tensor([[predicted]], dtype=torch.float64), torch.tensor([[truth]], dtype=torch.float64)
    error = abs(predicted - truth)
    smooth = error**2 / (2 * BEND) if error < BEND else error - BEND / 2
    assert score_loss(p, t, "mse").item() == pytest.approx(error**2, abs=1e-12)
    assert score_loss(p, t, "smooth-l1").item() == pytest.approx(smooth, abs=1e-12)


@pytest.mark.parametrize("kind", ["mse", "smooth-l1"])
def test_gradients_are_those_of_finite_differences(kind):
    truth = torch.tensor([[0.2], [torch.nan], [0.9]], dtype=torch.float64)
    predicted = torch.tensor([[0.25], [0.4], [0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: score_loss(p, truth, kind), predicted)


@pytest.mark.parametrize("kind", ["mse", "smooth-l1"])
def test_unknown_scores_count_nothing(kind):
    predicted, truth = torch.rand(6, 1), torch.rand(6, 1)
    truth[1::2] = torch.nan
    torch.testing.assert_close(
        score_loss(predicted, truth, kind), score_loss(predicted[::2], truth[::2], kind)
    )


def test_a_batch_without_known_scores_has_no_loss_but_a_graph():
    predicted = torch.rand(3, 1, requires_grad=True)
    loss = score_loss(predicted, torch.full((3, 1), torch.nan))
    loss.backward()
    assert loss.item() == 0
    assert (predicted.grad == 0).all()


@pytest.mark.parametrize("wrong", [-0.1, 7.0])
def test_a_score_beyond_its_scale_is_refused(wrong):
    with pytest.raises(LabelError, match="greatest_score"):
        score_loss(torch.rand(1, 1), torch.tensor([[wrong]]))

from __future__ import annotations

import pytest
import torch

from plainfilm.losses.elastic import elastic_loss


def test_squares_and_absolute_errors_are_summed_over_all_pixels():
    one, other = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 3, 4)
    slowly = sum((a - b) ** 2 + abs(a - b) for a, b in zip(one.flatten(), other.flatten(), strict=True))
    torch.testing.assert_close(elastic_loss(one, other), slowly)


def test_it_is_nothing_for_a_perfect_copy_and_has_a_gradient_there():
    images = torch.rand(1, 1, 2, 2, requires_grad=True)
    loss = elastic_loss(images, images.detach())
    loss.backward()
    assert loss == 0
    assert torch.isfinite(images.grad).all()


def test_the_square_rules_in_the_papers_unit_and_not_in_shares():
    error = torch.full((1, 1, 1, 1), 0.05)
    assert elastic_loss(error, 0 * error).item() == pytest.approx(0.05 + 0.05**2)
    wide = elastic_loss(2048 * error, 0 * error).item()
    assert wide == pytest.approx(102.4**2 + 102.4)

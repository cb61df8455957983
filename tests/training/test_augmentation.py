from __future__ import annotations

import torch

from plainfilm.training.augmentation import Change, apply_changes, draw_changes


def test_the_same_generator_gives_the_same_films():
    images = torch.rand(3, 1, 20, 20)
    one, two = (apply_changes(images, draw_changes(3, torch.Generator().manual_seed(5))) for _ in range(2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(one, apply_changes(images, draw_changes(3, torch.Generator().manual_seed(6))))
    assert one.amin() >= 0
    assert one.amax() <= 1


def test_no_global_randomness_is_used():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    apply_changes(torch.rand(1, 1, 8, 8, generator=torch.Generator()), draw_changes(1, torch.Generator()))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_neutral_change_changes_nothing():
    images = torch.rand(2, 1, 16, 16).clamp(0.01, 0.99)
    same, none = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).repeat(2, 1, 1), torch.zeros(2)
    neutral = Change(same, none + 1, none + 1, none, none, seed=0)
    torch.testing.assert_close(apply_changes(images, neutral), images, rtol=1e-4, atol=1e-5)

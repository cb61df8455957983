from __future__ import annotations

import torch

from plainfilm.training.augmentation import Change, apply_changes, draw_changes


def test_the_same_seeds_give_the_same_films():
    images = torch.rand(3, 1, 20, 20)
    one, two = (apply_changes(images, draw_changes([5, 6, 7])) for _ in range(2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(one, apply_changes(images, draw_changes([5, 6, 8])))
    assert one.amin() >= 0
    assert one.amax() <= 1


def test_a_film_is_changed_alike_in_every_batch():
    images, seeds = torch.rand(4, 1, 24, 24), [11, 12, 13, 14]
    together = apply_changes(images, draw_changes(seeds))
    for k, seed in enumerate(seeds):
        alone = apply_changes(images[k : k + 1], draw_changes([seed]))
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=1e-6)


def test_draws_have_the_spread_that_they_claim():
    change = draw_changes(list(range(4000)))
    torch.testing.assert_close(change.gamma.log().std(), torch.tensor(0.15), rtol=0.05, atol=0)
    torch.testing.assert_close(change.affine[:, 0, 2].std(), torch.tensor(0.04), rtol=0.05, atol=0)
    size = (change.affine[:, 0, 0] ** 2 + change.affine[:, 1, 0] ** 2).sqrt()
    torch.testing.assert_close(size.std(), torch.tensor(0.06), rtol=0.05, atol=0)
    assert (change.noise >= 0).all()


def test_no_global_randomness_is_used():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    apply_changes(torch.rand(1, 1, 8, 8, generator=torch.Generator()), draw_changes([0]))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_neutral_change_changes_nothing():
    images = torch.rand(2, 1, 16, 16).clamp(0.01, 0.99)
    same, none = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).repeat(2, 1, 1), torch.zeros(2)
    neutral = Change(same, none + 1, none + 1, none, none, seeds=(0, 1))
    torch.testing.assert_close(apply_changes(images, neutral), images, rtol=1e-4, atol=1e-5)

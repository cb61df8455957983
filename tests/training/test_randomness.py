from __future__ import annotations

import hashlib

import torch

from plainfilm.training.randomness import generator_at, order_of, seed_at


def test_a_seed_is_the_first_63_bits_of_the_hash_of_its_place():
    digest = hashlib.blake2b(b"(7, 'order', 3)", digest_size=8).hexdigest()
    assert seed_at(7, "order", 3) == int(digest, 16) // 2


def test_places_differ():
    places = [
        (seed, word, number) for seed in range(5) for word in ("order", "network") for number in range(20)
    ]
    assert len({seed_at(*place) for place in places}) == len(places)


def test_an_order_is_a_permutation_of_its_seed_and_epoch_alone():
    torch.manual_seed(1)
    first = order_of(50, 4, 2)
    assert sorted(first.tolist()) == list(range(50))
    torch.manual_seed(2)
    assert torch.equal(first, order_of(50, 4, 2))
    assert not torch.equal(first, order_of(50, 4, 3))


def test_no_global_randomness_is_used():
    before = torch.get_rng_state()
    torch.rand(3, generator=generator_at(0, "augmentation", 1, 2))
    assert torch.equal(torch.get_rng_state(), before)

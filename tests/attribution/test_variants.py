from __future__ import annotations

import torch

from plainfilm.attribution.variants import draws, pairs


def test_every_pair_comes_once_and_in_order():
    found = [
        (i, v)
        for image, variant in pairs(3, 4, 5)
        for i, v in zip(image.tolist(), variant.tolist(), strict=True)
    ]
    assert found == [(i, v) for i in range(3) for v in range(4)]
    assert [len(image) for image, _ in pairs(3, 4, 5)] == [5, 5, 2]


def test_draws_depend_on_seed_and_counter_alone():
    torch.manual_seed(1)
    first = torch.rand(4, generator=draws(0, "noise", 3))
    torch.manual_seed(2)
    assert torch.equal(torch.rand(4, generator=draws(0, "noise", 3)), first)
    for other in (draws(1, "noise", 3), draws(0, "noise", 4), draws(0, "order", 3)):
        assert not torch.equal(torch.rand(4, generator=other), first)

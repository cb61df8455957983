from __future__ import annotations

import pytest
import torch
from torch import nn

from plainfilm.attribution import ExpectedGradients
from plainfilm.errors import ModelError


def test_agrees_with_its_expectation_done_slowly(small):
    small.double()
    images, references = torch.rand(2, 1, 16, 16).double(), torch.rand(3, 1, 16, 16).double()
    method = ExpectedGradients(small, samples=7, references=references)
    maps = method.attribute(images, [0, 2])
    shares, order = method.shares().tolist(), method.order().tolist()
    for image, target, map_ in zip(images, [0, 2], maps, strict=True):
        total = torch.zeros_like(image)
        for share, each in zip(shares, order, strict=True):
            point = (references[each] + share * (image - references[each]))[None].requires_grad_()
            small(point)[0, target].backward()
            total += (image - references[each]) * point.grad[0]
        torch.testing.assert_close(map_, total / 7)


def test_is_complete(small):
    images, references = torch.rand(2, 1, 16, 16), torch.rand(4, 1, 16, 16)
    maps = ExpectedGradients(small, samples=2000, references=references).attribute(images, 1)
    with torch.no_grad():
        difference = small(images)[:, 1] - small(references)[:, 1].mean()
    torch.testing.assert_close(maps.sum((1, 2, 3)), difference, rtol=0, atol=5e-3)


def test_without_references_it_starts_from_every_grey_level(small):
    image = torch.rand(1, 1, 16, 16)
    maps = ExpectedGradients(small, samples=2000).attribute(image, 1)
    levels = torch.linspace(image.min(), image.max(), 200).view(-1, 1, 1, 1)
    with torch.no_grad():
        difference = small(image)[0, 1] - small(levels.expand(-1, 1, 16, 16))[:, 1].mean()
    torch.testing.assert_close(maps.sum(), difference, rtol=0, atol=5e-3)


def test_of_a_linear_network_it_is_exact_with_one_sample():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 1, bias=False))
    image, reference = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)
    maps = ExpectedGradients(network, samples=1, references=reference).attribute(image, 0)
    torch.testing.assert_close(maps, (image - reference) * network[1].weight.detach().view(1, 1, 4, 4))


def test_shares_fill_the_interval_and_every_reference_has_its_turn(small):
    method = ExpectedGradients(small, samples=10, references=torch.rand(4, 1, 16, 16))
    assert sorted((method.shares() * 10).long().tolist()) == list(range(10))
    assert sorted(method.order()[:4].tolist()) == [0, 1, 2, 3]


def test_a_seed_gives_one_map_and_another_seed_another(small):
    image = torch.rand(1, 1, 16, 16)
    first, again, other = (ExpectedGradients(small, samples=4, seed=s).attribute(image, 0) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_its_references_are_recorded_by_their_content(small):
    references = torch.rand(3, 1, 16, 16)
    one, other = (ExpectedGradients(small, references=r).settings() for r in (references, references + 1))
    assert one["references"].startswith("3 films, sha256 ")
    assert one["references"] != other["references"]
    assert ExpectedGradients(small).settings()["references"] is None


def test_references_of_another_size_or_kind_are_refused(small):
    with pytest.raises(ModelError, match="references of"):
        ExpectedGradients(small, references=torch.rand(3, 1, 8, 8)).attribute(torch.rand(1, 1, 16, 16), 0)
    with pytest.raises(ModelError, match="references"):
        ExpectedGradients(small, references="films")
    with pytest.raises(ModelError, match="samples"):
        ExpectedGradients(small, samples=0)

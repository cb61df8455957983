from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from plainfilm.attribution import FeatureStatistics
from plainfilm.attribution.feature_statistics import Moments
from plainfilm.errors import ArtifactError, ModelError, NumericError
from plainfilm.io.checkpoint import write_checkpoint

LAYERS = ["first", "second"]


@pytest.fixture
def films() -> Tensor:
    return torch.rand(37, 1, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_agrees_with_two_passes_of_numpy(offset, small, films):
    """Far from 0 the sum of squares would lose every digit in one pass."""
    small.first.bias.data += offset
    found = FeatureStatistics.estimate(small, LAYERS, films)
    assert found.count == 37
    with torch.no_grad():
        features = small.first(films).double().numpy()
    ours = found["first"]
    np.testing.assert_allclose(ours.mean, features.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.standard_deviation, features.std(0, ddof=1), rtol=1e-5, atol=1e-6)


def test_an_element_is_active_where_more_than_one_film_in_a_hundred_is_not_0():
    features = torch.zeros(200, 1, 1, 3)
    features[:2, 0, 0, 1] = 1.0
    features[:3, 0, 0, 2] = -1.0
    assert Moments.of(features).active.flatten().tolist() == [False, False, True]


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5))
def test_parts_merge_to_the_whole(sizes):
    generator = torch.Generator().manual_seed(sum(sizes))
    parts = [50 + torch.randn(n, 2, 3, 3, generator=generator).double() for n in sizes]
    merged = Moments.of(parts[0])
    for part in parts[1:]:
        merged = merged.merge(Moments.of(part))
    whole = Moments.of(torch.cat(parts))
    assert merged.count == whole.count
    for name in ("mean", "squares", "standard_deviation", "nonzero"):
        torch.testing.assert_close(getattr(merged, name), getattr(whole, name), rtol=1e-9, atol=1e-9)


def test_batches_and_machines_change_nothing(small, films):
    whole = FeatureStatistics.estimate(small, LAYERS, films)
    batches = FeatureStatistics.estimate(small, [small.first, "second"], iter(films.split(5)))
    merged = FeatureStatistics.estimate(small, LAYERS, films[:20]).merge(
        FeatureStatistics.estimate(small, LAYERS, films[20:])
    )
    for other in (batches, merged):
        assert other.count == 37
        for name in LAYERS:
            torch.testing.assert_close(other[name].mean, whole[name].mean, rtol=1e-6, atol=1e-7)
            torch.testing.assert_close(
                other[name].standard_deviation, whole[name].standard_deviation, rtol=1e-5, atol=1e-7
            )
            assert torch.equal(other[name].active, whole[name].active)


def test_is_the_same_out_of_its_file(small, films, tmp_path):
    found = FeatureStatistics.estimate(small, LAYERS, films)
    card = json.loads(found.save(tmp_path / "statistics.safetensors").read_text())
    assert card["count"] == 37
    assert card["digest"] == found.digest
    again = FeatureStatistics.load(tmp_path / "statistics.safetensors")
    assert again.digest == found.digest
    assert repr(again) == f"FeatureStatistics(37 films, sha256 {found.digest[:16]})"
    for name in LAYERS:
        torch.testing.assert_close(
            again[name].squares, found[name].squares, rtol=1e-6, atol=1e-9, check_dtype=False
        )
        assert torch.equal(again[name].active, found[name].active)


def test_a_file_that_was_changed_or_holds_something_else_is_refused(small, films, tmp_path):
    FeatureStatistics.estimate(small, LAYERS, films).save(tmp_path / "statistics.safetensors")
    path: Path = tmp_path / "statistics.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="SHA-256"):
        FeatureStatistics.load(path)
    with pytest.raises(ArtifactError, match="no file"):
        FeatureStatistics.load(tmp_path / "other.safetensors")
    with pytest.raises(ArtifactError, match=r"another kind.*FeatureStatistics\.estimate"):
        FeatureStatistics.load(write_checkpoint(tmp_path / "model", {"weight": torch.ones(1)}, {}))


def test_a_network_is_returned_as_found(small, films, returned_as_found):
    network = small.train()
    network.head.weight.grad = torch.ones_like(network.head.weight)
    returned_as_found(network, lambda: FeatureStatistics.estimate(network, LAYERS, films))


def test_half_precision_and_autocast_change_little(small, films):
    expected = FeatureStatistics.estimate(small, LAYERS, films)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = FeatureStatistics.estimate(small, LAYERS, films)
    torch.testing.assert_close(found["second"].mean, expected["second"].mean)


def test_a_wrapped_network_is_seen_as_itself(small, films):
    found = FeatureStatistics.estimate(nn.DataParallel(small), LAYERS, films)
    assert list(found.layers) == LAYERS


def test_impossible_questions_are_refused(small, films):
    with pytest.raises(ModelError, match="1 films, expected 2 or more"):
        FeatureStatistics.estimate(small, LAYERS, films[:1])
    with pytest.raises(ModelError, match="0 films"):
        FeatureStatistics.estimate(small, LAYERS, iter(()))
    with pytest.raises(ModelError, match="Close: second"):
        FeatureStatistics.estimate(small, ["secnd"], films)
    with pytest.raises(ModelError, match="shape"):
        FeatureStatistics.estimate(small, ["head"], films)
    with pytest.raises(ModelError, match=r"\(4, 8, 8\), expected \(4, 16, 16\)"):
        FeatureStatistics.estimate(small, ["first"], [films[:2], torch.rand(2, 1, 8, 8)])
    found = FeatureStatistics.estimate(small, ["first"], films)
    with pytest.raises(ModelError, match="of second"):
        _ = found["second"]
    with pytest.raises(ModelError, match="merge"):
        found.merge(FeatureStatistics.estimate(small, LAYERS, films))
    small.first.bias.data[0] = float("nan")
    with pytest.raises(NumericError, match="layer first"):
        FeatureStatistics.estimate(small, ["first"], films)

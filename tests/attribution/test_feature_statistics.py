from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import plainfilm as pf
from plainfilm.attribution import Bottleneck, FeatureStatistics
from plainfilm.attribution.bottleneck import dense_blocks
from plainfilm.attribution.feature_statistics import Moments
from plainfilm.datasets.phantom import Phantom
from plainfilm.errors import ArtifactError, ModelError, NumericError
from plainfilm.io.checkpoint import read_checkpoint, write_checkpoint

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


def test_a_compact_file_takes_a_third_of_the_space_and_keeps_the_activity(tmp_path):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(30, 5, 21, 13, generator=generator).relu() * 40
    features[:, torch.rand(5, 21, 13, generator=generator) < 0.3] = 0
    found = FeatureStatistics({"a.b": Moments.of(features)})
    found.save(tmp_path / "whole.json")
    card = json.loads(found.save(tmp_path / "compact.json", compact=True, card={"name": "x"}).read_text())
    compact = FeatureStatistics.load(tmp_path / "compact.json")
    assert compact.compact
    assert (card["name"], card["compact"], card["count"], card["digest"]) == ("x", True, 30, compact.digest)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("compact", "whole")]
    assert sizes[0] < 0.4 * sizes[1]
    assert torch.equal(compact["a.b"].active, found["a.b"].active)
    assert 0.2 < found["a.b"].active.float().mean() < 0.8
    for part in ("mean", "standard_deviation"):
        torch.testing.assert_close(
            getattr(compact["a.b"], part), getattr(found["a.b"], part), rtol=2**-11, atol=1e-7
        )


def test_compact_statistics_stay_as_they_are_and_are_not_merged(small, films, tmp_path):
    found = FeatureStatistics.estimate(small, LAYERS, films)
    found.save(tmp_path / "a.json", compact=True)
    compact = FeatureStatistics.load(tmp_path / "a.json")
    compact.save(tmp_path / "b.json")
    assert FeatureStatistics.load(tmp_path / "b.json").digest == compact.digest != found.digest
    for one, other in ((found, compact), (compact, found)):
        with pytest.raises(ModelError, match=r"compact statistics, expected .* full precision.*Merge first"):
            one.merge(other)


def test_what_float16_cannot_hold_is_not_saved_compactly(small, films, tmp_path):
    small.first.bias.data += 1e6
    with pytest.raises(NumericError, match="first/mean"):
        FeatureStatistics.estimate(small, LAYERS, films).save(tmp_path / "a.json", compact=True)
    assert not list(tmp_path.iterdir())


def test_compact_statistics_move_a_map_by_less_than_a_hundredth_of_its_maximum(tmp_path):
    model, data = pf.load("phantom"), Phantom(25, 224, seed=7)
    films = model.prepare_batch([data[k].radiograph for k in range(24)])[0]
    exact = FeatureStatistics.estimate(model.network, ["features.denseblock3"], films)
    exact.save(tmp_path / "statistics.json", compact=True)
    image, target = model.prepare(data[24].radiograph)[0], model.index("Mass")
    maps = [
        Bottleneck(model.network, "features.denseblock3", each).attribute(image, target)
        for each in (exact, tmp_path / "statistics.json")
    ]
    assert 0 < (maps[0] - maps[1]).abs().max() < 0.01 * maps[0].max()


def test_the_shipped_statistics_are_of_the_shipped_network():
    model = pf.load("phantom")
    found = FeatureStatistics.load(model.card["statistics"])
    card = read_checkpoint(Path(model.card["statistics"])).card
    assert card["model_sha256"] == model.card["sha256"]
    assert (found.count, list(found.layers)) == (1000, dense_blocks(model.network))
    films = model.prepare_batch([study.radiograph for study in Phantom(8, 224, seed=1)])[0]
    of_some = FeatureStatistics.estimate(model.network, list(found.layers), films)
    for name in found.layers:
        apart = (of_some[name].mean - found[name].mean) / found[name].standard_deviation.clamp(min=0.01)
        # Eight films of the same recipe: their means lie 1 / sqrt(8) of a deviation apart.
        assert apart[found[name].active].square().mean().sqrt() == pytest.approx(8**-0.5, rel=0.3)


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

from __future__ import annotations

import numpy as np
import pytest
import torch

import plainfilm as pf
from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import FORMAT, load_strictly, read_checkpoint
from plainfilm.models import zoo
from plainfilm.models.densenet import DenseNet
from plainfilm.models.spec import InputSpec
from plainfilm.models.store import save_classifier
from plainfilm.models.zoo import available, load

FILM = np.linspace(0, 1, 40 * 50, dtype=np.float32).reshape(40, 50)


@pytest.mark.parametrize("name", ["run", "run/model.json", "run/model.safetensors"])
def test_a_checkpoint_is_loaded_by_folder_or_either_file(tiny, tmp_path, name):
    save_classifier(tiny, tmp_path / "run")
    assert (
        pf.load(tmp_path / name).predict(FILM)
        == pf.load(str(tmp_path / name)).predict(FILM)
        == tiny.predict(FILM)
    )


def test_a_shipped_model_is_loaded_by_name(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path)
    save_classifier(tiny, tmp_path / "phantom.safetensors")
    assert available()[0] == "phantom"
    assert load("phantom").predict(FILM) == tiny.predict(FILM)


def test_what_ships_takes_at_most_ten_megabytes():
    assert sum(path.stat().st_size for path in zoo.SHIPPED.iterdir()) < 10e6


def test_the_public_densenets_are_available_where_their_package_is(monkeypatch):
    assert "xrv/densenet121-res224-all" in available()
    monkeypatch.setattr(zoo, "find_spec", lambda _: None)
    assert not [name for name in available() if name.startswith("xrv/")]
    assert "xrv/densenet121-res224-all" in available(installed=False)


@pytest.mark.parametrize(
    ("name", "meant"), [("fantom", "phantom"), ("densenet121-res224-all", "xrv/densenet121-res224-all")]
)
def test_an_unknown_name_is_refused_with_close_matches(name, meant):
    with pytest.raises(ModelError, match="Did you mean") as refused:
        load(name)
    assert repr(meant) in refused.value.advice


@pytest.mark.parametrize("name", ["absent.safetensors", "absent.json", "absent.pt"])
def test_an_absent_file_is_an_artifact_error(tmp_path, name):
    with pytest.raises(ArtifactError, match="no file"):
        load(tmp_path / name)


def test_an_empty_folder_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError, match=r"model\.json"):
        load(tmp_path)


def test_a_state_dict_needs_targets_and_input(tiny, tmp_path):
    torch.save(tiny.network.state_dict(), tmp_path / "a.pt")
    with pytest.raises(ModelError, match="InputSpec"):
        load(tmp_path / "a.pt", targets=tiny.targets)
    found = load(tmp_path / "a.pt", targets=tiny.targets, spec=InputSpec(32))
    assert found.predict(FILM) == pytest.approx(tiny.predict(FILM))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"num_classes": 2}, r"2 of another shape \(classifier\.weight \(3, \d+\) instead of \(2, \d+\)"),
        ({"in_channels": 3}, r"1 of another shape \(features\.conv0\.weight"),
        ({"block_config": (1, 3)}, r"\d+ missing \(features\.denseblock2\.denselayer3"),
        ({"block_config": (1, 1)}, r"\d+ unexpected \(features\.denseblock2\.denselayer2"),
    ],
)
def test_weights_of_other_classes_or_depth_are_refused_with_the_keys_and_nothing_is_loaded(
    tiny, change, difference
):
    other = DenseNet(**{**tiny.network.arguments, **change})
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(ArtifactError, match=difference) as refused:
        load_strictly(other, tiny.network.state_dict(), "model.json")
    assert "Nothing was loaded" in refused.value.advice
    for name, tensor in other.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_the_checkpoints_of_earlier_versions_that_ship_with_the_package_are_read():
    cards = sorted(zoo.SHIPPED.glob("*.json"))
    assert cards
    for card in cards:
        found = read_checkpoint(card)
        assert found.card["format"] == FORMAT
        assert found.tensors


def test_a_checkpoint_takes_no_other_targets(tiny, tmp_path):
    save_classifier(tiny, tmp_path)
    with pytest.raises(ModelError, match="tells them by itself"):
        load(tmp_path, targets=("Hernia",))

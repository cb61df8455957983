from __future__ import annotations

import numpy as np
import pytest
import torch

import plainfilm as pf
from plainfilm.errors import ArtifactError, ModelError
from plainfilm.models import zoo
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


def test_a_checkpoint_takes_no_other_targets(tiny, tmp_path):
    save_classifier(tiny, tmp_path)
    with pytest.raises(ModelError, match="tells them by itself"):
        load(tmp_path, targets=("Hernia",))

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.models.classifier import wrap
from plainfilm.models.foreign import XRV_NAMES, from_torchxrayvision, load_densenet, load_torchxrayvision
from plainfilm.models.spec import InputSpec

with warnings.catch_warnings():
    import torchxrayvision as xrv

FILM = np.random.default_rng(0).random((240, 250), dtype=np.float32)
NAMES = ("Mass", "Nodule", "Edema")
RGB = InputSpec.imagenet(64)


def small_xrv(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    return xrv.models.DenseNet(growth_rate=4, block_config=(1, 2), num_init_features=4, bn_size=2, **settings)


def small_torchvision() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.DenseNet(4, (1, 2), 4, bn_size=2, num_classes=3)


def saved(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save(state, path)
    return path


# --- torchxrayvision


def test_a_live_densenet121_gives_equal_logits(randomise):
    model = randomise(xrv.models.DenseNet(weights=None))
    ours = from_torchxrayvision(model)
    images, _ = ours.prepare(FILM)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(images), model(images), rtol=1e-6, atol=1e-6)
    assert ours.targets == tuple(model.targets)
    assert ours.spec == InputSpec(224, -1024, 1024)
    assert images.amin() < -500
    assert images.amax() > 500


def test_calibration_becomes_operating_points(randomise):
    thresholds = torch.linspace(0.05, 0.4, 18)
    thresholds[3] = math.nan
    model = randomise(small_xrv(op_threshs=thresholds))
    ours = from_torchxrayvision(model)
    images, _ = ours.prepare(FILM)
    with torch.no_grad():
        calibrated, plain = model(images)[0], ours.probabilities(images)[0]
    assert ours.operating_points["Pneumothorax"] is None
    for probability, expected, name in zip(plain, calibrated, model.targets, strict=True):
        point = ours.operating_points[name]
        if point is None:
            assert expected == 0.5
        elif probability < point:
            assert probability / (2 * point) == pytest.approx(expected.item(), abs=1e-5)
        else:
            assert 1 - (1 - probability) / (2 * (1 - point)) == pytest.approx(expected.item(), abs=1e-5)


def test_a_live_calibrated_model_can_also_be_wrapped_as_it_is(randomise):
    model = randomise(small_xrv(op_threshs=torch.full((18,), 0.3)))
    wrapped = wrap(model, model.targets, 224, -1024, 1024, output="probability")
    images, _ = wrapped.prepare(FILM)
    with torch.no_grad():
        torch.testing.assert_close(wrapped.probabilities(images), model(images))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(xrv.utils, "get_cache_dir", lambda: f"{tmp_path}/")
    monkeypatch.setattr(xrv.utils, "download", lambda *_: pytest.fail("nothing may be downloaded"))
    return tmp_path


def release(cache: Path, name: str) -> Path:
    """Where torchxrayvision keeps the file of a model."""
    return cache / Path(xrv.models.model_urls[name]["weights_url"]).name


@pytest.mark.parametrize("name", ["densenet121-res224-all", "densenet121-res224-chex"])
def test_a_public_model_loads_from_the_cache_with_its_names_and_points(cache, randomise, name):
    facts = xrv.models.model_urls[name]
    model = randomise(small_xrv())
    torch.save(model, release(cache, name))
    ours = load_torchxrayvision(name)
    images, _ = ours.prepare(FILM)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(images), model(images), rtol=1e-6, atol=1e-6)
    assert ours.targets == tuple(facts["labels"])
    for target, point in zip(facts["labels"], facts["op_threshs"], strict=True):
        if target:
            assert ours.operating_points[target] == pytest.approx(point, rel=1e-6)
    assert "" not in ours.predict(FILM)


def test_missing_weights_say_which_file_and_how_to_get_it(cache):
    name = "densenet121-res224-nih"
    with pytest.raises(ArtifactError) as missing:
        load_torchxrayvision(name)
    assert str(release(cache, name)) in missing.value.got
    assert xrv.models.model_urls[name]["weights_url"] in missing.value.advice


def test_nothing_in_a_release_file_is_run(cache, tmp_path):
    class Trap(nn.Module):
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    model = small_xrv()
    model.trap = Trap()
    torch.save(model, release(cache, "densenet121-res224-rsna"))
    load_torchxrayvision("densenet121-res224-rsna")
    assert not (tmp_path / "ran").exists()


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchxrayvision", None)
    with pytest.raises(ArtifactError, match=r"pip install 'plainfilm\[xrv\]'"):
        load_torchxrayvision("densenet121-res224-all")


def test_our_names_are_all_the_densenets_of_the_package():
    assert set(XRV_NAMES) == {name for name in xrv.models.model_urls if name.startswith("densenet")}


# --- state dicts


def old_spelling(name: str) -> str:
    for part in ("norm1", "norm2", "conv1", "conv2"):
        name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.") if "denselayer" in name else name
    return name


def chexnet_spelling(name: str) -> str:
    return "module.densenet121." + old_spelling(name).replace("classifier.", "classifier.0.")


@pytest.mark.parametrize("spelling", [str, old_spelling, chexnet_spelling, "module.{}".format])
def test_state_dicts_of_several_spellings_give_equal_outputs(tmp_path, randomise, spelling):
    peer = randomise(small_torchvision())
    path = saved(tmp_path / "a.pth", {spelling(name): tensor for name, tensor in peer.state_dict().items()})
    ours = load_densenet(path, NAMES, RGB)
    images, _ = ours.prepare(FILM)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(images), peer(images), rtol=1e-6, atol=1e-6)


def test_targets_and_channels_must_fit_the_weights(tmp_path):
    path = saved(tmp_path / "a.pt", small_torchvision().state_dict())
    with pytest.raises(ModelError, match="got 2 targets and 3 channels, expected 3 and 3"):
        load_densenet(path, NAMES[:2], RGB)
    with pytest.raises(ModelError, match="got 3 targets and 1 channels"):
        load_densenet(path, NAMES, InputSpec(64))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.pop("classifier.weight"),
        lambda state: state.pop("features.conv0.weight"),
        lambda state: state.pop("features.denseblock1.denselayer1.conv2.weight"),
        lambda state: state.pop("features.norm5.bias"),
        lambda state: state.update({"classifier.weight": torch.zeros(3, 2)}),
        lambda state: state.update({"features.conv0.weight": torch.zeros(3)}),
        lambda state: state.update({"features.denseblock1.denselayer1.conv2.weight": torch.zeros(0, 0)}),
        lambda state: state.update({"extra.weight": torch.zeros(3)}),
        lambda state: state.update({f"features.denseblock{10**12}.denselayer1.conv2.weight": torch.zeros(3)}),
    ],
)
def test_weights_of_another_network_are_an_artifact_error(tmp_path, spoil):
    state = dict(small_torchvision().state_dict())
    spoil(state)
    with pytest.raises(ArtifactError, match=r"a\.pt"):
        load_densenet(saved(tmp_path / "a.pt", state), NAMES, RGB)

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import read_checkpoint, write_checkpoint
from plainfilm.models.classifier import Classifier, wrap
from plainfilm.models.densenet import DenseNet
from plainfilm.models.spec import InputSpec
from plainfilm.models.store import load_classifier, save_classifier

FILM = np.linspace(0, 1, 40 * 50, dtype=np.float32).reshape(40, 50)


@pytest.mark.parametrize("name", ["run", "run/phantom.safetensors"])
def test_a_classifier_comes_back_as_it_was(tiny, tmp_path, name):
    tiny.network.train()
    save_classifier(tiny, tmp_path / name, {"recipe": "smoke", "metrics": {"auroc": 0.8}})
    found = load_classifier(tmp_path / name)
    tiny.network.eval()
    assert found.predict(FILM) == tiny.predict(FILM)
    assert (found.targets, found.spec, found.output) == (tiny.targets, tiny.spec, tiny.output)
    assert found.operating_points == {"Mass": 0.3, "Nodule": None, "Edema": None}
    assert found.card.items() >= {"seed": 0, "recipe": "smoke", "metrics": {"auroc": 0.8}}.items()
    assert not any(module.training for module in found.network.modules())


def test_a_loaded_classifier_can_be_saved_again(tiny, tmp_path):
    save_classifier(tiny, tmp_path / "a")
    again = load_classifier(save_classifier(load_classifier(tmp_path / "a"), tmp_path / "b"))
    assert again.predict(FILM) == tiny.predict(FILM)
    cards = [json.loads((tmp_path / run / "model.json").read_text()) for run in "ab"]
    assert cards[0] == cards[1]


def test_statistics_lie_beside_the_card_and_belong_to_these_weights_alone(tiny, tmp_path):
    save_classifier(tiny, tmp_path / "a", {"statistics": "statistics.json"})
    found = load_classifier(tmp_path / "a")
    assert found.card["statistics"] == str(tmp_path / "a" / "statistics.json")
    assert "statistics" not in load_classifier(save_classifier(found, tmp_path / "b")).card


def test_levels_per_channel_survive(tiny, tmp_path):
    network = DenseNet(3, 3, 2, block_config=(1,), num_init_features=2)
    model = Classifier(network, tiny.targets, InputSpec.imagenet(32))
    save_classifier(model, tmp_path)
    assert load_classifier(tmp_path).spec == model.spec


def test_a_classifier_that_contradicts_its_network_is_not_written(tiny, tmp_path):
    with pytest.raises(ModelError, match="got 3 targets and 3 channels, expected 3 and 1"):
        save_classifier(Classifier(tiny.network, tiny.targets, InputSpec.imagenet(32)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_network_that_no_card_can_name_is_refused(tmp_path):
    with pytest.raises(ModelError, match="Linear, expected one of densenet"):
        save_classifier(wrap(nn.Linear(2, 1), ("Mass",), 8), tmp_path)
    assert not list(tmp_path.iterdir())


def forge(tiny, path, **changes):
    """Rewrites a checkpoint with another card and a right digest."""
    checkpoint = read_checkpoint(save_classifier(tiny, path))
    card = {**checkpoint.card, **changes}
    return write_checkpoint(
        path, checkpoint.tensors, {key: value for key, value in card.items() if value != "drop"}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": "drop"}, {"input": "drop"}, {"architecture": "drop"}, {"output": "drop"}, {"targets": 3},
        {"architecture": "densenet"}, {"architecture": {"name": "densenet", "arguments": {"depth": 121}}},
        {"architecture": {"name": "vgg", "arguments": {}}}, {"input": {"size": 0}}, {"input": {"width": 3}},
        {"operating_points": {"Hernia": 0.2}}, {"operating_points": 3}, {"operating_points": "abc"},
        {"input": [32]}, {"output": "softmax"},
    ],
)  # fmt: skip
def test_a_card_that_describes_no_classifier_is_an_artifact_error(tiny, tmp_path, changes):
    with pytest.raises(ArtifactError, match=r"model\.json"):
        load_classifier(forge(tiny, tmp_path, **changes))


def test_weights_of_another_architecture_are_refused_with_the_keys(tiny, tmp_path):
    arguments = {**tiny.network.arguments, "block_config": (1, 1), "num_classes": 2}
    path = forge(tiny, tmp_path, architecture={"name": "densenet", "arguments": arguments})
    with pytest.raises(ArtifactError, match=r"unexpected .*denselayer2.*classifier\.weight|of another shape"):
        load_classifier(path)


def test_a_card_with_fewer_targets_than_outputs_is_refused(tiny, tmp_path):
    path = forge(tiny, tmp_path, targets=["Mass", "Nodule"], operating_points={})
    with pytest.raises(ArtifactError, match="got 2 targets and 1 channels, expected 3 and 1"):
        load_classifier(path)


def test_half_weights_are_loaded_in_float32(tiny, tmp_path):
    save_classifier(tiny, tmp_path / "full")
    tiny.network.half()
    save_classifier(tiny, tmp_path / "half")
    found = load_classifier(tmp_path / "half")
    assert {weight.dtype for weight in found.network.parameters()} == {torch.float32}
    assert found.predict(FILM) == pytest.approx(tiny.predict(FILM), abs=1e-6)


def test_the_range_on_the_card_is_checked_before_the_network_runs(tiny, tmp_path):
    made = Classifier(tiny.network, tiny.targets, InputSpec(32, -1024, 1024))
    found = load_classifier(save_classifier(made, tmp_path))
    with pytest.raises(ModelError, match=r"images from 0 to 1, expected the range \[-1024, 1024\]"):
        found.logits(torch.linspace(0, 1, 1024).reshape(1, 1, 32, 32))
    assert found.predict(FILM).keys() == {"Mass", "Nodule", "Edema"}

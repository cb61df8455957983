from __future__ import annotations

import json
import warnings
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import plainfilm
from plainfilm.errors import ArtifactError
from plainfilm.models.jfhealthcare import SPEC, TARGETS, JFHealthcare, from_tensors, is_jfhealthcare
from plainfilm.models.spec import InputSpec


@pytest.fixture(scope="module")
def theirs():
    """torchxrayvision's network with random weights and statistics; its published ones are a download."""
    pytest.importorskip("torchxrayvision")
    with warnings.catch_warnings():
        package = import_module("torchxrayvision.baseline_models.jfhealthcare")
    with open(f"{package.thisfolder}/config/example.json") as file:
        settings = SimpleNamespace(**{**json.load(file), "pretrained": False})
    torch.manual_seed(0)
    network = package.classifier.Classifier(settings).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1)
    return network


@pytest.fixture(scope="module")
def file(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("jf") / "pre_train.pth"
    torch.save(theirs.state_dict(), path)
    return path


@pytest.mark.parametrize("size", [512, 256])
def test_logits_are_those_of_the_published_network(theirs, size):
    ours = from_tensors(theirs.state_dict(), "theirs").network
    images = torch.rand(1, 3, size, size) * 4 - 2
    with torch.no_grad():
        expected = torch.cat(theirs(images)[0], 1)
        torch.testing.assert_close(ours(images), expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 1e-4


def test_its_file_is_loaded_without_further_words(file):
    model = plainfilm.load(file)
    assert model.targets == TARGETS == ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Effusion")
    assert model.spec == SPEC
    film = np.linspace(0, 1, 600 * 500, dtype=np.float32).reshape(600, 500)
    assert set(model.predict(film)) == set(TARGETS)
    images, _ = model.prepare(film)
    assert images.shape == (1, 3, 512, 512)
    assert images.amin() >= -2
    assert images.amax() <= 2
    assert torch.equal(images[:, 0], images[:, 2])


def test_targets_of_ones_own_are_refused(file):
    with pytest.raises(ArtifactError, match="another network"):
        plainfilm.load(file, targets=["a"], spec=InputSpec(512))


def test_a_file_that_lacks_weights_is_refused(theirs):
    tensors = dict(theirs.state_dict())
    del tensors["fc_3.weight"]
    with pytest.raises(ArtifactError, match=r"heads\.3\.fc\.weight"):
        from_tensors(tensors, "cut")


def test_other_networks_are_not_taken_for_it(theirs):
    assert is_jfhealthcare(theirs.state_dict())
    assert is_jfhealthcare({f"module.{name}": tensor for name, tensor in theirs.state_dict().items()})
    assert not is_jfhealthcare(JFHealthcare().features.state_dict())

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from plainfilm.errors import ArtifactError, ModelError
from plainfilm.io.checkpoint import read_checkpoint, write_checkpoint
from plainfilm.models.autoencoder import Autoencoder
from plainfilm.models.autoencoder_store import from_state_dict, load_autoencoder, save_autoencoder

IMAGES = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    network = Autoencoder(32, 0.0, 1.0, (1, 1), (2, 3), (1, 2), (3, 2), stem=4, top=3)
    network.card = {"seed": 3}
    return network.eval()


@pytest.mark.parametrize("name", ["run", "run/small.safetensors", "run/small.json"])
def test_an_autoencoder_comes_back_as_it_was(tiny, tmp_path, name):
    save_autoencoder(tiny.train(), tmp_path / name, {"recipe": "smoke"})
    found = load_autoencoder(tmp_path / name)
    torch.testing.assert_close(found(IMAGES), tiny.eval()(IMAGES), rtol=0, atol=0)
    assert (found.spec, found.arguments) == (tiny.spec, tiny.arguments)
    assert found.card.items() >= {"seed": 3, "recipe": "smoke"}.items()
    assert len(found.card["sha256"]) == 64
    assert not any(module.training for module in found.modules())


def test_another_network_is_not_written(tmp_path):
    with pytest.raises(ModelError, match="a Linear, expected an Autoencoder"):
        save_autoencoder(nn.Linear(1, 1), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_is_told():
    with pytest.raises(ModelError, match="'fantom', expected one of phantom, or a file"):
        load_autoencoder("fantom")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "densenet"}, "a card of a densenet"),
        ({"arguments": {"size": 32, "colour": 1}}, "describes no autoencoder"),
        ({"arguments": {"size": 0}}, "describes no autoencoder"),
        ({"arguments": {}}, "weights of another network"),
    ],
)
def test_a_card_of_something_else_is_refused(tiny, tmp_path, change, message):
    save_autoencoder(tiny, tmp_path)
    checkpoint = read_checkpoint(tmp_path)
    card = {**checkpoint.card, "architecture": {**checkpoint.card["architecture"], **change}}
    write_checkpoint(tmp_path / "forged.json", checkpoint.tensors, card)
    with pytest.raises(ArtifactError, match=message):
        load_autoencoder(tmp_path / "forged.json")


def test_a_weight_file_that_was_cut_off_is_refused(tiny, tmp_path):
    save_autoencoder(tiny, tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="cut off or changed"):
        load_autoencoder(tmp_path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ArtifactError, match="no file"):
        load_autoencoder(tmp_path / "none.safetensors")
    with pytest.raises(ArtifactError, match="no file"):
        load_autoencoder(tmp_path / "none.pt")


def test_a_release_file_of_torchxrayvision_is_read(tmp_path):
    torch.manual_seed(0)
    released = Autoencoder(blocks=(1, 2, 3, 1)).eval()
    torch.save(released.state_dict(), tmp_path / "nih-resnet-ae.pt")
    found = load_autoencoder(tmp_path / "nih-resnet-ae.pt")
    assert found.arguments["blocks"] == (1, 2, 3, 1)
    assert (found.spec.size, found.spec.ends) == (224, (-1024.0, 1024.0))
    assert found.card == {"source": "nih-resnet-ae.pt"}
    images = torch.rand(1, 1, 224, 224) * 2048 - 1024
    with torch.no_grad():
        torch.testing.assert_close(found(images), released(images), rtol=0, atol=0)


def test_weights_of_another_network_are_refused(tiny):
    with pytest.raises(ArtifactError, match="without layer1 to layer4"):
        from_state_dict(nn.Linear(1, 1).state_dict())
    tensors = Autoencoder(blocks=(1, 1, 1, 1)).state_dict()
    tensors["conv1.weight"] = torch.zeros(3, 1, 7, 7)
    with pytest.raises(ArtifactError, match=r"conv1\.weight \(3, 1, 7, 7\)"):
        from_state_dict(tensors)


def test_a_pickle_that_could_run_code_is_refused_unread(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "trap.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ArtifactError):
        load_autoencoder(tmp_path / "trap.pt")
    assert not (tmp_path / "ran").exists()

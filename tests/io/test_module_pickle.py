from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from plainfilm.errors import ArtifactError
from plainfilm.io.module_pickle import read_module_pickle
from plainfilm.models.densenet import densenet_slim


class Trap:
    """Leaves a file where it is loaded as pickles usually are."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return Path.touch, (self.sentinel,)


class System(Trap):
    def __reduce__(self):
        return os.system, (f"touch {self.sentinel}",)


def equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_the_tensors_of_a_whole_module_are_those_of_its_state_dict(tmp_path, dtype):
    network = densenet_slim(3).to(dtype)
    torch.save(network, tmp_path / "whole.pt")
    equal(read_module_pickle(tmp_path / "whole.pt"), network.state_dict())


def test_views_shared_weights_and_buffers_come_back(tmp_path):
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    network[2].weight = network[0].weight
    network.register_buffer("kept", torch.arange(12.0).reshape(3, 4)[:, ::2])
    torch.save(nn.DataParallel(network), tmp_path / "whole.pt")
    equal(read_module_pickle(tmp_path / "whole.pt"), nn.DataParallel(network).state_dict())


@pytest.mark.parametrize("trap", [Trap, System])
def test_nothing_in_a_malicious_pickle_is_run(tmp_path, trap):
    sentinel = tmp_path / "sentinel"
    network = nn.Linear(2, 2)
    network.trap = trap(sentinel)
    network._forward_hooks[0] = trap(sentinel)
    torch.save(network, tmp_path / "trap.pt")
    equal(read_module_pickle(tmp_path / "trap.pt"), network.state_dict())
    assert not sentinel.exists()
    torch.load(tmp_path / "trap.pt", weights_only=False)
    assert sentinel.exists()


def test_a_bare_trap_is_refused_and_not_run(tmp_path):
    torch.save(System(tmp_path / "sentinel"), tmp_path / "trap.pt")
    with pytest.raises(ArtifactError, match="without parameters"):
        read_module_pickle(tmp_path / "trap.pt")
    assert not (tmp_path / "sentinel").exists()


def test_a_module_within_itself_ends(tmp_path):
    network = nn.Linear(1, 1)
    network._modules["self"] = network
    torch.save(network, tmp_path / "loop.pt")
    assert len(read_module_pickle(tmp_path / "loop.pt")) <= 2 * 64


def test_a_view_beyond_its_storage_is_refused(tmp_path, monkeypatch):
    torch.save(nn.Linear(8, 8), tmp_path / "whole.pt")
    with zipfile.ZipFile(tmp_path / "whole.pt") as old, zipfile.ZipFile(tmp_path / "cut.pt", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[:8] if "/data/" in name else content)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_module_pickle(tmp_path / "cut.pt")


@pytest.mark.parametrize("fault", ["missing", "cut off", "old format", "web page"])
def test_other_files_are_refused(tmp_path, fault):
    path = tmp_path / "whole.pt"
    if fault != "missing":
        torch.save(nn.Linear(2, 2), path, _use_new_zipfile_serialization=fault != "old format")
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:-40])
    if fault == "web page":
        path.write_text("<html>")
    with pytest.raises(ArtifactError):
        read_module_pickle(path)

from __future__ import annotations

import pytest
import torch
import typer
from torch import nn
from typer.testing import CliRunner

from plainfilm.cli.convert import convert
from plainfilm.errors import ArtifactError
from plainfilm.models.densenet import densenet_slim
from plainfilm.models.spec import InputSpec
from plainfilm.models.zoo import load


@pytest.fixture
def convert_file():
    app = typer.Typer()
    app.command()(convert)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_a_converted_module_is_loaded_as_a_state_dict(convert_file, tmp_path):
    network = densenet_slim(2)
    torch.save(network, tmp_path / "whole.pt")
    assert convert_file(tmp_path / "whole.pt", tmp_path / "plain.pt").exit_code == 0
    model = load(tmp_path / "plain.pt", targets=["Mass", "Nodule"], spec=InputSpec(32))
    for name, tensor in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], tensor)


def test_a_file_of_another_kind_leaves_nothing(convert_file, tmp_path):
    (tmp_path / "page.pt").write_text("<html>")
    outcome = convert_file(tmp_path / "page.pt", tmp_path / "plain.pt")
    assert isinstance(outcome.exception, ArtifactError)
    assert not (tmp_path / "plain.pt").exists()


def test_the_source_is_not_needed_to_be_importable(convert_file, tmp_path, monkeypatch):
    class Gone(nn.Linear):
        pass

    monkeypatch.setitem(globals(), "Gone", Gone)
    Gone.__qualname__ = "Gone"
    torch.save(Gone(2, 2), tmp_path / "whole.pt")
    monkeypatch.undo()
    assert convert_file(tmp_path / "whole.pt", tmp_path / "plain.pt").exit_code == 0
    assert set(torch.load(tmp_path / "plain.pt")) == {"weight", "bias"}

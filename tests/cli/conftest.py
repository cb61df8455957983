"""A tiny model, a few films, and the command line in this process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from plainfilm.cli.main import main
from plainfilm.findings import ALL
from plainfilm.models.classifier import wrap
from plainfilm.models.densenet import DenseNet
from plainfilm.models.store import save_classifier


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier of random weights for films of 32 pixels."""
    torch.manual_seed(0)
    network = DenseNet(len(ALL), growth_rate=4, block_config=(2, 2), num_init_features=8)
    folder = tmp_path_factory.mktemp("model")
    points = {"Mass": 0.1, "Nodule": 0.999}
    save_classifier(wrap(network.eval(), ALL, 32, operating_points=points), folder, {"name": "tiny"})
    return folder


@pytest.fixture(scope="session")
def save_film() -> Callable[..., None]:
    """Writes a film of 48 rows and 40 columns."""

    def save(path: Path, seed: int = 0) -> None:
        rows, columns = np.mgrid[:48, :40]
        noise = np.random.default_rng(seed).integers(0, 60, (48, 40))
        Image.fromarray((rows + 2 * columns + noise).astype(np.uint8)).save(path)

    return save


@pytest.fixture
def films(tmp_path: Path, save_film: Callable[..., None]) -> Path:
    """A folder with two films."""
    folder = tmp_path / "films"
    folder.mkdir()
    for k in range(2):
        save_film(folder / f"film-{k}.png", seed=k)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Callable[..., Outcome]]:
    """Runs ``plainfilm`` with arguments; no test may leave a file half written."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        code = stop.value.code
        return Outcome(code if isinstance(code, int) else 0, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, before)
    assert not list(tmp_path.rglob("*.part"))

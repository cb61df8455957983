from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from plainfilm.errors import ArtifactError
from plainfilm.io.state_dict import read_state_dict


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = str(sentinel)

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.sentinel, "w")


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def saved(path: Path, content: object, **settings: object) -> Path:
    torch.save(content, path, **settings)
    return path


def assert_refused(path: Path, sentinel: Path, match: str = "") -> None:
    with pytest.raises(ArtifactError, match=match):
        read_state_dict(path)
    assert not sentinel.exists()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_state_dict_is_read(tmp_path, network, dtype, wrapped):
    state = network.to(dtype).state_dict()
    found = read_state_dict(saved(tmp_path / "a.pt", {"state_dict": state, "epoch": 3} if wrapped else state))
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_a_whole_pickled_module_is_refused_with_advice(tmp_path, network, sentinel):
    path = saved(tmp_path / "model.pt", network)
    assert_refused(path, sentinel, r"builds .*'torch\.nn\.modules")
    with pytest.raises(ArtifactError, match=r"torch\.save\(model\.state_dict\(\), path\)"):
        read_state_dict(path)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, network, sentinel):
    hidden = {**network.state_dict(), "bias": Malicious(sentinel)}
    for protocol in (2, 4):
        assert_refused(saved(tmp_path / "zip.pt", hidden, pickle_protocol=protocol), sentinel, "builds")
    old = saved(tmp_path / "old.pt", hidden, _use_new_zipfile_serialization=False)
    assert_refused(old, sentinel, "before 1.6")
    for name in ("bare.pt", "bare.safetensors", "bare.pth"):
        (tmp_path / name).write_bytes(pickle.dumps(Malicious(sentinel)))
        assert_refused(tmp_path / name, sentinel, "bare pickle")
    torch.load(old, weights_only=False)
    assert sentinel.exists(), "the pickle would have run"


def test_a_legacy_tar_archive_is_refused_and_not_run(tmp_path, sentinel):
    with tarfile.open(tmp_path / "a.pt", "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            blob = pickle.dumps(Malicious(sentinel))
            member = tarfile.TarInfo(name)
            member.size = len(blob)
            archive.addfile(member, io.BytesIO(blob))
    assert_refused(tmp_path / "a.pt", sentinel, "tar archive")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_program_is_refused(tmp_path, network, sentinel):
    torch.jit.trace(network.eval(), torch.zeros(1, 1, 4, 4)).save(str(tmp_path / "a.pt"))
    assert_refused(tmp_path / "a.pt", sentinel, "TorchScript")


def test_a_pickle_before_a_harmless_archive_is_refused_and_not_run(tmp_path, network, sentinel):
    harmless = saved(tmp_path / "a.pt", network.state_dict()).read_bytes()
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Malicious(sentinel)) + harmless)
    assert zipfile.is_zipfile(tmp_path / "b.pt")
    assert_refused(tmp_path / "b.pt", sentinel, "bare pickle")


def test_a_second_pickle_in_the_archive_is_refused_and_not_run(tmp_path, network, sentinel):
    path = saved(tmp_path / "a.pt", network.state_dict())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/DATA.pkl", pickle.dumps(Malicious(sentinel), protocol=2))
    assert_refused(path, sentinel, "2 pickles")


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path, sentinel):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10_000_000))
    assert_refused(tmp_path / "bomb.pt", sentinel, "compressed")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty file"), (b"<html><body>404", "web page"), (b"<!DOCTYPE html>", "web page"),
        (b"PK\x03\x04 cut", "cut off"), (b"junk", "another kind"),
    ],
)  # fmt: skip
def test_what_is_no_archive_is_named(tmp_path, sentinel, content, match):
    (tmp_path / "a.pt").write_bytes(content)
    assert_refused(tmp_path / "a.pt", sentinel, match)


@pytest.mark.parametrize("content", [torch.zeros(2), [torch.zeros(2)], {}, {"a": 1}, {3: torch.zeros(1)}])
def test_what_is_no_state_dict_is_refused(tmp_path, sentinel, content):
    assert_refused(saved(tmp_path / "a.pt", content), sentinel, "state dict")


def test_a_missing_file_is_named(tmp_path, sentinel):
    assert_refused(tmp_path / "absent.pt", sentinel, r"absent\.pt")


def test_a_flipped_bit_in_a_tensor_is_found_by_the_check_sum(tmp_path, sentinel):
    weights = torch.linspace(1, 2, 500)
    path = saved(tmp_path / "a.pt", {"weights": weights})
    blob = path.read_bytes()
    start = blob.index(weights.numpy().tobytes())
    for offset in (0, 999, 1999):
        damaged = bytearray(blob)
        damaged[start + offset] ^= 16
        path.write_bytes(damaged)
        assert_refused(path, sentinel, "check sum")


def test_an_archive_damaged_to_span_disks_is_refused(tmp_path, network):
    path = saved(tmp_path / "a.pt", network.state_dict())
    blob = bytearray(path.read_bytes())
    # The number of disks in the locator of the 64-bit end record.
    blob[blob.index(b"PK\x06\x07") + 16] = 3
    path.write_bytes(blob)
    with pytest.raises(ArtifactError):
        read_state_dict(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_harmless_or_an_artifact_error(tmp_path, network, data):
    path = tmp_path / "a.pt"
    saved(path, network.state_dict())
    blob = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        blob = blob[: data.draw(st.integers(0, len(blob) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if blob:
            blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(blob)
    try:
        found = read_state_dict(path)
    except ArtifactError:
        return
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(position=st.integers(0, 100_000), value=st.integers(0, 255))
def test_a_damaged_pickle_with_right_check_sums_is_read_or_an_artifact_error(
    tmp_path, network, position, value
):
    source = zipfile.ZipFile(io.BytesIO(saved(tmp_path / "a.pt", network.state_dict()).read_bytes()))
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
        for member in source.namelist():
            content = bytearray(source.read(member))
            if member.endswith("data.pkl"):
                content[position % len(content)] = value
            archive.writestr(member, bytes(content))
    try:
        read_state_dict(tmp_path / "b.pt")
    except ArtifactError:
        return

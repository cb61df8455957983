"""Whole or absent: after errors, full disks, kills (faults 51, 52, 64)."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plainfilm.errors import ResourceError
from plainfilm.io.atomic import atomic_write, check_output_folder, sweep, write_bytes, write_text

WRITE_AND_WAIT = """
import sys, time
from plainfilm.io.atomic import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    time.sleep(60)
"""
FILL_THE_DISK = """
import resource, signal, sys
from plainfilm.io.atomic import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_bytes(sys.argv[1], b"x" * 5000)
"""


def start(code: str, path: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def write_and_fail(path: Path, error: type[BaseException] | OSError | None) -> None:
    with atomic_write(path) as file:
        file.write(b"new")
        if error:
            raise error


def test_a_file_appears_whole_and_alone(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "gänzlich")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "gänzlich"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_nothing_is_there_before_the_end(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"1")
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"1"


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_former_file_and_no_part(tmp_path: Path, stop: type) -> None:
    write_bytes(tmp_path / "a.bin", b"old")
    with pytest.raises(stop):
        write_and_fail(tmp_path / "a.bin", stop)
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_results_are_as_open_as_other_files(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_at_any_step_is_a_lack_of_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*_: object) -> None:
        raise full

    write_bytes(tmp_path / "a", b"old")
    if call != "write":
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(ResourceError, match="no space left"):
        write_and_fail(tmp_path / "a", full if call == "write" else None)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit.")
def test_a_real_limit_on_file_size_leaves_the_former_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    _, errors = start(FILL_THE_DISK, tmp_path / "a").communicate(timeout=30)
    assert "ResourceError" in errors
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_errors_of_the_writer_itself_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a"):
        (tmp_path / "absent").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9.")
def test_a_kill_leaves_the_former_file_and_a_part_that_sweep_removes(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    writer = start(WRITE_AND_WAIT, tmp_path / "a")
    assert writer.stdout.readline() == "written\n"
    assert sweep(tmp_path) == []  # its writer lives
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert len(sweep(tmp_path)) == 1
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "name", [".film.part", ".x.part", "film.part", ".film.1234.part", ".film.DEADBEEF.part"]
)
def test_the_parts_of_other_programs_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a download of the user")
    assert sweep(tmp_path) == []
    assert os.listdir(tmp_path) == [name]


def test_a_missing_or_impossible_folder_fails_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(ResourceError, match="an output that can be written"):
            check_output_folder(folder)
        with pytest.raises(ResourceError), atomic_write(folder / "a"):
            pytest.fail("the writer must not start")


def test_a_read_only_folder_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # for root no folder is read-only
    with pytest.raises(ResourceError, match="permission denied"):
        check_output_folder(tmp_path)


def test_a_usable_folder_is_left_as_it_was(tmp_path: Path) -> None:
    check_output_folder(tmp_path)
    assert os.listdir(tmp_path) == []

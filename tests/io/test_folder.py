"""Folders appear whole and once, whoever writes them at the same time (faults 51, 64)."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plainfilm.errors import ResourceError
from plainfilm.io.atomic import sweep
from plainfilm.io.folder import atomic_folder

FILL_AND_WAIT = """
import sys, time
from pathlib import Path
from plainfilm.io.folder import atomic_folder
with atomic_folder(Path(sys.argv[1])) as part:
    (part / "images").write_bytes(b"half")
    print(part.name, flush=True)
    time.sleep(60)
"""


def fill(path: Path, text: str, error: BaseException | None = None) -> None:
    with atomic_folder(path) as part:
        (part / "images").write_text(text)
        assert not path.exists()
        if error:
            raise error


def test_a_folder_appears_whole_and_alone(tmp_path: Path) -> None:
    fill(tmp_path / "deep" / "store", "whole")
    assert (tmp_path / "deep" / "store" / "images").read_text() == "whole"
    assert os.listdir(tmp_path / "deep") == ["store"]
    assert os.listdir(tmp_path / "deep" / "store") == ["images"]


@pytest.mark.parametrize("stop", [ValueError(), KeyboardInterrupt(), FileNotFoundError()])
def test_an_exception_passes_through_and_leaves_nothing(tmp_path: Path, stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        fill(tmp_path / "store", "half", stop)
    assert os.listdir(tmp_path) == []


def test_writers_with_the_same_process_id_do_not_meet(tmp_path: Path) -> None:
    # Two containers that share a cache both count from 1; here one process plays both.
    with atomic_folder(tmp_path / "store") as first:
        (first / "images").write_text("first")
        with atomic_folder(tmp_path / "store") as second:
            (second / "images").write_text("second")
        assert (first / "images").read_text() == "first"
    assert (tmp_path / "store" / "images").read_text() == "second"  # it was ready first
    assert os.listdir(tmp_path) == ["store"]


def test_a_full_disk_is_a_lack_of_resources(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="no space left"):
        fill(tmp_path / "store", "half", OSError(errno.ENOSPC, "No space left on device"))
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_a_folder_fails_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError), atomic_folder(tmp_path / "file" / "store"):
        pytest.fail("the work must not start")


def test_a_file_in_the_folders_place_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("of the user")
    with pytest.raises(ResourceError, match="not a directory"), atomic_folder(tmp_path / "store"):
        pass
    assert (tmp_path / "store").read_text() == "of the user"
    assert os.listdir(tmp_path) == ["store"]


def start(path: Path) -> tuple[subprocess.Popen[str], str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", FILL_AND_WAIT, str(path)], text=True, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert writer.stdout
    return writer, writer.stdout.readline().strip()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9.")
@pytest.mark.parametrize("remedy", ["sweep", "write again"])
def test_the_part_of_a_dead_writer_is_removed_and_that_of_a_living_one_kept(
    tmp_path: Path, remedy: str
) -> None:
    writer, name = start(tmp_path / "store")
    assert sweep(tmp_path) == []  # its writer lives
    assert os.listdir(tmp_path) == [name]
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    if remedy == "sweep":
        assert sweep(tmp_path) == [tmp_path / name]
    else:
        fill(tmp_path / "store", "whole")
    assert os.listdir(tmp_path) == ([] if remedy == "sweep" else ["store"])

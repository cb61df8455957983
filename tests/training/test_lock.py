from __future__ import annotations

import json
import subprocess
import sys

import pytest

from plainfilm.errors import ResourceError
from plainfilm.training.lock import NAME, run_lock

HOLD = """
import sys, time
from pathlib import Path
from plainfilm.training.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_folder_in_use_names_its_owner(tmp_path, holder):
    with pytest.raises(ResourceError, match=f"process {holder.pid} on "), run_lock(tmp_path):
        pass


def test_what_a_killed_process_left_is_taken_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert json.loads((tmp_path / NAME).read_text())["pid"] == holder.pid
    with run_lock(tmp_path):
        pass


def test_the_lock_of_another_machine_is_explained(tmp_path):
    (tmp_path / NAME).write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    with pytest.raises(ResourceError, match=r"process 1 on elsewhere.*remove the file"), run_lock(tmp_path):
        pass


def test_a_lock_is_given_back_also_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), run_lock(tmp_path / "new"):
            raise KeyError
    assert (tmp_path / "new" / NAME).read_text() == ""


def test_a_damaged_lock_that_nobody_holds_is_no_obstacle(tmp_path):
    (tmp_path / NAME).write_text("{")
    with run_lock(tmp_path):
        pass

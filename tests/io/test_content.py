from __future__ import annotations

import hashlib
import json
import os
import time

import pytest

from plainfilm.errors import InputError
from plainfilm.io import content
from plainfilm.io.content import content_hash, content_hashes


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
        os.utime(path, (1, 1))
    return paths


@pytest.fixture
def settled(monkeypatch):
    """A clock that is past the change of every file."""
    later = time.time() + 60
    monkeypatch.setattr(content.time, "time", lambda: later)


def expected(paths):
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_a_hash_is_the_sha256_of_the_bytes(files):
    assert [content_hash(path) for path in files] == content_hashes(files) == expected(files)


def test_a_ledger_saves_reading_and_changes_nothing(files, tmp_path, settled, monkeypatch):
    ledger = tmp_path / "cache" / "contents.json"
    assert content_hashes(files, ledger) == expected(files)
    monkeypatch.setattr(content, "content_hash", lambda path: pytest.fail("read again"))
    assert content_hashes(files, ledger) == expected(files)


def test_a_change_that_keeps_size_and_time_is_seen(files, tmp_path, settled):
    ledger = tmp_path / "contents.json"
    content_hashes(files, ledger)
    before = files[1].stat()
    files[1].write_bytes(b"x" * before.st_size)
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert content_hashes(files, ledger) == expected(files)


def test_a_file_that_may_still_change_is_not_remembered(files, tmp_path):
    ledger = tmp_path / "contents.json"
    content_hashes(files, ledger)
    assert json.loads(ledger.read_text()) == {}


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_damaged_ledger_costs_time_only(files, tmp_path, text):
    ledger = tmp_path / "contents.json"
    ledger.write_text(text)
    assert content_hashes(files, ledger) == expected(files)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png"):
        content_hashes([tmp_path / "gone.png"])
    with pytest.raises(InputError, match=r"gone\.png"):
        content_hash(tmp_path / "gone.png")

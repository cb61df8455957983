"""The codec process: what it decodes, and that its death costs one error (fault 20)."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

from plainfilm.errors import InputError
from plainfilm.io import decoding
from plainfilm.io.codec import Encoding
from plainfilm.io.decoding import Codec, decode_apart

DEATHS = {
    "segmentation fault": f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})",
    "exit": "raise SystemExit(3)",
    "nonsense": "import sys; sys.stdin.buffer.read(8); sys.stdout.write('x' * 100)",
    "endless answer": "import struct, sys; sys.stdout.buffer.write(struct.pack('>II', 2, 2**32 - 1) + b'{}')",
}


@pytest.fixture
def job(build: Callable[..., Dataset], ramp: np.ndarray) -> tuple[bytes, Encoding]:
    dataset = build(ramp, 12)
    dataset.compress(RLELossless)
    return dataset.PixelData, Encoding(str(RLELossless), 64, 64, 1, 16, 12, 0, "MONOCHROME2", 0, "OB")


def test_pixels_come_back_from_the_process(job: tuple[bytes, Encoding], ramp: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_apart(*job, "film.dcm"), ramp)


def test_one_process_serves_many_films(job: tuple[bytes, Encoding]) -> None:
    decode_apart(*job, "film.dcm")
    first = decoding._codec(os.getpid())._process.pid
    decode_apart(*job, "film.dcm")
    assert decoding._codec(os.getpid())._process.pid == first


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals.")
@pytest.mark.parametrize("death", DEATHS)
def test_a_codec_that_dies_is_an_error_that_names_the_film(death: str, job: tuple[bytes, Encoding]) -> None:
    codec = Codec((sys.executable, "-c", DEATHS[death]), seconds=20)
    with pytest.raises(InputError, match=r"film\.dcm: got compressed pixels that cannot be decoded"):
        codec.decode(*job, "film.dcm")
    codec.close()


def test_a_killed_codec_is_started_again(job: tuple[bytes, Encoding], ramp: np.ndarray) -> None:
    codec = Codec()
    codec.decode(*job, "film.dcm")
    codec._process.kill()
    codec._process.wait()
    np.testing.assert_array_equal(codec.decode(*job, "film.dcm"), ramp)
    codec.close()


def test_a_codec_that_hangs_is_stopped(job: tuple[bytes, Encoding]) -> None:
    codec = Codec((sys.executable, "-c", "import time; time.sleep(60)"), seconds=0.3)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"not done in 0\.3 s"):
        codec.decode(*job, "film.dcm")
    assert time.monotonic() - started < 10
    codec.close()


def test_what_the_codec_raises_is_an_error_and_not_its_end(
    job: tuple[bytes, Encoding], ramp: np.ndarray
) -> None:
    data, encoding = job
    codec = Codec()
    with pytest.raises(InputError, match=r"RuntimeError|ValueError"):
        codec.decode(encapsulate([b"no image at all "]), encoding, "film.dcm")
    process = codec._process
    np.testing.assert_array_equal(codec.decode(data, encoding, "film.dcm"), ramp)
    assert codec._process is process
    codec.close()


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux keeps to the limit of address space.")
def test_a_stream_that_claims_more_memory_than_allowed_is_refused(
    build: Callable[..., Dataset], ramp: np.ndarray
) -> None:
    dataset = build(ramp, 12)
    dataset.compress(JPEG2000Lossless)
    data = bytearray(dataset.PixelData)
    size = data.index(b"\xff\x51") + 6  # marker SIZ: Xsiz and Ysiz follow Lsiz and Rsiz
    data[size : size + 8] = (60000).to_bytes(4, "big") * 2
    encoding = Encoding(str(JPEG2000Lossless), 64, 64, 1, 16, 12, 0, "MONOCHROME2", 0, "OB")
    with pytest.raises(InputError):
        decode_apart(bytes(data), encoding, "film.dcm")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_a_film_after_an_interrupted_one_gets_its_own_pixels(
    stop: type[BaseException],
    build: Callable[..., Dataset],
    job: tuple[bytes, Encoding],
    ramp: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise stop

    codec = Codec()
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "receive", interrupt)  # the job is sent, its answer not read
        with pytest.raises(stop):
            codec.decode(*job, "first.dcm")
    other = build(ramp[::-1].copy(), 12)
    other.compress(RLELossless)
    np.testing.assert_array_equal(codec.decode(other.PixelData, job[1], "second.dcm"), ramp[::-1])
    codec.close()


@pytest.mark.parametrize("note", ["{'job': 0, 'dtype': '<u2', 'shape': [64, 64]}", "[]"])
def test_an_answer_to_another_job_is_refused(note: str, job: tuple[bytes, Encoding]) -> None:
    answer = (
        "import sys; from plainfilm.io.codec import receive, send; receive(sys.stdin.buffer, 1 << 20);"
        f"send(sys.stdout.buffer, {note}, bytes(8192))"
    )
    codec = Codec((sys.executable, "-c", answer))
    with pytest.raises(InputError, match="cannot be decoded"):
        codec.decode(*job, "film.dcm")
    codec.close()


@pytest.mark.parametrize("entry", ["", ".", "absolute"])
def test_no_program_beside_the_films_is_run(
    entry: str,
    job: tuple[bytes, Encoding],
    ramp: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "json.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path) if entry == "absolute" else entry)
    codec = Codec()
    np.testing.assert_array_equal(codec.decode(*job, "film.dcm"), ramp)
    codec.close()
    assert not (tmp_path / "ran").exists()


def test_a_missing_decoder_is_named_with_its_remedy(job: tuple[bytes, Encoding]) -> None:
    answer = (
        "import sys; from plainfilm.io.codec import receive, send;"
        "note, _ = receive(sys.stdin.buffer, 1 << 20);"
        "send(sys.stdout.buffer, {'job': note['job'], 'error': 'MissingDecoderError'})"
    )
    codec = Codec((sys.executable, "-c", answer))
    with pytest.raises(InputError, match=r"RLE Lossless.*no installed library.*plainfilm\[dicom\]"):
        codec.decode(*job, "film.dcm")
    codec.close()

"""Decoding of DICOM pixel data, and the process in which it is done for compressed data.

Decoders of compressed pixels are C libraries with a record of crashes on crafted
files (reliability: pylibjpeg-openjpeg 17 and 36, CVE-2025-54874, CVE-2025-52582).
Run as ``python -m plainfilm.io.codec`` this module reads jobs from standard input
and writes pixels to standard output: JSON and bytes, so that a codec gone wild can
return wrong pixels but no code. It is given pixel data alone, never a tag of a patient.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from dataclasses import asdict, dataclass
from typing import IO, Any

import numpy as np
from pydicom.pixels import get_decoder

MEMORY_LIMIT = 4 << 30  # bytes of address space
_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True)
class Encoding:
    """How the pixels of one frame lie in the file; fields are named as pydicom's decoders name them."""

    transfer_syntax: str
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    photometric_interpretation: str
    planar_configuration: int
    pixel_vr: str

    @property
    def frame_bytes(self) -> int:
        """Size of the frame once decoded."""
        return self.rows * self.columns * self.samples_per_pixel * self.bits_allocated // 8


class MissingDecoderError(RuntimeError):
    """No installed library decodes this transfer syntax."""


def decode(data: bytes, encoding: Encoding) -> np.ndarray:
    """Stored values ``(H, W)`` or ``(H, W, 3)`` of one frame; YBR becomes RGB.

    Raises:
        MissingDecoderError: where no installed library knows the transfer syntax.
    """
    options: dict[str, Any] = asdict(encoding) | {"number_of_frames": 1, "pixel_keyword": "PixelData"}
    decoder = get_decoder(options.pop("transfer_syntax"))
    if not decoder.is_available:
        raise MissingDecoderError
    values, _ = decoder.as_array(data, **options)
    return values


def send(stream: IO[bytes], note: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """Writes one message: a JSON note and bytes."""
    text = json.dumps(note).encode()
    stream.write(_LENGTHS.pack(len(text), len(payload)))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def receive(stream: IO[bytes], limit: int) -> tuple[dict[str, Any], bytes]:
    """Reads one message.

    Raises:
        EOFError: where the stream ends, or announces more than ``limit`` bytes.
    """
    text_length, length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if text_length + length > limit:
        raise EOFError
    return json.loads(_exactly(stream, text_length)), _exactly(stream, length)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def _serve() -> None:
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Some codecs print; their words must not land among the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit_memory()
    while True:
        try:
            note, data = receive(jobs, MEMORY_LIMIT)
        except EOFError:
            return
        job = {"job": note.pop("job")}  # echoed, so that no film gets the pixels of another
        try:
            values = np.ascontiguousarray(decode(data, Encoding(**note)))
        except Exception as error:  # whatever a codec raises is this process's answer
            send(answers, job | {"error": type(error).__name__})
        else:
            send(answers, job | {"dtype": values.dtype.str, "shape": values.shape}, values.tobytes())


if __name__ == "__main__":
    _serve()

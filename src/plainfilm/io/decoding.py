"""The parent of the codec process: hands it jobs, and outlives it.

One process serves many files and is started again after it dies. It is killed when
a file takes too long; a file that kills it costs one error and not the batch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydicom.uid import UID

from plainfilm.errors import InputError
from plainfilm.io.codec import Encoding, MissingDecoderError, receive, send

# -P, for the current folder may hold the user's films, and beside them a json.py.
COMMAND = (sys.executable, "-P", "-m", "plainfilm.io.codec")
TIME_LIMIT = 60.0  # seconds for one film, the start of the process included
_PACKAGES = str(Path(__file__).parents[2])
_NOTE_LIMIT = 4096  # bytes of the JSON beside the pixels
_ADVICE = "Have it written again, or decompressed, by the archive it comes from."


def decode_apart(data: bytes, encoding: Encoding, where: str) -> np.ndarray:
    """Decodes compressed pixel data in a process of its own; see `Codec.decode`."""
    # By process id, for a pipe must not be shared by the workers that fork from this one.
    return _codec(os.getpid()).decode(data, encoding, where)


@cache
def _codec(_process_id: int) -> Codec:
    return Codec()


class Codec:
    """A process that decodes one film after another, and ends when this one closes its pipe.

    Args:
        command: What to start.
        seconds: How long one film may take.
    """

    def __init__(self, command: tuple[str, ...] = COMMAND, seconds: float = TIME_LIMIT) -> None:
        self.command, self.seconds = command, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._lock, self._jobs = threading.Lock(), count(1)

    def decode(self, data: bytes, encoding: Encoding, where: str) -> np.ndarray:
        """Stored values ``(H, W)`` or ``(H, W, 3)``.

        Raises:
            InputError: naming the file, when the codec refuses it, crashes, or takes too long.
        """
        with self._lock:
            note, pixels = self._answer(data, encoding)
        if note.get("error") == MissingDecoderError.__name__:
            found = (
                f"compressed pixels ({UID(encoding.transfer_syntax).name}) that no installed library decodes"
            )
            raise InputError(found, "a decoder", where, "Install them with: pip install 'plainfilm[dicom]'")
        if "error" in note:
            found = f"compressed pixels that cannot be decoded ({note['error']})"
            raise InputError(found, "an intact file", where, _ADVICE)
        return np.frombuffer(pixels, note["dtype"]).reshape(note["shape"])

    def close(self) -> None:
        """Ends the process; the next film starts another."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _answer(self, data: bytes, encoding: Encoding) -> tuple[dict[str, Any], bytes]:
        process, started = self._running(), time.monotonic()
        assert process.stdin  # both were asked to be pipes
        assert process.stdout
        # Killing it ends the read below, which no time limit could on every platform.
        overdue = threading.Timer(self.seconds, process.kill)
        overdue.start()
        try:
            return self._exchange(process.stdin, process.stdout, data, encoding)
        except (EOFError, OSError, ValueError):
            late = time.monotonic() - started >= self.seconds
            process.kill()
            code = process.wait()
            return {
                "error": f"not done in {self.seconds:g} s" if late else f"the codec ended with {code}"
            }, b""
        except BaseException:
            self.close()  # an answer left unread would become the next film's
            raise
        finally:
            overdue.cancel()

    def _exchange(
        self, jobs: IO[bytes], answers: IO[bytes], data: bytes, encoding: Encoding
    ) -> tuple[dict[str, Any], bytes]:
        job = next(self._jobs)
        send(jobs, asdict(encoding) | {"job": job}, data)
        note, pixels = receive(answers, encoding.frame_bytes + _NOTE_LIMIT)
        if not isinstance(note, dict) or note.get("job") != job:
            raise ValueError
        return note, pixels

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": _search_path(), "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
        return self._process


def _search_path() -> str:
    """Where this process finds its packages, less the current folder, which is the user's."""
    here = os.path.realpath(os.curdir)
    paths = [path for path in sys.path if path and os.path.realpath(path) != here]
    return os.pathsep.join([*paths, _PACKAGES])

"""The errors that Plainfilm raises on purpose.

    PlainfilmError
    ├── InputError      a film, folder or array that cannot be used            exit 3
    ├── LabelError      a label table that contradicts itself or its films     exit 3
    ├── ModelError      a network, target or layer that does not fit the task  exit 2
    ├── NumericError    a computation that left the finite numbers             exit 4
    ├── ArtifactError   a weight file, run or store that cannot be trusted     exit 4
    ├── ResourceError   no space, no memory, no permission                     exit 5
    └── StudyError      a reader study that would lose or mix answers          exit 3

Every message says what was got, what was expected, where, and what to do.
Anything else that escapes is a bug, and the command line exits with 1.
"""

from __future__ import annotations


class PlainfilmError(Exception):
    """An error with a cause the user can act on.

    Args:
        got: What was found, in words ("a PNG file cut off after 512 bytes").
        expected: What would have been right.
        where: The file (relative to the data root), finding, layer or option concerned.
        advice: What to do next, as a full sentence.
    """

    exit_code = 1

    def __init__(self, got: str, expected: str = "", where: str = "", advice: str = "") -> None:
        self.got, self.expected, self.where, self.advice = got, expected, where, advice
        super().__init__(got, expected, where, advice)

    def __str__(self) -> str:
        sentence = f"{self.where}: got {self.got}" if self.where else f"got {self.got}"
        if self.expected:
            sentence += f", expected {self.expected}"
        sentence += "."
        return f"{sentence} {self.advice}" if self.advice else sentence


class InputError(PlainfilmError):
    """A film, folder or array that cannot be used."""

    exit_code = 3


class LabelError(PlainfilmError):
    """A label table that contradicts itself or its films."""

    exit_code = 3


class ModelError(PlainfilmError):
    """A network, target or layer that does not fit the task."""

    exit_code = 2


class NumericError(PlainfilmError):
    """A computation that left the finite numbers."""

    exit_code = 4


class ArtifactError(PlainfilmError):
    """A weight file, run folder or store that cannot be trusted."""

    exit_code = 4


class ResourceError(PlainfilmError):
    """Not enough disk space or memory, or no permission."""

    exit_code = 5


class StudyError(PlainfilmError):
    """A reader study that would lose or mix answers."""

    exit_code = 3

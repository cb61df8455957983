"""File names made from ids that users and files chose."""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_LENGTH = 80
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_MARKED = re.compile(r".*-[0-9a-f]{10}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # device names of Windows


def safe_stem(name: str) -> str:
    """A file stem for any id: ASCII, at most 80 characters, no path, different for different ids.

    A name that is harmless already stays as it is. Any other becomes what is
    readable of it and ten hexadecimal digits of its BLAKE2b hash, so that two ids
    never share a stem. (A file system that ignores case may still join "a" and "A".)
    """
    # A plain name that looks like a marked one is marked too, else one could pose as the other.
    harmless = len(name) <= MAX_LENGTH and _PLAIN.fullmatch(name)
    if harmless and not _MARKED.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", ascii_only).strip("-")[: MAX_LENGTH - 11].strip("-")
    return f"{readable or 'film'}-{digest}"

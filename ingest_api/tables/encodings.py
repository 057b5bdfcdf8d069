"""The encoding of a text file: what a mark says, else UTF-8, else UTF-16 without a mark, else what is detected."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import BinaryIO, Final

from ingest_api.tables.rows import TableError

_PIECE_BYTES: Final = 256 * 1024
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SHOWN: Final = 40
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII: Final = re.compile("[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding by the name that Python has for it, and by the one that people know; `guessed` if nothing says it."""

    name: str
    shown: str
    guessed: bool = False


def encoding_of(file: BinaryIO, named: str | None = None) -> Encoding:
    """Return the encoding of a whole file, which is read once for it and put back to its beginning.

    `named` is what whoever sends the file says; a mark says more. Raise TableError.
    """
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked is not None:
        return Encoding(marked, marked.removesuffix("-sig"))
    if named is not None:
        return _known(named)
    if b"\0" in start:
        raise TableError("the file is neither CSV nor XLSX: save the table as CSV in UTF-8")
    utf8, other = _beyond_ascii(file)
    file.seek(0)
    if utf8 and other:
        raise TableError("the text is UTF-8 with broken characters in it: save the table again as CSV in UTF-8")
    return Encoding("cp1252", "windows-1252", guessed=True) if other else Encoding("utf-8", "utf-8")


def _known(named: str) -> Encoding:
    try:
        name = codecs.lookup(named.strip()).name
        codecs.getincrementaldecoder(name)().decode(b"")
    except (LookupError, ValueError, TypeError):
        raise TableError(f"encoding {named[:_SHOWN]!r} is not known: name one such as utf-8 or windows-1252") from None
    return Encoding(name, shown(name))


def shown(name: str) -> str:
    """Return the name that people know an encoding by."""
    return re.sub(r"\Acp(125[0-8]|874)\Z", r"windows-\1", name).replace("_", "-")


def _beyond_ascii(file: BinaryIO) -> tuple[bool, bool]:
    """Say whether there are characters beyond ASCII in UTF-8, and bytes that are none."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    utf8 = other = False
    while piece := file.read(_PIECE_BYTES):
        text = decoder.decode(piece)
        if not text.isascii():
            found = set(_BEYOND_ASCII.findall(text))
            broken = {character for character in found if _NOT_UTF8.match(character)}
            other = other or bool(broken)
            utf8 = utf8 or found != broken
    return utf8, other or bool(decoder.decode(b"", final=True))

"""The encoding of a text file: what a mark says, else what its sender names, else UTF-8, else what is detected.

An 8-bit encoding is declared nowhere. charset-normalizer says which ones a text may be in; those remain whose words are
of a language that the encoding was made for. Where these read the text differently, the file is refused.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from ingest_api.tables.languages import ALPHABETS, EAST_ASIAN, shares
from ingest_api.tables.rows import TableError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

_PIECE_BYTES: Final = 256 * 1024
_SAMPLE_BYTES: Final = 16 * 1024
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF16: Final = (
    (re.compile(rb"[^\0]\0[^\0]\0", re.DOTALL), "utf-16-le"),
    (re.compile(rb"\0[^\0]\0[^\0]", re.DOTALL), "utf-16-be"),
)
_SHOWN: Final = 40
_CANDIDATES_SHOWN: Final = 3
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII: Final = re.compile("[^\x00-\x7f]")
_NO_LETTERS: Final = bytes.maketrans(bytes(range(32)) + b'0123456789,;\t|"', b" " * 47)

# How much better the best reading must be than another one: in the share of its words that are of some language, in
# the share that is of one language, and in charset-normalizer's figures.
_MORE_WORDS: Final = 0.05
_ONE_LANGUAGE: Final = 0.9
_MORE_OF_ONE: Final = 0.1
_LESS_CHAOS: Final = 0.05
_LESS_CHAOS_EAST_ASIAN: Final = 0.08
_MORE_COHERENCE: Final = 0.2
_LEAST_WORDS: Final = 0.75
_COMMON: Final = frozenset(name for name in ALPHABETS if name.startswith("cp125"))


class EncodingError(TableError):
    """The encoding has to be named, or is not the one that is named."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding by the name that Python has for it, and by the one that people know; `guessed` if nothing says it."""

    name: str
    shown: str
    guessed: bool = False


def encoding_of(file: BinaryIO, named: str | None = None) -> Encoding:
    """Return the encoding of a whole file, which is read for it and put back to its beginning.

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
    unmarked = next((name for pattern, name in _UTF16 if pattern.match(start)), None)
    if unmarked is not None:
        return Encoding(unmarked, unmarked)
    if _is_utf8(file):
        return Encoding("utf-8", "utf-8")
    characters, others = _beyond_ascii(file)
    if characters < others:  # a few bytes of another encoding may look like UTF-8
        return _detected(file)
    raise EncodingError(
        "the text is UTF-8 with broken characters in it: save the table again as CSV in UTF-8, or name its encoding"
    )


def _known(named: str) -> Encoding:
    try:
        name = codecs.lookup(named.strip()).name
        "".encode(name).decode(name)
    except (LookupError, ValueError):
        raise EncodingError(
            f"{named[:_SHOWN]!r} is no known encoding: name one such as utf-8 or windows-1252"
        ) from None
    return Encoding(name, shown(name))


def shown(name: str) -> str:
    """Return the name that people know an encoding by."""
    return re.sub(r"\Acp(125[0-8]|874|949)\Z", r"windows-\1", name).replace("cp932", "shift_jis").replace("_", "-")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file from its beginning, and put it back there."""
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        yield piece
    file.seek(0)


def _is_utf8(file: BinaryIO) -> bool:
    """Return whether all of a file is UTF-8; refuse one with NUL bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    fine = True
    for piece in _pieces(file):
        if b"\0" in piece:
            raise TableError(
                "the file holds NUL bytes, so it is neither CSV nor XLSX, or damaged: save it as CSV in UTF-8"
            )
        try:
            fine = fine and decoder.decode(piece) is not None
        except UnicodeDecodeError:
            fine = False
    return fine and not decoder.getstate()[0]


def _beyond_ascii(file: BinaryIO) -> tuple[int, int]:
    """Return how many characters beyond ASCII are UTF-8, and how many bytes are not."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    beyond = broken = 0
    for piece in _pieces(file):
        text = decoder.decode(piece)
        beyond += len(_BEYOND_ASCII.findall(text))
        broken += len(_NOT_UTF8.findall(text))
    return beyond - broken, broken + len(decoder.decode(b"", final=True))


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text as one encoding reads it; `words` and `one` are the shares of `languages.shares`."""

    name: str
    text: str
    words: float
    one: float
    match: CharsetMatch

    def may_be_instead_of(self, best: _Reading) -> bool:
        """Return whether this reading is about as likely as the best one."""
        if best.words - self.words >= _MORE_WORDS:
            return False
        if best.name in _COMMON and best.one >= _ONE_LANGUAGE and best.one - self.one >= _MORE_OF_ONE:
            return False
        if self.name in EAST_ASIAN:
            return self.match.chaos <= best.match.chaos + _LESS_CHAOS_EAST_ASIAN
        like = self.match.chaos <= best.match.chaos + _LESS_CHAOS
        return like and self.match.coherence >= best.match.coherence - _MORE_COHERENCE


def _detected(file: BinaryIO) -> Encoding:
    readings = _readings(_sample(file))
    best = readings[0] if readings else None
    rivals = [one for one in readings[1:] if best is not None and one.may_be_instead_of(best)]
    if best is None or rivals or best.words < _LEAST_WORDS:
        candidates = [one.name for one in ([best, *rivals] if best is not None and rivals else readings)]
        names = " or ".join(shown(name) for name in (candidates or [*ALPHABETS])[:_CANDIDATES_SHOWN])
        raise EncodingError(
            f"the encoding of the text is not clear, it may be {names}: name it as `encoding` (a field of the upload, "
            f"--encoding of `dialfeed send`), or save the table as CSV in UTF-8"
        )
    return Encoding(best.name, shown(best.name), guessed=True)


def _readings(sample: bytes) -> list[_Reading]:
    """Return the different readings of a text, the likeliest first."""
    from charset_normalizer import from_bytes  # noqa: PLC0415  slow to import, and seldom wanted

    found: dict[str, _Reading] = {}
    for match in _matches(from_bytes(sample, cp_isolation=[*ALPHABETS], enable_fallback=False)):
        text = str(match)
        reading = _Reading(match.encoding, text, *shares(text, match.encoding), match)
        known = found.get(text)
        if known is None or _order(reading) < _order(known):
            found[text] = reading
    return sorted(
        found.values(), key=lambda one: (-one.words, -one.one, round(one.match.chaos, 2), -one.match.coherence)
    )


def _matches(matches: Iterable[CharsetMatch]) -> Iterator[CharsetMatch]:
    """Yield each match, and those that read the text alike."""
    for match in matches:
        yield match
        yield from match.submatch


_PLACES: Final = {name: place for place, name in enumerate(ALPHABETS)}


def _order(reading: _Reading) -> tuple[float, float, int]:
    return -reading.words, -reading.one, _PLACES[reading.name]


def _sample(file: BinaryIO) -> bytes:
    """Return the words of the first lines that are not ASCII: digits and delimiters say nothing."""
    sample = bytearray()
    file.seek(0)
    while len(sample) < _SAMPLE_BYTES and (line := file.readline(_PIECE_BYTES)):
        if not line.isascii():
            sample += line[:_SAMPLE_BYTES].translate(_NO_LETTERS).strip() + b"\n"
    file.seek(0)
    return bytes(sample)

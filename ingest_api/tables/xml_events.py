"""XML read piece by piece with expat: flat memory, no document type (so no entities), names without their prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol
from xml.parsers import expat

from ingest_api.tables.rows import TableError

MAX_DEPTH: Final = 64
MAX_TAG_BYTES: Final = 1024 * 1024
_DAMAGED: Final = "the XLSX file is damaged: open it and save it again"


class Handler:
    """What is told of the elements; `text` of the characters, in as many pieces as they come. Ignores everything."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, characters: str) -> None: ...

    def check(self) -> None:
        """Raise TableError if what is held until an element ends has grown too large; asked after each piece."""


def parse(pieces: Iterator[bytes], handler: Handler) -> Iterator[None]:
    """Feed the pieces to the handler, and stop after each, for what it has gathered to be taken; raise TableError."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = _first(parser, handler)
    parser.CharacterDataHandler = handler.text
    fed = 0
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - parser.CurrentByteIndex > MAX_TAG_BYTES:
                raise TableError(_DAMAGED)
            handler.check()
            yield
        parser.Parse(b"", True)
    except expat.ExpatError:
        raise TableError(_DAMAGED) from None
    yield


def parse_whole(pieces: Iterator[bytes], handler: Handler) -> None:
    """Feed all at once."""
    for _ in parse(pieces, handler):
        pass


def _first(parser: expat.XMLParserType, handler: Handler) -> _Start:
    """Return the handler of the root: it tells whether the main names have a prefix, as in `x:worksheet`."""

    def start(name: str, attributes: dict[str, str]) -> None:
        prefix = name[: name.find(":") + 1]
        if prefix:
            parser.StartElementHandler = lambda n, a: handler.start(n.removeprefix(prefix), a)
            parser.EndElementHandler = lambda n: handler.end(n.removeprefix(prefix))
        else:
            parser.StartElementHandler = handler.start
            parser.EndElementHandler = handler.end
        handler.start(name.removeprefix(prefix), attributes)

    return start


class _Start(Protocol):
    def __call__(self, name: str, attributes: dict[str, str], /) -> None: ...


def _refuse(*_: object) -> None:
    raise TableError("the XLSX file holds a document type, which no spreadsheet program writes: save it again")

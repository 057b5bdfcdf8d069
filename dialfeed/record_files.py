"""Files of records, whatever their form: a JSON array, the contract's whole body, or NDJSON (one record a line).

The form is found by looking at the content. NDJSON is read line by line, however long the file; the two others are read
whole, so that nothing is sent of a file that turns out broken. Records stay as they were written; none is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import BinaryIO, Final

import msgspec

from dialfeed.exits import WrongUseError
from ingest_api.tables.rows import Notes
from schemas import json_scan
from schemas.options import unknown
from schemas.outcomes import Code, FieldError
from schemas.returned import shortened
from schemas.submission_body import FIELDS, SubmissionBody, parse_body

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
LINES_TRIED: Final = 20
"""If none of the first lines is JSON, the file is something else."""
TEXT_KEPT: Final = 1024
_BOM: Final = b"\xef\xbb\xbf"
_END_OF_FILE: Final = b"\x1a\r\n"
"""The sign that DOS programs end a file with, and the line breaks around it."""

_value: Final = msgspec.json.Decoder(msgspec.Raw).decode
_values: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One record as JSON text without line breaks. One with `errors` is not to be sent; it may be no JSON at all.

    `place` is its line, from 1, in NDJSON; its row, from 1, in a table; its index, from 0, elsewhere. `lines` are those
    that a row of a CSV file stands in.
    """

    raw: bytes
    place: int
    errors: tuple[FieldError, ...] = ()
    is_json: bool = True
    lines: Sequence[int] = ()

    @property
    def error(self) -> FieldError | None:
        """The first error."""
        return self.errors[0] if self.errors else None


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file that can be read. `places` says what places count: `line`, `row` or `position`.

    `total` is None where only reading on would tell; `batch_id` is the body's, if any. `notes` is what a
    table or a body says.
    """

    records: Iterator[FileRecord]
    places: str
    total: int | None = None
    batch_id: str | None = None
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: bytes
    too_long: bool = False


def read_records(stream: BinaryIO) -> RecordFile:
    """Return the file's records, read as they are taken; raise WrongUseError where it holds none."""
    lines = (line for line in _lines(stream) if line.text.strip())
    first = next(lines, None)
    if first is None:
        raise WrongUseError("the file is empty", "Give a JSON array, or one JSON object a line.")
    match _form(first.text):
        case "array":
            return _array(b"".join([first.text, stream.read()]))
        case "object":
            return _object(b"".join([first.text, stream.read()]))
        case _:
            return RecordFile(_records(chain(_tried(first, lines), lines)), places="line")


def portions(records: Iterable[FileRecord], most_records: int, most_bytes: int) -> Iterator[list[FileRecord]]:
    """Cut records into portions of at most so many records and so many bytes (a larger record goes alone)."""
    portion: list[FileRecord] = []
    size = 0
    for record in records:
        if portion and (len(portion) == most_records or size + len(record.raw) > most_bytes):
            yield portion
            portion, size = [], 0
        portion.append(record)
        size += len(record.raw) + 1
    if portion:
        yield portion


def _form(first_line: bytes) -> str:
    start = first_line.lstrip()[:1]
    if start == b"[":
        return "array"
    if start != b"{":
        return "lines"
    try:
        return "object" if {"call_data", "callData"} & _members(first_line).keys() else "lines"
    except (msgspec.DecodeError, RecursionError) as error:  # an object that goes on below, or a line that is not JSON
        return "object" if "truncated" in str(error) else "lines"


def _lines(stream: BinaryIO) -> Iterator[_Line]:
    number = 0
    while text := stream.readline(MAX_LINE_BYTES):
        number += 1
        too_long = len(text) == MAX_LINE_BYTES and not text.endswith(b"\n")
        piece = text
        while too_long and piece and not piece.endswith(b"\n"):
            piece = stream.readline(MAX_LINE_BYTES)
        text = text.removeprefix(_BOM) if number == 1 else text
        yield _Line(number, text.rstrip(_END_OF_FILE) if _END_OF_FILE[:1] in text else text, too_long)


def _tried(first: _Line, lines: Iterator[_Line]) -> list[_Line]:
    tried = [first]
    while _why_no_value(tried[-1].text) is not None:
        line = next(lines, None) if len(tried) < LINES_TRIED else None
        if line is None:
            raise WrongUseError(
                "this is neither a JSON array nor NDJSON", "Give a JSON array in UTF-8, or one JSON object a line."
            )
        tried.append(line)
    return tried


def _records(lines: Iterable[_Line]) -> Iterator[FileRecord]:
    for line in lines:
        if line.too_long:
            error = FieldError(Code.TOO_LARGE, "", f"the line is longer than {MAX_LINE_BYTES} bytes")
            yield FileRecord(line.text[:TEXT_KEPT], line.number, (error,), is_json=False)
        else:
            yield _record(line.text.strip(), line.number)


def _record(text: bytes, place: int) -> FileRecord:
    reason = _why_no_value(text)
    if reason is not None:
        return _no_record(text[:TEXT_KEPT], place, Code.UNDECODABLE, f"not JSON: {reason}")
    try:
        text.decode()
    except UnicodeDecodeError:
        return _no_record(text, place, Code.INVALID_TEXT, "the text is not UTF-8")
    return FileRecord(shortened(text), place)


def _no_record(text: bytes, place: int, code: Code, message: str) -> FileRecord:
    return FileRecord(text, place, (FieldError(code, "", message),), is_json=False)


def _why_no_value(text: bytes) -> str | None:
    """Return why the text is not one JSON value; None if it is, or nearly: the API says better what is wrong."""
    try:
        _value(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return None if _nearly_a_value(text) else str(error).removeprefix("JSON is malformed: ")
    return None


def _nearly_a_value(text: bytes) -> bool:
    """Whether a lenient reader finds one value: with NaN, a lone surrogate, or nested without end."""
    array = f"[{text.decode('latin-1')}]"
    try:
        return len(list(islice(json_scan.elements(array, 0, len(array)), 2))) == 1
    except json.JSONDecodeError:
        return False


def _array(text: bytes) -> RecordFile:
    records = _elements(text)
    if not records:
        raise WrongUseError("the array is empty", "Give at least one record.")
    return _whole(records)


def _elements(text: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _values(text)]
    except (msgspec.DecodeError, RecursionError):
        return _scanned(text)


def _scanned(text: bytes) -> list[bytes]:
    """Do as `_elements` does where a value inside is not JSON but its end can be found."""
    before = '{"":'
    whole = before + text.decode("latin-1") + "}"  # positions stay byte positions
    try:
        spans = json_scan.members(whole) or {}
        start, end = spans.get("", (0, 0))
        if len(spans) != 1 or whole[len(before) : start].strip():
            raise _broken("something follows the array")
        return [whole[first:last].encode("latin-1") for first, last in json_scan.elements(whole, start, end)]
    except json.JSONDecodeError as error:
        raise _broken(f"{error.msg} at byte {min(error.pos - len(before), len(text))}") from None


def _object(text: bytes) -> RecordFile:
    """Read the contract's body, or a single record written over several lines."""
    body = parse_body(text)
    if not isinstance(body, FieldError):
        _require_supported(body)
        notes = Notes(warnings=unknown(body.others, FIELDS))
        return replace(_whole(body.records), batch_id=body.batch_id, notes=notes)
    if body.code is Code.REQUIRED:  # an object, but without call_data
        return _whole([text])
    lines = (_Line(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip())
    first = next(lines)
    try:
        return RecordFile(_records(chain(_tried(first, lines), lines)), places="line")
    except WrongUseError:
        raise _broken(body.message) from None


def _require_supported(body: SubmissionBody) -> None:
    for error in body.unsupported():
        raise WrongUseError(f"the file cannot be sent: {error.message}", "Correct the file.")


def _whole(raws: list[bytes]) -> RecordFile:
    return RecordFile(
        (_record(_on_one_line(raw), place) for place, raw in enumerate(raws)), places="position", total=len(raws)
    )


def _on_one_line(raw: bytes) -> bytes:
    """Line breaks stand between a record's parts only: inside a text JSON does not allow them."""
    return raw.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def _broken(reason: str) -> WrongUseError:
    return WrongUseError(f"the file cannot be read: {reason}", "Nothing was sent. Correct the file.")

"""Files that are no table which can be read, told by their first bytes or the parts of their archive. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

FORMATS: Final = "save the table as .xlsx, or as CSV in UTF-8"
_BEGINNINGS: Final = (
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old .xls workbook, or has a password"),
    (re.compile(rb"\x09[\x00\x02\x04\x08][\x04\x06\x08\x10]\x00"), "an old .xls workbook"),
    (re.compile(rb"%PDF-"), "a PDF"),
    (re.compile(rb"\s*\{\\rtf"), "an RTF document"),
    (
        re.compile(rb"\s*<\?xml.*?(?:Excel\.Sheet|urn:schemas-microsoft-com:office:spreadsheet)", re.DOTALL),
        "an XML spreadsheet",
    ),
    (
        re.compile(
            rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|meta|style|table)\b", re.DOTALL | re.IGNORECASE
        ),
        "an HTML page",
    ),
    (re.compile(rb"\x1f\x8b"), "compressed by gzip"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd"), "a compressed archive"),
    (re.compile(rb"PAR1"), "a Parquet file"),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), "a picture"),
)
_JSON: Final = re.compile(rb"\s*(?:\[\s*[\[{]|\{\s*\")")
_PARTS: Final = (
    (re.compile(r"(?:.*/)?workbook\.bin"), "a binary .xlsb workbook"),
    (re.compile(r"index(?:\.zip|\.apxl(?:\.gz)?|/document\.iwa)"), "a .numbers document"),
    (re.compile(r"word/document\.xml"), "a .docx document"),
    (re.compile(r"content\.xml"), "an .ods spreadsheet"),
)


def refusal_of(start: bytes) -> str | None:
    """Return why a file that begins so is refused, and what to do; None where it may be text."""
    start = start.removeprefix(b"\xef\xbb\xbf")
    kind = next((kind for pattern, kind in _BEGINNINGS if pattern.match(start)), None)
    if kind is not None:
        return f"the file is {kind}: {FORMATS}"
    if _JSON.match(start):
        return f"the file is JSON, which addCallsToBatch and `dialfeed send` take; for an upload, {FORMATS}"
    return None


def archive_refusal_of(names: Collection[str]) -> str:
    """Return why an archive with parts of these names, in small letters, is refused, and what to do."""
    kind = next((kind for pattern, kind in _PARTS if any(map(pattern.fullmatch, names))), "no XLSX workbook")
    return f"the file is {kind}: {FORMATS}"

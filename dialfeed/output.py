"""What commands answer on stdout: tables for people, one JSON document for scripts. Also how a report reads."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dialfeed.plain_text import one_line

WIDE: Final = 10_000
"""Columns where nobody looks at the edge: into a pipe or a file, nothing is wrapped or cut."""
MOST_ROWS: Final = 20
"""Failed records that a report shows of each chunk."""


def print_json(document: Any) -> None:
    """Write one JSON document to stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def show(renderable: RenderableType) -> None:
    """Write something for people to stdout."""
    if sys.stdout.isatty():
        Console(file=sys.stdout, highlight=False).print(renderable)
        return
    console = Console(file=io.StringIO(), width=WIDE, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def cell(value: object) -> Text:
    """Return a value as it stands in a table: no value is read as markup, none breaks a line."""
    match value:
        case None | "" | []:
            return Text("-", style="dim")
        case bool():
            return Text("yes" if value else "no", style="green" if value else "red")
        case list() | tuple():
            return Text(", ".join(one_line(str(one)) for one in value))
        case _:
            return Text(one_line(str(value)))


def render_rows(rows: Sequence[Mapping[str, Any]], *, empty: str = "nothing to show") -> RenderableType:
    """Return rows as a table; its columns are all keys, in the order in which they first come."""
    if not rows:
        return Text(empty, style="dim")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return table(columns, ([row.get(column) for column in columns] for row in rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table; `columns` are shown as they are."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(Text(column), overflow="fold")
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def render_facts(facts: Mapping[str, Any]) -> RenderableType:
    """Return names and values, one a line."""
    made = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        made.add_row(Text(name, style="bold"), cell(value))
    return made


def render_report(data: Mapping[str, Any]) -> RenderableType:
    """Return a submission's report as a person reads it.

    `data` is the `data` of the contract's answers: of a 200, 207, 400 or 202, or of `submissions/{id}`. Counts first,
    and how many went through since, then what is wrong by code, then each chunk with its failed records.
    """
    chunks: list[Mapping[str, Any]] = data.get("failedChunks") or []
    return Group(_counts(data, chunks), *_mended(data), *_by_code(chunks), *(_chunk(chunk) for chunk in chunks))


def _counts(data: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]]) -> RenderableType:
    failed = data.get("failed", sum(chunk.get("failed", 0) for chunk in chunks))
    added = data.get("added", 0 if chunks else None)  # a 400 has none; a 202 does not know
    counts = {"added": (added, "green"), "failed": (failed, "red")}
    counts |= {"superseded": (data.get("superseded"), "yellow"), "pending": (data.get("pending"), "yellow")}
    line = Text(f"Submission {one_line(str(data.get('submissionId', '?')))}: ", style="bold")
    shown = [(name, count, style) for name, (count, style) in counts.items() if count or name == "added"]
    for name, count, style in shown:
        line.append(f"{'?' if count is None else count} {name}", style=style if count else "dim")
        line.append(", ")
    line.rstrip()
    line.right_crop(1)
    if data.get("total") is not None:
        line.append(f", of {data['total']}")
    if data.get("complete") is False:
        line.append(" (not complete yet)", style="yellow")
    return line


def _mended(data: Mapping[str, Any]) -> list[RenderableType]:
    """Return how many of those that failed went through since: the counts stay those of the first answer."""
    replayed = data.get("replayed") or {}
    if not replayed.get("count"):
        return []
    return [Text(f"{replayed['count']} of those failed went through in a replay since, the last {replayed['lastAt']}")]


def _by_code(chunks: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    errors = [error for chunk in chunks for record in chunk.get("records", ()) for error in record["errors"]]
    if not errors:
        return []
    counted = Counter((error["code"], error["path"]) for error in errors)
    example = {(error["code"], error["path"]): error["message"] for error in reversed(errors)}
    rows = [(count, code, path, example[code, path]) for (code, path), count in counted.most_common()]
    return [Text("\nWhat is wrong", style="bold"), table(("errors", "code", "path", "message"), rows)]


def _chunk(chunk: Mapping[str, Any]) -> RenderableType:
    records: list[Mapping[str, Any]] = chunk.get("records", [])
    rows = [
        (record["index"], record.get("phoneNumber"), error["path"], error["code"], error["message"])
        for record in records[:MOST_ROWS]
        for error in record["errors"]
    ]
    parts: list[RenderableType] = [Text(f"\nChunk {chunk['chunkNum']}: {_chunk_counts(chunk)}", style="bold")]
    if rows:
        parts.append(table(("index", "number", "path", "code", "message"), rows))
    if hidden := max(0, len(records) - MOST_ROWS) + chunk.get("recordsOmitted", 0):
        parts.append(Text(f"... and {hidden} more failed records", style="dim"))
    return Group(*parts)


def _chunk_counts(chunk: Mapping[str, Any]) -> str:
    """Return the counts of a chunk; the sentence it brings where it has none."""
    if "size" not in chunk or "firstIndex" not in chunk:
        return one_line(str(chunk.get("error", "")))
    first, last = chunk["firstIndex"], chunk["firstIndex"] + chunk["size"] - 1
    return f"{chunk['failed']} of records {first} to {last} failed"


def answer(facts: Mapping[str, Any], as_json: bool) -> None:
    """Write names and values to stdout: as one JSON object, or for people."""
    if as_json:
        print_json(facts)
    else:
        show(render_facts(facts))


def answer_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, *, empty: str) -> None:
    """Write rows to stdout: as one JSON array, or as a table; people are told `empty` if there are none."""
    if as_json:
        print_json(rows)
    else:
        show(render_rows(rows, empty=empty))


def rfc3339(ms: int | None) -> str | None:
    """Return a time, ms since the epoch, in UTC to the second."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

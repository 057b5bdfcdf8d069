"""The reader of the documents itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wrap_markdown import WIDTH, wrapped
from tests.unit.documents.markdown import Document, commands_of


@pytest.mark.parametrize(
    ("shell", "commands"),
    [
        ("dialfeed doctor   # everything green?", [["doctor"]]),
        ("dialfeed send --batch B \\\n  a.csv | jq .", [["send", "--batch", "B", "a.csv"]]),
        ("X=1 dialfeed run && dialfeed doctor; ls", [["run"], ["doctor"]]),
        ("W=$(dialfeed key list --json | jq -r .[0])", [["key", "list", "--json"]]),
        ("eval \"$(dialfeed agent create --schema 'a b')\"", [["agent", "create", "--schema", "a b"]]),
        ("curl -d '{\n}'\ndialfeed doctor", [["doctor"]]),
        ("cat > f <<'EOS'\ndialfeed nonsense\nEOS\nls", []),
        ("pgrep -f 'dialfeed worker'", []),
    ],
)
def test_commands_are_found(shell: str, commands: list[list[str]]) -> None:
    assert list(commands_of(shell)) == commands


def test_a_document_is_taken_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    text = "# One `two`: three\n\n[x](b.md#c)\n\n```sh\n[no](link.md)\n```\n\n# One two three\n"
    file.write_text(text + "x " * 61 + "\n")
    document = Document(file)
    assert (document.links, document.anchors) == (["b.md#c"], {"one-two-three", "one-two-three-1"})
    assert document.wide_lines == [10]
    assert document.blocks == [("sh", "[no](link.md)\n")]


WIDE = "word " * 30 + "`a code span` and [a link of several words](to.md#there)."


@pytest.mark.parametrize("start", ["", "- ", "2. ", "  - "])
def test_prose_is_wrapped_and_says_the_same(start: str) -> None:
    lines = wrapped(start + WIDE).split("\n")
    assert max(map(len, lines)) <= WIDTH
    assert [line.startswith(" " * len(start)) for line in lines[1:]] == [True] * (len(lines) - 1)
    assert " ".join("\n".join(lines).split()) == " ".join((start + WIDE).split())


@pytest.mark.parametrize(
    "kept", [f"| {WIDE} |", f"# {WIDE}", f"```sh\n{WIDE}\n```", "short\nlines", f"<!-- {WIDE} -->"]
)
def test_tables_headings_fences_and_what_is_narrow_stay(kept: str) -> None:
    assert wrapped(f"before\n\n{kept}\n\nafter\n") == f"before\n\n{kept}\n\nafter\n"


def test_what_is_wrapped_stays_wrapped() -> None:
    assert wrapped(wrapped(WIDE)) == wrapped(WIDE)

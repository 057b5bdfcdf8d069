"""What the documents say of the tree is true."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_file_that_the_readmes_path_table_names_is_there() -> None:
    rows = re.findall(r"^\| [^|]+ \| `([\w/]+\.py)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) > 10
    assert [name for name in rows if not (ROOT / name).is_file()] == []


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    links = [(one, link) for one in documents for link in re.findall(r"\]\(([^)#:]+)\)", one.read_text())]
    assert len(links) > 5
    assert [(one.name, link) for one, link in links if not (one.parent / link).exists()] == []


def test_every_package_says_what_it_is_for() -> None:
    for package in ("schemas", "ingest_api", "streams", "sinks", "dialfeed"):
        text = (ROOT / package / "__init__.py").read_text()
        assert text.startswith('"""'), package
        assert "import" in text.lower(), package

from __future__ import annotations

from pathlib import Path

from dialfeed.kafka_rights import RIGHTS, acl_commands
from schemas.topics import TOPICS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "kafka-acls.md").read_text()


def test_every_topic_has_a_writer_and_a_reader() -> None:
    names = {topic.name for topic in TOPICS}
    parts = [RIGHTS[role] for role in ("api", "worker", "load")]
    assert {name for rights in parts for name in rights.reads} == names
    written = {name for rights in (*parts, RIGHTS["producer"]) for name in rights.writes}
    assert written == names


def test_the_document_has_the_rights_of_the_code() -> None:
    for role, rights in RIGHTS.items():
        cells = (", ".join(f"`{name}`" for name in names) for names in (rights.reads, rights.writes, rights.groups))
        assert f"| `{role}` | {' | '.join(cells)} |" in DOCUMENT
    assert "\n".join(acl_commands(str)) in DOCUMENT


def test_commands_name_topics_and_groups_with_the_prefix() -> None:
    resources = [word for command in acl_commands("staging.{}".format) for word in command.split(" --")[4:]]
    named = [word.split()[1] for word in resources if word.startswith(("topic ", "group "))]
    assert len(named) > len(TOPICS)
    assert all(name.startswith("staging.") for name in named)

"""docs/backup-and-restore.md, done: the commands are taken from the page."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.faults.test_installation_faults import _Run

PAGE = (Path(__file__).parents[2] / "docs" / "backup-and-restore.md").read_text()
SCHEMA = '{"type": "record", "name": "R", "fields": [{"name": "name", "type": "string"}]}'
COUNT = "SELECT count(), uniqExact(phone_number) FROM phone_log"


def commands(containing: str) -> str:
    (found,) = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if containing in block]
    return str(found)


def follow_the_page(data: Path) -> None:
    """Back the folder up, and restore it into the folder of the page, in the one that holds it as home."""
    env = os.environ | {"DIALFEED_DATA": str(data), "HOME": str(data.parent)}
    subprocess.run(["bash", "-euc", commands("-czf") + commands("-xzpf")], env=env, cwd=data.parent, check=True)


def contact(number: int) -> str:
    return f'{{"phoneNumber": "1212555{number}", "name": "n"}}\n'


@pytest.mark.timeout(600)
async def test_a_copied_data_folder_goes_on_elsewhere_with_everything_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", "backup.")
    original = _Run(tmp_path / "data")
    original.start()
    await original.ready()
    monkeypatch.delenv("DIALFEED_TOPIC_PREFIX")  # the other commands find it in run.json
    schema, contacts = tmp_path / "schema.avsc", tmp_path / "contacts.ndjson"
    schema.write_text(SCHEMA)
    contacts.write_text("".join(f'{{"phoneNumber": "1212555{n}", "name": "n"}}\n' for n in range(1000, 1500)))
    made = original.command("campaign", "create", "--schema", str(schema), "Backup")
    monkeypatch.setenv("DIALFEED_API_KEY", made["apiKey"])
    sent = original.command("send", "--batch", made["batchId"], str(contacts))
    assert sent["added"] == 500
    before = original.command("sql", COUNT)["rows"]
    assert before == [[500, 500]]
    assert original.end(signal.SIGTERM) == 0

    follow_the_page(original.data)
    shutil.rmtree(original.data)

    restored = _Run(tmp_path / "dialfeed-restored")
    monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", "backup.")
    restored.start()
    await restored.ready()
    assert restored.command("sql", COUNT)["rows"] == before
    report = restored.command("report", sent["submissionIds"][0])["data"]
    assert (report["added"], report["pending"]) == (500, 0)
    again = restored.command("send", "--batch", made["batchId"], str(contacts))
    assert (again["added"], again["failed"]) == (500, 0)
    assert restored.command("sql", COUNT)["rows"] == before  # the same, not once more
    contacts.write_text(contact(9999))
    assert restored.command("send", "--batch", made["batchId"], str(contacts))["added"] == 1
    assert restored.end(signal.SIGTERM) == 0

"""Uploads as a caller makes them, and a campaign for them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

import openpyxl

from schemas.records import Agent, AgentVersion, RegistryRecord
from tests.support.known import NOW_MS, WORKSPACE, number_record
from tests.support.samples import SCHEMA

UPLOAD_PHONE = "phone-for-uploads"
HEADER = "phoneNumber,name,amount,visits"
GOOD = "12125551001,Ann,12.5,3"
BAD_AMOUNT = "12125551002,Bob,much,3"
BAD_NUMBER = "123,Cid,1,3"


def campaign_records() -> list[RegistryRecord]:
    version = AgentVersion(version=1, schema=SCHEMA, created_at=1)
    agent = Agent(agent_id="uploads", workspace_id=WORKSPACE, name="a", versions=[version], created_at=NOW_MS)
    return [agent, number_record(UPLOAD_PHONE, WORKSPACE, "uploads")]


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def xlsx(*rows: Sequence[Any]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(list(row))
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PARTS = {
    "_rels/.rels": f'<Relationships><Relationship Id="a" Type="{_OFFICE}/officeDocument" Target="/xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": f'<workbook xmlns:r="{_OFFICE}"><sheets><sheet name="s" r:id="b"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships><Relationship Id="b" Type="{_OFFICE}/worksheet" Target="s.xml"/>'
    f'<Relationship Id="c" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
}


def packed(sheet: Iterable[str], strings: str = "<sst/>") -> bytes:
    """Return a workbook of one sheet, whose XML is written by hand: for what no library writes, or not so fast."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**_PARTS, "xl/sharedStrings.xml": strings}.items():
            archive.writestr(name, content)
        with archive.open("xl/s.xml", "w") as member:
            for piece in sheet:
                member.write(piece.encode())
    return file.getvalue()


def form(phone: str = UPLOAD_PHONE, **fields: str) -> dict[str, str]:
    return {"batchName": "Spring", "callingNumbers": json.dumps([phone]), "batchType": "outbound"} | fields


def errors_by_row(data: dict[str, Any]) -> dict[int, set[tuple[str, str]]]:
    """Return (code, path) of each error by row."""
    return {one["row"]: {(error["code"], error["path"]) for error in one["errors"]} for one in data["failedRows"]}

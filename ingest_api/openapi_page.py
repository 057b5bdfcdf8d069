"""The OpenAPI document as one page that needs nothing from elsewhere: no script, no style sheet, no font. Pure."""

from __future__ import annotations

import json
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{border-top:1px solid #8886;padding-top:1.5rem}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{background:#8881;padding:.75rem;overflow:auto;border-radius:.4rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8883}
summary{cursor:pointer}
"""


def page(document: dict[str, Any]) -> str:
    """Return the document as HTML."""
    info = document["info"]
    calls = [
        _operation(method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])}</h1><p>{_prose(info['description'])}</p>"
        f'<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>{"".join(calls)}</html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{_prose(operation['summary'])}</p>"]
    if operation.get("security") is None:
        parts.append("<p>Needs the header <code>x-api-key</code>.</p>")
    if "parameters" in operation:
        parts.append(_table("parameter", [(p["name"], _parameter(p)) for p in operation["parameters"]]))
    if "requestBody" in operation:
        parts += [_body(kind, content) for kind, content in operation["requestBody"]["content"].items()]
    parts.append(_table("answer", [(s, _prose(r["description"])) for s, r in operation["responses"].items()]))
    parts += [_details(f"example of {status}", example) for status, example in _examples(operation)]
    return "".join(parts)


def _body(kind: str, content: dict[str, Any]) -> str:
    if "example" in content:
        return _details("body", content["example"])
    return f"<p>The body is <code>{escape(kind)}</code>; /openapi.json has its fields.</p>"


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    bounds = f"{schema['minimum']} to {schema['maximum']}, else 400" if "maximum" in schema else ""
    default = f"default {schema['default']}" if "default" in schema else ""
    said = [parameter.get("description", ""), f"in {parameter['in']}", bounds, default]
    return "; ".join(_prose(text) for text in said if text)


def _examples(operation: dict[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for status, response in operation["responses"].items():
        content = response["content"].get("application/json", {})
        if "example" in content:
            found.append((status, content["example"]))
    return found


def _details(title: str, value: Any) -> str:
    return f"<details><summary>{escape(title)}</summary><pre>{escape(json.dumps(value, indent=2))}</pre></details>"


def _table(head: str, rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{text}</td></tr>" for name, text in rows)
    return f"<table><tr><th>{head}</th><th></th></tr>{cells}</table>"


def _prose(text: str) -> str:
    """Return text as HTML, what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))

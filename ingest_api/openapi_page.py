"""The OpenAPI document as one page with an index and a form to try each call. Needs nothing from elsewhere. Pure.

Style and script stand in the page, and `policy` lets a browser run these two and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Final

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{border-top:1px solid #8886;padding-top:1.5rem;overflow-wrap:anywhere}
nav ul{columns:2;list-style:none;padding:0}
code,pre,textarea,input,output{font:14px/1.4 ui-monospace,monospace}
pre,output{background:#8881;padding:.75rem;overflow:auto;border-radius:.4rem;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8883}
summary{cursor:pointer}
label{display:grid;grid-template-columns:12rem 1fr;gap:.5rem;margin:.3rem 0}
textarea{width:100%;min-height:8rem;box-sizing:border-box}
output:empty{display:none}
output{display:block;margin-top:.75rem}
#key{width:100%;box-sizing:border-box}
"""
_SECTIONS: Final = (("/api/call", "Calls"), ("/api/admin", "Administration"), ("", "Beside"))


@cache
def _script() -> str:
    return files("ingest_api").joinpath("docs_page.js").read_text("utf-8")


def policy() -> str:
    """Return the Content-Security-Policy of the page (CSP level 3): its own script, style and addresses only."""
    return (
        f"default-src 'none'; script-src {_hash(_script())}; style-src {_hash(_STYLE)}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page(document: dict[str, Any]) -> str:
    """Return the document as HTML."""
    info = document["info"]
    calls = [
        (method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    schemas = document.get("components", {}).get("schemas", {})
    shown = "".join(_operation(method, path, operation, schemas) for method, path, operation in calls)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])}</h1><p>{_prose(info['description'])}</p>"
        '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>'
        '<label for="key">API key, for trying calls; it is not kept</label>'
        '<input id="key" type="password" autocomplete="off" placeholder="df_...">'
        f"<nav>{_index(calls)}</nav>{shown}<script>{_script()}</script></html>"
    )


def _index(calls: list[tuple[str, str, dict[str, Any]]]) -> str:
    parts: list[str] = []
    left = calls
    for prefix, title in _SECTIONS:
        own = [call for call in left if call[1].startswith(prefix)]
        left = [call for call in left if call not in own]
        links = "".join(
            f'<li><a href="#{_anchor(method, path)}">{method.upper()} {escape(path)}</a></li>'
            for method, path, _ in own
        )
        parts.append(f"<h3>{title}</h3><ul>{links}</ul>" if own else "")
    return "".join(parts)


def _anchor(method: str, path: str) -> str:
    return escape(method + path.translate(str.maketrans("/{}", "---")))


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    name = f"<code>{method.upper()} {escape(path)}</code>"
    parts = [f'<h2 id="{_anchor(method, path)}">{name}</h2><p>{_prose(operation["summary"])}</p>']
    if operation.get("security") is None:
        parts.append("<p>Needs the header <code>x-api-key</code>, or <code>Authorization: Bearer KEY</code>.</p>")
    if "parameters" in operation:
        parts.append(_table("parameter", [(p["name"], _parameter(p)) for p in operation["parameters"]]))
    for content in operation.get("requestBody", {}).get("content", {}).values():
        parts.append(_fields(content, schemas))
        if "example" in content:
            parts.append(_details("body", content["example"]))
    parts.append(_table("answer", [(s, _prose(r["description"])) for s, r in operation["responses"].items()]))
    parts += [_details(f"example of {status}", example) for status, example in _examples(operation)]
    parts.append(_form(method, path, operation, schemas))
    return "".join(parts)


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = schemas.get(name, schema)
    return found


def _fields(content: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = _resolved(content["schema"], schemas)
    required = set(schema.get("required", ()))
    rows = [(name, _field(of, required=name in required)) for name, of in schema.get("properties", {}).items()]
    return _table("field", rows) if rows else ""


def _field(schema: dict[str, Any], *, required: bool) -> str:
    kinds = [schema, *schema.get("anyOf", [])]
    values = next((", ".join(f"`{value}`" for value in kind["enum"]) for kind in kinds if "enum" in kind), "")
    return "; ".join(
        _prose(text) for text in ("required" if required else "", schema.get("description", ""), values) if text
    )


def _form(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    inputs = [
        _input(p["name"], p["in"], str(p.get("example", "")) if p["in"] == "path" else "")
        for p in operation.get("parameters", [])
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        example = content.get("example")
        if kind == "application/json":
            text = escape(json.dumps(example, indent=2))
            inputs.append(f'<textarea aria-label="body" spellcheck="false">{text}</textarea>')
        else:
            named = _resolved(content["schema"], schemas).get("properties", {})
            inputs += [_input(name, "form", (example or {}).get(name, ""), file=name == "file") for name in named]
    return (
        f'<details><summary>try it</summary><form data-method="{method.upper()}" data-path="{escape(path)}">'
        f"{''.join(inputs)}<button>Send {method.upper()}</button><output></output></form></details>"
    )


def _input(name: str, where: str, value: str, *, file: bool = False) -> str:
    kind = 'type="file"' if file else f'value="{escape(value)}"'
    return (
        f"<label><span><code>{escape(name)}</code></span>"
        f'<input name="{escape(name)}" data-in="{where}" {kind} autocomplete="off"></label>'
    )


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

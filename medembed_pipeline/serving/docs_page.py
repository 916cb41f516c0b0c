"""`/docs`: the OpenAPI document as a plain page, for FastAPI's own fetches its scripts from a network."""

from __future__ import annotations

import html
from typing import Any


def docs_page(document: dict[str, Any]) -> str:
    """A page of every path: what it takes, what it answers."""
    schemas = document.get("components", {}).get("schemas", {})
    paths = "".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    shown = "".join(_schema(name, schema) for name, schema in sorted(schemas.items()))
    info = document["info"]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{_text(info["title"])}: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page/report.css"><link rel="stylesheet" href="/page/style.css"></head>
<body class="docs"><header class="masthead"><h1>{_text(info["title"])}: the API</h1>
<p>{_text(info.get("summary", ""))} The same as <a href="/openapi.json">OpenAPI</a>; <a href="/">the page</a>.</p>
</header><main><section><h2>Paths</h2>{paths}</section>
<section><h2>What is sent and answered</h2>{shown}</section></main></body></html>
"""


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    body = _reference(operation.get("requestBody", {}).get("content", {}))
    answer = _reference(operation.get("responses", {}).get("200", {}).get("content", {}))
    said = "".join(f"<p>{label} {link}</p>" for label, link in (("Takes", body), ("Answers", answer)) if link)
    return (
        f"<h3><code>{_text(method.upper())} {_text(path)}</code></h3>"
        f"<p>{_text(operation.get('description', ''))}</p>{said}"
    )


def _reference(content: dict[str, Any]) -> str:
    kinds: list[dict[str, Any]] = list(content.values())
    schema = kinds[0].get("schema", {}) if kinds else {}
    return _kind(schema) if "$ref" in schema else ""


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = "".join(
        f"<tr><td><code>{_text(field)}</code></td><td>{_kind(what)}</td><td>{'yes' if field in required else ''}</td>"
        f"<td>{_text(what.get('description', ''))}</td></tr>"
        for field, what in schema.get("properties", {}).items()
    )
    table = (
        '<div class="scroll"><table><thead><tr><th>field</th><th>kind</th><th>needed</th><th></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        if rows
        else ""
    )
    return f'<h3 id="{_text(name)}">{_text(name)}</h3><p>{_text(schema.get("description", ""))}</p>{table}'


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f'<a href="#{_text(name)}">{_text(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "allOf" in schema:
        return " and ".join(_kind(one) for one in schema["allOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{_text(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{_text(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"by name, {_kind(schema['additionalProperties'])}"
    return _text(str(schema.get("type", "anything")))


def _text(value: str) -> str:
    return html.escape(value)

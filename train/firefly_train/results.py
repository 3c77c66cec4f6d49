"""What a model reads of a tool's result: the part in which a task's evidence lies, and nothing of the protocol around it."""

from __future__ import annotations

from firefly_mcp.jsonio import JsonObject, text


def shown(result: JsonObject) -> str:
    """The text of a ``CallToolResult`` as a model reads it.

    A task's paths start at ``structuredContent``, else at the text; so does this. ``_meta`` (with it the provenance of
    replay) is never shown: a policy must not learn which answers are exact matches.
    """
    structured = result.get("structuredContent")
    if structured is not None:
        return text(structured)
    return "\n".join(_item_text(item) for item in result.get("content") or [])


def _item_text(item: JsonObject) -> str:
    kind = item.get("type")
    if kind == "text":
        return str(item.get("text", ""))
    if kind == "resource" and isinstance(item.get("resource"), dict) and "text" in item["resource"]:
        return str(item["resource"]["text"])
    # Blobs would fill the context and tell a text model nothing.
    return f"[{kind}: {item.get('mimeType') or item.get('name') or 'no text'}]"

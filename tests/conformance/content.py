"""What the fixture serves besides tools: resources, prompts, and the smallest valid media files."""

from __future__ import annotations

import base64
import io
import json
import struct
import wave
import zlib

import mcp.types as types
from mcp.shared.exceptions import MCPError

WATCHED = "test://watched-resource"
_TEXT = "test://static-text"
_BINARY = "test://static-binary"
_TEMPLATE = "test://template/{id}/data"


def _png() -> bytes:
    """One red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _wav() -> bytes:
    """One silent sample."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\x00\x00")
    return buffer.getvalue()


PNG = base64.b64encode(_png()).decode()
WAV = base64.b64encode(_wav()).decode()

RESOURCES = [
    types.Resource(uri=_TEXT, name="static-text", description="A text that never changes.", mime_type="text/plain"),
    types.Resource(uri=_BINARY, name="static-binary", description="An image that never changes.", mime_type="image/png"),
    types.Resource(uri=WATCHED, name="watched-resource", description="May be subscribed to.", mime_type="text/plain"),
]
TEMPLATES = [
    types.ResourceTemplate(
        uri_template=_TEMPLATE, name="template", description="Data for an id.", mime_type="application/json"
    ),
]


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> types.EmbeddedResource:
    """A resource inside a result."""
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def image() -> types.ImageContent:
    """The red pixel."""
    return types.ImageContent(data=PNG, mime_type="image/png")


def read(uri: str) -> types.ReadResourceResult:
    """A resource's content.

    Raises:
        MCPError: there is no such resource.
    """
    if uri == _BINARY:
        return types.ReadResourceResult(contents=[types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)])
    texts = {
        _TEXT: ("text/plain", "This is the content of the static text resource."),
        WATCHED: ("text/plain", "Nothing has changed yet."),
    }
    before, after = _TEMPLATE.split("{id}")
    if uri.startswith(before) and uri.endswith(after):
        found = uri.removeprefix(before).removesuffix(after)
        data = {"id": found, "templateTest": True, "data": f"Data for ID: {found}"}
        texts[uri] = ("application/json", json.dumps(data))
    if uri not in texts:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    mime_type, text = texts[uri]
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)])


def prompts(*, with_added: bool) -> list[types.Prompt]:
    """The prompts on offer; one of them comes and goes."""

    def prompt(name: str, description: str, *arguments: str) -> types.Prompt:
        wanted = [types.PromptArgument(name=argument, description=f"The {argument}.", required=True) for argument in arguments]
        return types.Prompt(name=name, description=description, arguments=wanted)

    offered = [
        prompt("test_simple_prompt", "A prompt without arguments."),
        prompt("test_prompt_with_arguments", "A prompt with two arguments.", "arg1", "arg2"),
        prompt("test_prompt_with_embedded_resource", "A prompt that embeds a resource.", "resourceUri"),
        prompt("test_prompt_with_image", "A prompt that shows an image."),
        prompt("test_input_required_result_prompt", "A prompt that asks for its context first."),
    ]
    return [*offered, prompt("test_added_prompt", "A prompt that was added.")] if with_added else offered


def prompt_messages(name: str, arguments: dict[str, str]) -> types.GetPromptResult:
    """The messages of a prompt.

    Raises:
        MCPError: there is no such prompt.
    """
    contents: dict[str, list[types.ContentBlock]] = {
        "test_simple_prompt": [types.TextContent(text="This is a simple prompt for testing.")],
        "test_added_prompt": [types.TextContent(text="This prompt was added.")],
        "test_prompt_with_arguments": [
            types.TextContent(
                text=f"Prompt with arguments: arg1='{arguments.get('arg1', '')}', arg2='{arguments.get('arg2', '')}'"
            )
        ],
        "test_prompt_with_embedded_resource": [
            embedded(arguments.get("resourceUri", _TEXT), "Embedded resource content for testing."),
            types.TextContent(text="Please process the embedded resource above."),
        ],
        "test_prompt_with_image": [image(), types.TextContent(text="Please analyze the image above.")],
    }
    if name not in contents:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {name}")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=block) for block in contents[name]])

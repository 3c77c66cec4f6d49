"""The lightest MCP server there can be: one tool that echoes. Over HTTP a bare ASGI application, else on standard streams.

As the upstream of a proxy it costs so little that the proxy is what is measured; called directly, it is the floor.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

TOOL = {
    "name": "echo",
    "description": "Gives back the message.",
    "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
}
_JSON = (b"content-type", b"application/json")


def answer(message: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to a message, None for a notification."""
    if "id" not in message:
        return None
    method = message["method"]
    if method == "tools/call":
        text = f"Echo: {message['params']['arguments']['message']}"
        result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": False}
    elif method == "initialize":
        result = {
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        }
    elif method == "tools/list":
        result = {"tools": [TOOL]}
    elif method == "ping":
        result = {}
    else:
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": f"no {method}"}}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Streamable HTTP: POST is answered as JSON, there is no GET stream, DELETE ends nothing."""
    import orjson

    status, body, headers = 200, b"", [_JSON]
    if scope["method"] == "POST":
        received = await receive()
        data = received["body"]
        while received.get("more_body"):
            received = await receive()
            data += received["body"]
        message = orjson.loads(data)
        arguments = (message.get("params") or {}).get("arguments") or {}
        if "delay_ms" in arguments:
            await asyncio.sleep(arguments["delay_ms"] / 1000)
        said = answer(message)
        status, body = (202, b"") if said is None else (200, orjson.dumps(said))
        if message.get("method") == "initialize":
            headers.append((b"mcp-session-id", b"echo"))
    elif scope["method"] != "DELETE":
        status = 405
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve_http(port: int) -> None:
    """Serve on loopback until killed."""
    import uvicorn

    uvicorn.run(
        application,
        port=port,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )


def serve_stdio() -> None:
    """Serve on the standard streams until the input ends; imports nothing heavy, so that it starts at once."""
    for line in sys.stdin.buffer:
        said = answer(json.loads(line))
        if said is not None:
            sys.stdout.buffer.write(json.dumps(said).encode() + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve_http(int(sys.argv[1]))
    else:
        serve_stdio()

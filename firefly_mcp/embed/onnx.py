"""A local sentence-embedding model in ONNX form: any folder with a MiniLM-type ``model.onnx`` (extra ``semantic``).

The folder holds ``model.onnx`` (or ``onnx/model.onnx``) and ``tokenizer.json``, or BERT's ``vocab.txt``; where it has neither,
the vocabulary of BERT uncased is used, with which all-MiniLM-L6-v2 was trained and which is carried here (``bert-vocab.txt``,
Google, Apache-2.0). Token vectors are averaged over the attention mask, as Sentence-BERT does (Reimers and Gurevych, 2019).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from firefly_mcp.embed.protocol import Vectors, unit
from firefly_mcp.errors import UsageError

_BATCH = 32
_LONGEST = 256
"""Tokens of a text that count: what the model was trained with."""


class OnnxEmbedder:
    """See the module."""

    threshold = 0.35

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Raises:
            UsageError: the folder holds no such model, or the extra is not installed.
        """
        try:
            import onnxruntime
            import tokenizers
        except ImportError as error:
            raise UsageError(
                f"--embedder {folder}: {error.name} is not installed: pip install 'firefly-mcp[semantic]'"
            ) from error
        model = next((path for path in (folder / "model.onnx", folder / "onnx" / "model.onnx") if path.is_file()), None)
        if model is None:
            raise UsageError(f"--embedder {folder}: the folder has no model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            self._tokenizer = _tokenizer(tokenizers, folder)
        except Exception as error:  # onnxruntime and tokenizers raise types of their own
            raise UsageError(f"--embedder {folder}: not a model that can be read ({error})") from error
        self._inputs = {item.name for item in self._session.get_inputs()}
        self.name = f"onnx:{hashlib.blake2b(model.read_bytes(), digest_size=8).hexdigest()}"
        self.dimensions = int(self.embed(["a"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, float32 ``[n, dimensions]``."""
        made = [self._batch(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(made) if made else np.zeros((0, self.dimensions), dtype=np.float32)

    def _batch(self, texts: Sequence[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([item.ids for item in encoded], dtype=np.int64)
        mask = np.array([item.attention_mask for item in encoded], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        found = np.asarray(self._session.run(None, {name: given[name] for name in given if name in self._inputs})[0])
        if found.ndim == 3:
            weights = mask[:, :, None].astype(np.float32)
            found = (found * weights).sum(axis=1) / weights.sum(axis=1)
        return unit(found.astype(np.float32))


def _tokenizer(tokenizers: Any, folder: Path) -> Any:
    whole = folder / "tokenizer.json"
    if whole.is_file():
        made = tokenizers.Tokenizer.from_file(str(whole))
    else:
        vocabulary = folder / "vocab.txt"
        text = (
            vocabulary.read_text("utf-8")
            if vocabulary.is_file()
            else (files(__package__) / "bert-vocab.txt").read_text("utf-8")
        )
        numbers = {token: number for number, token in enumerate(text.splitlines())}
        made = tokenizers.Tokenizer(tokenizers.models.WordPiece(numbers, unk_token="[UNK]"))
        made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        ends = [(token, numbers[token]) for token in ("[SEP]", "[CLS]")]
        made.post_processor = tokenizers.processors.BertProcessing(*ends)
    made.enable_truncation(_LONGEST)
    made.enable_padding()  # to the longest of the batch; a tokenizer.json may bring a fixed length of its own
    return made

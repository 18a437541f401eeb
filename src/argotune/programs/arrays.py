"""Arrays in a state: little-endian float32 in base64, with their shape. Never a pickle: a state is data."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argotune.programs.states import ArrayState

Floats = NDArray[np.float32]


def array_state(array: ArrayLike) -> ArrayState:
    """The array as JSON values."""
    found = np.asarray(array, "<f4")
    return {"shape": list(found.shape), "float32": b64encode(found.tobytes()).decode("ascii")}


def is_array(state: object) -> bool:
    """Whether it is what `array_state` makes."""
    return isinstance(state, Mapping) and state.keys() == {"shape", "float32"}


def read_array(state: ArrayState) -> Floats:
    """The array that `array_state` has told, read-only. Raises ValueError where the text is none, its length does not
    fit the shape, or a number is not finite."""
    found = np.frombuffer(b64decode(state["float32"], validate=True), "<f4").reshape(state["shape"])
    if not np.isfinite(found).all():
        raise ValueError("an array holds a number that is not finite")
    return found.astype(np.float32, copy=False)

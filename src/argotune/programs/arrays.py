"""Arrays in a state: base64 with their shape, little-endian float32 or 8 bits a number. Never a pickle: a state is
data."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argotune.programs.states import ArrayState, CoarseArrayState

Floats = NDArray[np.float32]


def array_state(array: ArrayLike) -> ArrayState:
    """The array as JSON values."""
    found = np.asarray(array, "<f4")
    return {"shape": list(found.shape), "float32": b64encode(found.tobytes()).decode("ascii")}


def is_array(state: object) -> bool:
    """Whether it is what `array_state` or `coarse_array_state` makes."""
    return isinstance(state, Mapping) and state.keys() in ({"shape", "float32"}, {"shape", "int8", "step"})


def coarse(array: Floats) -> Floats:
    """The array with each number rounded to a whole number of steps, of which `coarse_array_state` needs 8 bits."""
    step = np.float32(_step(array))
    return np.asarray(np.rint(array / step) * step, np.float32)


def coarse_array_state(array: Floats) -> CoarseArrayState:
    """A `coarse` array as JSON values, a quarter as long; what is read of it is told the same again."""
    step = _step(array)
    steps = np.rint(array / step).astype(np.int8)
    return {"shape": list(array.shape), "int8": b64encode(steps.tobytes()).decode("ascii"), "step": step}


def _step(array: Floats) -> float:
    """The least power of two of which 127 reach the largest number: powers of two multiply without rounding."""
    most = float(np.abs(array).max(initial=0.0))
    return 2.0 ** math.ceil(math.log2(most / 127)) if most else 1.0


def read_array(state: ArrayState | CoarseArrayState) -> Floats:
    """The array that `array_state` or `coarse_array_state` has told, read-only. Raises ValueError where the text is
    none, its length does not fit the shape, or a number is not finite."""
    found = _numbers(state).reshape(state["shape"])
    if not np.isfinite(found).all():
        raise ValueError("an array holds a number that is not finite")
    found.flags.writeable = False
    return found


def _numbers(state: ArrayState | CoarseArrayState) -> Floats:
    if "float32" in state:
        return np.frombuffer(b64decode(state["float32"], validate=True), "<f4").astype(np.float32)
    steps = np.frombuffer(b64decode(state["int8"], validate=True), np.int8)
    return np.asarray(steps.astype(np.float32) * state["step"], np.float32)

"""Examples: what programs are trained and tested on."""

from __future__ import annotations

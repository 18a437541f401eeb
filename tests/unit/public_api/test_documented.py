"""The documented Python names, where an extra is missing."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

import argotune
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.errors import ConfigInvalid
from argotune.public_api.documented import ModalitySpanCollector
from argotune.tenants.catalog import Configs
from argotune.tenants.config import parse_config


def test_a_collector_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    store = MemoryStore()
    Configs(store).save(parse_config({"tenant_id": "acme"}))
    monkeypatch.setitem(sys.modules, "pandas", None)
    collector = ModalitySpanCollector("acme", traces=MemoryTraces(), store=store)
    with pytest.raises(ConfigInvalid, match=r"pip install 'argotune\[frames\]'"):
        asyncio.run(collector.collect_spans())


def test_the_page_lists_every_documented_name_and_each_loads():
    page = (Path(__file__).parents[3] / "docs/python-api.md").read_text("utf-8").partition("\n## ")[0]
    listed = [name for row in re.findall(r"^\| (`.*?) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == argotune.__all__
    assert all(getattr(argotune, name).__name__ for name in listed)

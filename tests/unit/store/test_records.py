"""What records are sealed as."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import argotune
from argotune.store.records import StoredValue, kind_of

STORED = (
    "Agenda Annotated AnnotatedChange AnnotatorReport Appointment Attempt Bar Champion Change Claim DaySpending "
    "Forgotten LedgerRow Marker MetaModel ProgramSum QueueDay QueueItem RoundCount RoundRecord Run Spending Summary "
    "Tally TenantEntry Version"
)


def kinds_below(of: type[StoredValue]) -> Iterator[type[StoredValue]]:
    for each in of.__subclasses__():
        yield each
        yield from kinds_below(each)


def test_what_a_store_holds_keeps_its_kind_whatever_its_class_is_called():
    for module in pkgutil.walk_packages(argotune.__path__, "argotune."):
        # The dashboard imports Streamlit, which has an environment of its own, and stores nothing.
        if not module.name.endswith("__main__") and not module.name.startswith("argotune.dashboard."):
            importlib.import_module(module.name)
    assert set(STORED.split()) <= {kind_of(each) for each in kinds_below(StoredValue)}

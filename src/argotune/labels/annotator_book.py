"""Annotator book: the reports on the annotators of a tenant, in the store."""

from __future__ import annotations

from argotune.labels.agreement import AnnotatorReport
from argotune.store.collections import Collection
from argotune.store.port import Store
from argotune.store.records import find_renewable, from_text, readable, to_record
from argotune.store.turns import in_turn


def keep_report(store: Store, tenant_id: str, report: AnnotatorReport) -> AnnotatorReport:
    """Store the report, in the place of the program's last one, with the spans that this one says were asked about in
    vain on the same day; the stored report. Raises Conflict when others change it all the time.
    """
    id = f"program/{report.program}"

    def keep() -> AnnotatorReport:
        known, tag = find_renewable(store, tenant_id, Collection.ANNOTATORS, id, AnnotatorReport)
        before = known.unlabelled if known and known.at.date() == report.at.date() else ()
        kept = report.model_copy(update={"unlabelled": tuple(dict.fromkeys((*before, *report.unlabelled)))})
        record = to_record(Collection.ANNOTATORS, id, kept)
        store.write(tenant_id, [record], {(record.collection, record.id): tag})
        return kept

    return in_turn(f"the annotators' report of {tenant_id!r}", keep)


def report_of(store: Store, tenant_id: str, program: str) -> AnnotatorReport | None:
    """The stored report of a program, None before the first."""
    return find_renewable(store, tenant_id, Collection.ANNOTATORS, f"program/{program}", AnnotatorReport)[0]


def reports_of(store: Store, tenant_id: str) -> list[AnnotatorReport]:
    """The stored reports of a tenant's programs, by name."""
    stored = (r for r in store.scan(tenant_id, Collection.ANNOTATORS) if r.id.startswith("program/"))
    found = readable(tenant_id, stored, lambda text: from_text(AnnotatorReport, text))
    return sorted(found, key=lambda report: report.program)

"""Remasking: what was stored under other masking rules is masked by those that a tenant has now.

Versions keep the demonstrations they were made with: they are immutable, and the next promotion replaces them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from argotune.examples import Example
from argotune.experience_log import ExperienceLog
from argotune.experiences import Fields, query_of
from argotune.masking import Mask, rules_digest
from argotune.ports import Store
from argotune.runs import RunBook
from argotune.splitting import normalised, sealed_first
from argotune.tenants import RoutingConfigUnified


def mask_again(store: Store, config: RoutingConfigUnified, module: str, fields: Iterable[Fields]) -> None:
    """Mask the stored experiences and examples of a module once for each change of the rules; a rerun goes on.

    Examples keep their splits, save training and dev examples that became near to a sealed one: they are dropped, and
    placed anew by whoever places questions next. Attempts are told the new ids, so that none is forgotten.
    """
    book, log = RunBook(store, config.tenant_id), ExperienceLog(store, config.tenant_id)
    marker, tag = book.marker(module)
    masking = rules_digest(config.masking)
    if tag is None or marker.masking == masking:
        return
    mask = Mask(config.masking)
    for program in fields:
        masked = ((experience, mask.experience(experience, program)) for experience in log.experiences(program.program))
        log.replace_experiences([after for before, after in masked if after != before])
        counted, mask.counts = mask.counts, Counter()  # examples are the experiences again
        _mask_examples(log, book, program, mask)
        mask.counts = counted
    book.change_marker(module, masking=masking, masked=dict(Counter(marker.masked) + mask.counts))


def _mask_examples(log: ExperienceLog, book: RunBook, fields: Fields, mask: Mask) -> None:
    before = log.examples(fields.program)
    after = [mask.example(example, fields) for example in before]
    renamed = {old.id: new.id for old, new in zip(before, after, strict=True) if old.id != new.id}
    if renamed:
        book.rename_examples(fields.program, renamed)
        log.replace_examples(fields.program, _apart(after), before)


def _apart(examples: Iterable[Example]) -> list[Example]:
    examples = list(examples)
    splits = sealed_first((query_of(example.inputs), example.split) for example in examples)
    return [e for e in examples if splits.get(normalised(query_of(e.inputs))) is e.split]

"""Remasking: what was stored under other masking rules is masked by those that a tenant has now.

Versions keep the demonstrations they were made with: they are immutable, and the next promotion replaces them.
"""

from __future__ import annotations

from collections.abc import Iterable

from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.fields import Fields
from argotune.data.guards.masking import Mask, rules_digest
from argotune.data.masked import Masked
from argotune.data.splitting import normalised, sealed_first
from argotune.pipeline.module_pass import Pass
from argotune.promotion.offers import Offers
from argotune.tenants.masking_rules import MaskingRules


def mask_again(this: Pass, fields: Iterable[Fields]) -> None:
    """Mask the stored experiences, examples and answers of contests of a module once for each change of the rules; a
    rerun goes on.

    Examples keep their splits, save training and dev examples that became near to a sealed one: they are dropped, and
    placed anew by whoever places questions next. Openings, contests and unfinished runs are told the new ids.
    """
    masked, rules = this.module_book.read(Masked), this.config.masking
    edition = rules_digest(rules)
    if not this.module_book.has(Masked) or masked.rules == edition:
        return
    mask = Mask(rules, masked.counts)
    for program in fields:
        pairs = (
            (experience, mask.experience(experience, program))
            for experience in this.archive.experiences(program.program)
        )
        this.archive.replace_experiences(after for before, after in pairs if after != before)
        _mask_examples(this, program, rules)
        _mask_contests(this, program, rules)
        Offers(this.store, this.tenant_id).mask(program.program, Mask(rules).text)
    this.module_book.write(Masked(rules=edition, counts=dict(mask.counts)))


def _mask_examples(this: Pass, fields: Fields, rules: MaskingRules) -> None:
    log = this.archive
    mask = Mask(rules)  # its counts are nobody's: examples are experiences, which are counted
    before = log.examples(fields.program)
    after = [mask.example(example, fields) for example in before]
    renamed = {old.id: new.id for old, new in zip(before, after, strict=True) if old.id != new.id}
    if renamed:
        this.contests.rename_examples(fields.program, renamed)
        this.book.rename_examples(fields.program, renamed)
        log.replace_examples(fields.program, _apart(after), before)


def _mask_contests(this: Pass, fields: Fields, rules: MaskingRules) -> None:
    mask = Mask(rules)
    this.contests.mask_pairs(fields.program, lambda pair: pair.masked(lambda texts: mask.answers(texts, fields)))


def _apart(examples: Iterable[Example]) -> list[Example]:
    examples = list(examples)
    splits = sealed_first((query_of(example.inputs), example.split) for example in examples)
    return [e for e in examples if splits.get(normalised(query_of(e.inputs))) is e.split]

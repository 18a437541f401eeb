"""decide: train or skip, and by which optimizer within which budget."""

from __future__ import annotations

from argotune.dataset import Dataset, data_hash
from argotune.examples import Split
from argotune.optimizers import Refusal, choose
from argotune.runs import Plan, Skip
from argotune.tenants import RoutingConfigUnified


def decide(
    config: RoutingConfigUnified, data: Dataset, *, seed: int, has_writer: bool, learned: str | None = None
) -> Plan | Skip:
    """A plan, or the sentence why training is not worth it. Deterministic in its arguments.

    `learned` is `Plan.lesson` of the program's last run: the same lesson again would open the test split for nothing.
    """
    train, dev, test = (data.ids(split) for split in (Split.TRAIN, Split.DEV, Split.TEST))
    too_few = _too_few(config, data, len(train), len(test))
    if too_few:
        return Skip(reason=too_few)
    choice = choose(config.preferred_optimizer, len(train), data.accuracy, has_writer)
    if isinstance(choice, Refusal):
        return Skip(reason=choice.reason)
    plan = Plan(
        optimizer=choice.optimizer,
        reason=choice.reason,
        seed=seed,
        max_iterations=config.max_training_iterations,
        train_ids=train,
        dev_ids=dev,
        test_ids=test,
        data_hash=data_hash(data.pick((*train, *dev))),
    )
    if plan.lesson == learned:
        return Skip(reason="nothing new to learn from: the labelled examples are those of the last run")
    return plan


def _too_few(config: RoutingConfigUnified, data: Dataset, n_train: int, n_test: int) -> str | None:
    needed = config.gate.min_test_examples
    if n_test < needed:
        return (
            f"{needed - n_test} labelled test examples short: {n_test} of {len(data.examples)} labelled examples "
            f"fall into the test split, the gate asks for {needed}"
        )
    if n_train == 0:
        return "no labelled training examples"
    test = data.pick(data.ids(Split.TEST))
    trusted = sum(example.source.is_trusted for example in test) / len(test)
    if trusted < config.gate.min_trusted_share:
        return (
            f"only {trusted:.0%} of the test labels are from people or an independent annotator, "
            f"the gate asks for {config.gate.min_trusted_share:.0%}: annotate more spans"
        )
    return None

"""What is learned from a ledger, when a model takes over from the rules, and when it is dropped again."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from factories import NOON
from watched_store import WatchedStore

from argotune.adapters.memory.store import MemoryStore
from argotune.decisions import backtest as takeover
from argotune.decisions import gain_model
from argotune.decisions.active_model import POINTER, Activation, ActiveModel
from argotune.decisions.backtest import SIGNIFICANCE, Backtest, NothingToCompare, backtest, level_of_look
from argotune.decisions.gain_model import Advisor, MetaModel, NotLearned, fit, trainings_of
from argotune.decisions.ledger import LedgerRow
from argotune.decisions.values import SKIP, Action, ModelingContext, Strategy, TrainingDecision
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.pipeline.stages import learn as learning
from argotune.pipeline.stages.learn import learn
from argotune.public_api.training_models import TrainingDecisionModel, TrainingStrategyModel
from argotune.runs.tallies import Tally
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record
from argotune.store.records import to_record
from argotune.store.sealing import digest, seal
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

INSTALLATIONS = 60
TRAIN = Action(strategy=Strategy.PURE_REAL, optimizer="nearest")


def rows_of_tenants(n_tenants: int, n_runs: int, *, pays: bool = True, seed: int = 1, day: int = 0) -> list[LedgerRow]:
    """A ledger of an installation whose rules always train, with half of the decisions drawn.

    Training brings 20 points where the data grew much, and nothing elsewhere; unless `pays`, it is a toss each time.
    """
    rng, rows = random.Random(seed), []
    for tenant in range(n_tenants):
        for number in range(n_runs):
            growth = rng.random()
            trains = rng.random() < 0.75
            works = growth > 0.7 if pays else rng.random() < 0.3
            rows.append(
                row(f"t{tenant}", day + number, growth, trains, 0.2 if works and trains else 0.0, number=len(rows))
            )
    return rows


def row(tenant: str, day: int, growth: float, trains: bool, gain: float, *, number: int, **changes: Any) -> LedgerRow:
    decision = TrainingDecision(
        action=TRAIN if trains else SKIP,
        by="rules" if trains else "chance",
        reason="test",
        by_rules=TRAIN,
        possible=(SKIP, TRAIN),
        probability=0.75 if trains else 0.25,
    )
    values = {
        "tenant": digest(tenant)[:16],
        "run": f"{number:08d}",
        "at": NOON + timedelta(days=day),
        "context": ModelingContext(modality="routing", real_sample_count=100, test_count=50, growth=growth),
        "decision": decision,
        "outcome": "skipped" if not trains else "promoted" if gain else "rejected",
        "gain": gain,
        "effect": gain,
        "lm_calls": 100 if trains else 0,
        "lm_tokens": 0,
    }
    return LedgerRow(**{**values, **changes})


LEDGER = rows_of_tenants(20, 12)


def model_of(rows: list[LedgerRow]) -> MetaModel:
    found = fit(trainings_of(rows), seed=7)
    assert isinstance(found, MetaModel), found
    return found


def test_a_model_learns_what_pays_and_says_which_feature_told_it():
    advisor = Advisor(model_of(LEDGER))
    much, little = (
        ModelingContext(modality="routing", real_sample_count=100, test_count=50, growth=g) for g in (0.9, 0.1)
    )
    yes, no = advisor.advise(much, [SKIP, TRAIN]), advisor.advise(little, [SKIP, TRAIN])
    assert (yes.action, no.action) == (TRAIN, SKIP)
    assert yes.expected_gain > 0.1 > no.expected_gain
    assert yes.contributions[0].feature == "growth"
    assert yes.contributions[0].value == 0.9


def test_models_of_equal_ledgers_are_equal_and_hold_nothing_but_json():
    model = model_of(LEDGER)
    assert model == model_of(list(LEDGER))
    assert json.loads(model.gain)["learner"]["feature_names"] == list(model.features)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "0 trainings in the ledger"),
        (LEDGER[:20], "trainings in the ledger, 40 are needed"),
        ([r.model_copy(update={"gain": 0.0}) for r in LEDGER], "none of"),
        ([r.model_copy(update={"gain": 0.1}) for r in LEDGER], "all of"),
        ([r.model_copy(update={"tenant": "one"}) for r in LEDGER], "fewer than 5 tenants"),
    ],
)
def test_a_ledger_that_teaches_nothing_gives_no_model_and_says_why(rows, why):
    found = fit(trainings_of(rows), seed=7)
    assert isinstance(found, NotLearned)
    assert why in found.reason


def test_a_model_that_knows_what_pays_wins_against_rules_that_always_train():
    found = backtest(LEDGER, seed=7)
    assert isinstance(found, Backtest)
    assert found.is_won
    assert found.model.gain > 0.9 * found.rules.gain
    assert found.model.calls < 0.6 * found.rules.calls


def test_a_model_of_a_ledger_of_chance_does_not_win():
    found = backtest(rows_of_tenants(20, 12, pays=False), seed=7)
    assert isinstance(found, Backtest)
    assert not found.is_won


def test_rows_in_which_nothing_could_be_chosen_are_no_evidence():
    forced = [r.model_copy(update={"decision": r.decision.model_copy(update={"by": "forced"})}) for r in LEDGER]
    found = backtest(forced, seed=7)
    assert isinstance(found, NothingToCompare)
    assert "0 decisions" in found.reason


def test_a_training_that_ended_early_cost_its_calls_and_brought_nothing():
    (training,) = trainings_of([row("t", 0, 0.5, True, 0.0, number=1, outcome="skipped", effect=None)])
    assert (training.gain, training.calls) == (0.0, 100.0)


def store_with(rows: list[LedgerRow]) -> WatchedStore:
    store = WatchedStore()
    for tenant in {r.tenant for r in rows}:
        Configs(store).save(RoutingConfigUnified(tenant_id=tenant))
        store.write(tenant, [to_record(Collection.LEDGER, r.run, r) for r in rows if r.tenant == tenant])
    return store


def add(store: MemoryStore, rows: list[LedgerRow], prefix: str) -> None:
    for r in rows:
        store.write(
            r.tenant, [to_record(Collection.LEDGER, prefix + r.run, r.model_copy(update={"run": prefix + r.run}))]
        )


def test_a_model_takes_over_and_is_dropped_when_that_stops_being_true():
    store = store_with(LEDGER)
    first = learn(store, NOON)
    assert first.model
    assert ActiveModel(store).model().id == first.model
    add(store, rows_of_tenants(20, 40, pays=False, seed=5, day=20), "9")
    second = learn(store, NOON + timedelta(days=60))
    assert second.model is None
    assert f"model {first.model} is dropped" in second.reason
    assert ActiveModel(store).model() is None
    assert [a.number for a in ActiveModel(store).history()] == [1, 2]


def tossed(rng: random.Random, days: int, a_day: int) -> list[LedgerRow]:
    """Decisions by a toss, of an installation whose rules toss too: what a tossing model brings is worth the same."""
    rows = []
    for number in range(days * a_day):
        trains, gain = rng.random() < 0.5, 0.2 * (rng.random() < 0.3)
        found = row(f"t{rng.randrange(20)}", number // a_day, 0.5, trains, gain * trains, number=number)
        by_rules = TRAIN if rng.random() < 0.5 else SKIP
        changes = {"by": "chance", "by_rules": by_rules, "probability": 0.5}
        rows.append(found.model_copy(update={"decision": found.decision.model_copy(update=changes)}))
    return rows


@pytest.mark.slow
def test_models_that_are_worth_no_more_seldom_take_over_however_often_a_year_looks(monkeypatch: pytest.MonkeyPatch):
    """Everything but XGBoost is the real code: its advice is a toss. Looking daily at 95 % lets many pass."""
    monkeypatch.setattr(
        takeover,
        "_judged",
        lambda chosen, _seed: [(r, (TRAIN, SKIP)[int(r.run[-1]) % 2]) for r in chosen[2 * len(chosen) // 5 :]],
    )
    controlled = daily = looks = 0
    for installation in range(INSTALLATIONS):
        rows, store, last, won = tossed(random.Random(installation), days=84, a_day=15), MemoryStore(), None, False
        for day in range(6, 84, 3):
            known = rows[: 15 * day]
            monkeypatch.setattr(learning, "_newest_rows", lambda _store, known=known: known)
            last = learn(store, NOON + timedelta(days=day))
            won = won or backtest(known, seed=1).is_won
            if last.model:
                controlled += 1
                break
        daily += won
        looks += last.looks
    assert looks >= 5 * INSTALLATIONS
    assert daily >= 0.15 * INSTALLATIONS, "without control"
    assert controlled <= SIGNIFICANCE * INSTALLATIONS


def test_a_look_waits_until_the_ledger_has_grown_by_half_and_a_year_begins_anew():
    even = rows_of_tenants(20, 12, pays=False)
    store = store_with(even)
    first = learn(store, NOON + timedelta(days=20))
    assert (first.looks, first.backtest.level) == (1, pytest.approx(level_of_look(1)))
    again = learn(store, NOON + timedelta(days=21))
    assert again.reason == "the rules decide: 120 more decisions are needed before the next comparison"
    assert (again.looks, again.looked_at, again.backtest) == (1, first.looked_at, None)
    add(store, rows_of_tenants(20, 6, pays=False, seed=2, day=30), "8")
    second = learn(store, NOON + timedelta(days=40))
    assert (second.looks, second.backtest.level) == (2, pytest.approx(level_of_look(1) / 4))
    assert "99.24 % confidence" in second.reason
    add(store, rows_of_tenants(20, 12, pays=False, seed=3, day=400), "9")
    assert learn(store, NOON + timedelta(days=420)).looks == 1


def test_learning_reads_the_ledgers_of_those_whose_runs_ended_last(monkeypatch: pytest.MonkeyPatch):
    rows = rows_of_tenants(12, 5)
    store = store_with(rows)
    by_tenant = {tenant: [r for r in rows if r.tenant == tenant] for tenant in {r.tenant for r in rows}}
    for days, tenant in enumerate(sorted(by_tenant)):
        at = NOON + timedelta(days=1000 - 10 * days)
        own = [r.model_copy(update={"at": at - timedelta(minutes=n)}) for n, r in enumerate(by_tenant[tenant])]
        store.write(tenant, [to_record(Collection.LEDGER, r.run, r) for r in own])
        tally = Tally(tenant_id=tenant, last_ended_at=at)
        store.write(EVERYONE, [to_record(Collection.TALLIES, digest(tenant), tally)])
    store.calls.clear()
    monkeypatch.setattr(
        "argotune.pipeline.stages.learn.MAX_ROWS", sum(len(by_tenant[t]) for t in sorted(by_tenant)[:3])
    )
    learn(store, NOON)
    assert len(by_tenant) == 12
    assert [call.tenant_id for call in store.calls if str(call) == f"scan {Collection.LEDGER}"] == sorted(by_tenant)[:3]


def test_an_empty_ledger_lets_the_rules_decide():
    activation = learn(MemoryStore(), NOON)
    assert activation.model is None
    assert activation.reason == "the rules decide: 0 decisions in the ledger, 60 are needed to compare"


def test_an_activation_that_an_earlier_release_stored_is_read():
    compared = {"decisions": 60, "tenants": 5, "low": -0.1, "high": 0.4, "level": 0.05}
    worth = {"model": {"gain": 2.0, "calls": 100.0}, "rules": {"gain": 1.0, "calls": 100.0}}
    body = {"number": 3, "at": NOON.isoformat(), "model": None, "reason": "test", "rows": 60, "duel": compared | worth}
    store = MemoryStore()
    store.write(EVERYONE, [Record("appointments", POINTER, seal("Appointment", body))])
    found, _ = ActiveModel(store).now()
    assert (found.number, found.backtest.high, found.backtest.model.gain) == (3, 0.4, 2.0)
    ActiveModel(store).activate(found.model_copy(update={"number": 4}), None, ActiveModel(store).now()[1])
    assert [a.backtest.decisions for a in ActiveModel(store).history()] == [60]


def test_a_model_is_asked_with_the_features_that_it_was_made_of(monkeypatch: pytest.MonkeyPatch):
    """As an earlier release knew them: one optimizer less, in another order."""
    known = tuple(name for name in reversed(gain_model.FEATURES) if name != "optimizer is copro")
    monkeypatch.setattr(gain_model, "FEATURES", known)
    stored = model_of(LEDGER)
    monkeypatch.undo()
    assert stored.features == known
    advice = Advisor(stored).advise(ModelingContext(growth=0.9), [SKIP, TRAIN])
    assert advice.action == TRAIN
    assert (advice.contributions[0].feature, advice.contributions[0].value) == ("growth", 0.9)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"features": ("mood",)}, ConfigInvalid, "made for other features"),
        ({"xgboost": "99.0"}, ConfigInvalid, "saved by xgboost 99.0"),
        ({"gain": "{}"}, Corrupt, "cannot be read"),
        ({"calls": "not json"}, Corrupt, "cannot be read"),
    ],
)
def test_a_model_of_another_release_or_a_damaged_one_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        Advisor(model_of(LEDGER).model_copy(update=changes))


def test_a_model_that_is_not_in_the_store_any_more_is_named():
    store = store_with(LEDGER)
    activation = learn(store, NOON)
    store.remove(EVERYONE, Collection.META_MODELS)
    with pytest.raises(NotFound, match=str(activation.model)):
        ActiveModel(store).model()


def test_the_documented_models_follow_the_rules_until_they_have_learned():
    old = ModelingContext(modality="video", real_sample_count=100, success_rate=0.85, days_since_last_training=30)
    new = ModelingContext(modality="video", real_sample_count=10, success_rate=0.6, days_since_last_training=5)
    deciding = TrainingDecisionModel()
    refused = deciding.train([old, new], targets=[True, False])
    assert isinstance(refused, NotLearned)
    assert deciding.should_train(old) == (True, 0.03)
    assert deciding.should_train(new) == (False, 0.03)
    assert TrainingStrategyModel().select_strategy(old) is Strategy.PURE_REAL
    assert TrainingStrategyModel().select_strategy(new) is Strategy.SKIP


MEASURED = ModelingContext(
    real_sample_count=100,
    success_rate=0.75,
    days_since_last_training=1,
    current_performance_score=0.75,
    data_quality_score=0.8,
)


@pytest.mark.parametrize(
    ("changes", "expected", "because"),
    [
        ({}, (False, 0.03), "little has changed"),
        ({"days_since_last_training": 7}, (True, 0.03), "7 days old"),
        ({"days_since_last_training": None}, (True, 0.03), "never trained"),
        ({"days_since_last_training": None, "real_sample_count": 0}, (False, 0.0), "no data"),
        ({"days_since_last_training": None, "real_sample_count": 0, "dataset_size": 40}, (True, 0.03), "never trained"),
        ({"success_rate": 0.6}, (True, pytest.approx(0.15)), "right 15 points less often"),
        ({"current_performance_score": 0.9}, (True, pytest.approx(0.15)), "right 15 points less often"),
        ({"success_drop": 0.0, "success_rate": 0.5}, (False, 0.03), "little has changed"),
        ({"days_since_last_training": 7, "data_quality_score": 0.0}, (True, 0.03), "7 days old"),
        ({"days_since_last_training": 7, "data_quality_score": None}, (True, 0.03), "7 days old"),
        (
            {"days_since_last_training": 7, "success_rate": 0.98, "current_performance_score": 0.98},
            (False, 0.0),
            "nothing left to gain: 98.0 % is right already",
        ),
        (
            {"days_since_last_training": 7, "success_rate": 0.99, "current_performance_score": None},
            (False, 0.0),
            "nothing left to gain",
        ),
    ],
)
def test_should_train_looks_at_all_that_the_document_names(changes, expected, because):
    deciding = TrainingDecisionModel()
    context = MEASURED.model_copy(update=changes)
    assert deciding.should_train(context) == expected
    assert because in deciding.opinion(context).reason
    assert (TrainingStrategyModel().select_strategy(context) is Strategy.SKIP) is not expected[0]


def test_without_any_data_nothing_is_trained_whoever_decides():
    assert TrainingDecisionModel().should_train(ModelingContext()) == (False, 0.0)
    assert TrainingDecisionModel(model=model_of(LEDGER)).should_train(ModelingContext(growth=0.9)) == (False, 0.0)


def test_the_documented_models_learn_from_contexts_and_targets():
    deciding = TrainingDecisionModel()
    contexts = [ModelingContext(real_sample_count=100, growth=n / 100) for n in range(100)]
    assert deciding.train(contexts, [n > 60 for n in range(100)]) is None
    assert deciding.should_train(contexts[95])[0] is True
    assert deciding.should_train(contexts[5])[0] is False
    model = model_of(LEDGER)
    chosen = TrainingStrategyModel(model=model).select_strategy(LEDGER[0].context.model_copy(update={"growth": 0.95}))
    assert chosen is Strategy.PURE_REAL
    with pytest.raises(ConfigInvalid, match="targets"):
        deciding.train(contexts, [float("nan")] * 100)


def test_as_many_activations_are_kept_as_is_asked_with_their_models_and_a_lost_pointer_goes_on_from_the_last():
    store, made = MemoryStore(), {"features": (), "xgboost": "3", "gain": "", "calls": "", "cutoff": 0.0}
    for number, id in enumerate(("often", "once", "often", None, "last"), 1):
        active = ActiveModel(store, kept=3)
        before, tag = active.now()
        assert active.next_number(before) == number
        model = MetaModel(id=id, trainings=1, tenants=1, **made) if id else None
        active.activate(Activation(number=number, at=NOON, model=id, reason="test", rows=0), model, tag)
    assert [a.number for a in ActiveModel(store).history()] == [3, 4, 5]
    assert {r.id for r in store.scan(EVERYONE, Collection.META_MODELS)} == {"often", "last"}
    store.remove(EVERYONE, Collection.ACTIVATIONS, [POINTER])
    found, tag = ActiveModel(store).now()
    assert (found.number, tag) == (5, None)

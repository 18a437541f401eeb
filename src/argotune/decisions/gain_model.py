"""Gain model: from the ledger to what a training is likely to bring and to cost (XGBoost), and advice from that.

The only importer of xgboost, and only when a model is fitted or asked. A model is a text (XGBoost's own JSON) with what
is needed to know whether it fits this release; nothing is pickled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argotune.decisions.ledger import LedgerRow
from argotune.decisions.values import SKIP, Action, Advice, Contribution, ModelingContext, Strategy
from argotune.errors import ConfigInvalid, Corrupt
from argotune.errors.lines import in_short
from argotune.stats.wording import counted
from argotune.store.records import StoredValue
from argotune.store.sealing import digest
from argotune.tenants.config import METHODS, MODALITIES, MODULES

if TYPE_CHECKING:
    import numpy as np
    import xgboost

MIN_TRAININGS = 40
"""Fewer past trainings teach nothing that the rules do not know."""

MAX_WEIGHT = 20.0
"""A row that was drawn with a small probability stands for many others, but never for more than this: a single one
must not decide alone. The bias towards the rules that this brings is on the safe side."""

HURDLE = 1.25
"""A training must be expected to buy so many times the gain per LM call that those in the ledger bought on average:
more than 1, as expectations err."""

SHOWN_CONTRIBUTIONS = 6

_NUMBERS = tuple(name for name in ModelingContext.model_fields if name != "modality")
_KINDS = (*MODALITIES, *(module for module in MODULES if module != "modality"), "own")
_STRATEGIES = (Strategy.SYNTHETIC, Strategy.HYBRID)
FEATURES = (
    *_NUMBERS,
    *(f"modality is {kind}" for kind in _KINDS),
    *(f"optimizer is {name}" for name in METHODS),
    *(f"strategy is {strategy}" for strategy in _STRATEGIES),
)
"""What the models see of a context and an action, in this order. A number that nobody knows is NaN."""


def features(context: ModelingContext, action: Action, names: Sequence[str]) -> list[float]:
    """The values of those of FEATURES that are named."""
    numbers = {name: math.nan if (value := getattr(context, name)) is None else float(value) for name in _NUMBERS}
    known = {
        **numbers,
        **{f"modality is {kind}": float(context.modality == kind) for kind in _KINDS},
        **{f"optimizer is {name}": float(action.optimizer == name) for name in METHODS},
        **{f"strategy is {strategy}": float(action.strategy is strategy) for strategy in _STRATEGIES},
    }
    return [known[name] for name in names]


@dataclass(frozen=True)
class Training:
    """One past training as the models learn from it: what it brought (in score), its LM calls, and its weight."""

    tenant: str
    context: ModelingContext
    action: Action
    gain: float
    calls: float
    weight: float = 1.0


@dataclass(frozen=True)
class NotLearned:
    """Why there is no model; the rules go on."""

    reason: str


class MetaModel(StoredValue):
    """A fitted pair of models under its content address, with what it was made of.

    `gain` and `calls` are XGBoost's JSON. A training is worth it when its expected gain per call reaches `cutoff`.
    """

    id: str
    features: tuple[str, ...]
    xgboost: str
    gain: str
    calls: str
    cutoff: float
    trainings: int
    tenants: int


def trainings_of(rows: Sequence[LedgerRow]) -> list[Training]:
    """The rows that set out to train, oldest first, each weighed by one over the probability with which it was drawn.

    A training that ended early, its budget spent, say, cost its calls and brought nothing.
    """
    return [
        Training(
            tenant=row.tenant,
            context=row.context,
            action=row.decision.action,
            gain=row.gain,
            calls=float(row.lm_calls),
            weight=min(1 / row.decision.probability, MAX_WEIGHT),
        )
        for row in sorted(rows, key=lambda row: (row.at, row.tenant, row.run))
        if row.decision.action.trains
    ]


def fit(trainings: Sequence[Training], seed: int) -> MetaModel | NotLearned:
    """Learn from past trainings what they bring and what they cost. The same trainings give the same model."""
    too_little = _too_little(trainings)
    if too_little:
        return NotLearned(too_little)
    import xgboost

    gain, calls = _boosters(trainings, seed)
    body = {
        "features": FEATURES,
        "xgboost": xgboost.__version__,
        "gain": _text(gain),
        "calls": _text(calls),
        "cutoff": _cutoff(trainings),
        "trainings": len(trainings),
        "tenants": len({training.tenant for training in trainings}),
    }
    return MetaModel(id="m" + digest([body])[:12], **body)


def _too_little(trainings: Sequence[Training]) -> str | None:
    if len(trainings) < MIN_TRAININGS:
        return f"{counted(len(trainings), 'training')} in the ledger, {MIN_TRAININGS} are needed"
    if len({training.tenant for training in trainings}) < FOLDS:
        return f"the trainings are of fewer than {FOLDS} tenants: nothing can be checked on others"
    if not any(training.gain > 0 for training in trainings):
        return f"none of {len(trainings)} trainings brought anything: nothing tells the good ones from the others"
    if all(training.gain > 0 for training in trainings):
        return f"all of {len(trainings)} trainings brought something: nothing tells the good ones from the others"
    return None


FOLDS = 5


def fold_of(tenant: str) -> int:
    """The part, of FOLDS, that a tenant belongs to."""
    return int(digest(["fold", tenant])[:8], 16) % FOLDS


def _cutoff(trainings: Sequence[Training]) -> float:
    """Gain per LM call below which training is not worth it."""
    gain = math.fsum(training.weight * training.gain for training in trainings)
    calls = math.fsum(training.weight * training.calls for training in trainings)
    return HURDLE * gain / max(calls, 1.0)


def _gain_per_call(gains: Sequence[float], log_calls: Sequence[float]) -> list[float]:
    return [gain / max(math.expm1(calls), 1.0) for gain, calls in zip(gains, log_calls, strict=True)]


def _boosters(trainings: Sequence[Training], seed: int) -> tuple[xgboost.Booster, xgboost.Booster]:
    rows = [features(training.context, training.action, FEATURES) for training in trainings]
    mean = math.fsum(training.weight for training in trainings) / len(trainings)
    weights = [training.weight / mean for training in trainings]  # so that `min_child_weight` counts trainings
    gain = _booster(rows, [training.gain for training in trainings], weights, seed)
    return gain, _booster(rows, [math.log1p(training.calls) for training in trainings], weights, seed)


def _booster(
    rows: Sequence[Sequence[float]], targets: Sequence[float], weights: Sequence[float], seed: int
) -> xgboost.Booster:
    import numpy as np
    import xgboost as xgb

    shown = xgb.DMatrix(np.array(rows), label=np.array(targets), weight=np.array(weights), feature_names=list(FEATURES))
    # Shallow and slow: there are tens to thousands of rows, and most gains are 0.
    settings = {
        "objective": "reg:squarederror",
        "max_depth": 2,
        "eta": 0.08,
        "min_child_weight": 4,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "lambda": 2.0,
        "nthread": 1,
        "seed": seed,
    }
    return xgb.train(settings, shown, num_boost_round=100)


def _predicted(booster: xgboost.Booster, rows: Sequence[Sequence[float]]) -> list[float]:
    return [float(value) for value in booster.predict(_matrix(rows, booster.feature_names))]


def _matrix(rows: Sequence[Sequence[float]], names: Sequence[str] | None) -> xgboost.DMatrix:
    import numpy as np
    import xgboost

    return xgboost.DMatrix(np.array(rows), feature_names=names, nthread=1)


def _text(booster: xgboost.Booster) -> str:
    return bytes(booster.save_raw("json")).decode()


class Advisor:
    """A meta-model that can be asked. Raises Corrupt or ConfigInvalid when it cannot be used by this release."""

    def __init__(self, model: MetaModel) -> None:
        import xgboost

        if not set(model.features) <= set(FEATURES):
            raise ConfigInvalid(f"meta-model {model.id}: made for other features, of another release; fit it again")
        ours, its = xgboost.__version__, model.xgboost
        if its.partition(".")[0] != ours.partition(".")[0]:
            raise ConfigInvalid(f"meta-model {model.id}: saved by xgboost {its}, this is {ours}; fit it again")
        self.id = model.id
        self._model = model
        self._gain, self._calls = _loaded(model, model.gain), _loaded(model, model.calls)

    def advise(self, context: ModelingContext, possible: Sequence[Action]) -> Advice:
        """The action of the largest expected gain among those that are worth their calls, else skipping."""
        actions = [action for action in possible if action.trains]
        if not actions:
            return Advice(SKIP, 0.0, (), "nothing can be trained")
        rows = [features(context, action, self._model.features) for action in actions]
        gains = _predicted(self._gain, rows)
        rates = _gain_per_call(gains, _predicted(self._calls, rows))
        best = max(range(len(actions)), key=lambda i: (rates[i] >= self._model.cutoff, gains[i]))
        is_worth_it = rates[best] >= self._model.cutoff
        asked = f"{1000 * rates[best]:+.3f} points per 10 LM calls expected, {1000 * self._model.cutoff:+.3f} asked"
        verb = actions[best].name if is_worth_it else "not worth training"
        chosen = actions[best] if is_worth_it else SKIP
        return Advice(chosen, gains[best], self._contributions(rows[best]), f"{verb}: {asked} by model {self.id}")

    def _contributions(self, row: Sequence[float]) -> tuple[Contribution, ...]:
        """The largest SHAP values of the expected gain (Lundberg et al., Nature Machine Intelligence 2, 2020)."""
        names = self._model.features
        shares: np.ndarray = self._gain.predict(_matrix([row], names), pred_contribs=True)[0][:-1]
        order = sorted(range(len(names)), key=lambda i: -abs(shares[i]))[:SHOWN_CONTRIBUTIONS]
        return tuple(
            Contribution(feature=names[i], value=None if math.isnan(row[i]) else row[i], gain=float(shares[i]))
            for i in order
            if shares[i]
        )


def _loaded(model: MetaModel, text: str) -> xgboost.Booster:
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    with _raising_corrupt(model.id):
        booster.load_model(bytearray(text.encode()))
    if booster.feature_names != list(model.features):
        raise Corrupt(f"meta-model {model.id}: its trees are of other features than it says")
    return booster


@contextmanager
def _raising_corrupt(id: str) -> Iterator[None]:
    import xgboost

    try:
        yield
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise Corrupt(f"meta-model {id}: its trees cannot be read: {in_short(error)}") from error

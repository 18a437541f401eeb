"""Collections: the one list of what lies in a store."""

from __future__ import annotations

EVERYONE = "*"
"""The tenant id under which the list of tenants lies; `tenants.check_tenant_id` refuses it for a real tenant."""


class Collection:
    """Every collection there is."""

    TENANTS = "tenants"
    AGENDA = "agenda"
    ATTENDED = "attended"
    AT_WORK = "at_work"
    """What passes are doing, a record a module (runs/at_work.py)."""
    WAITING = "waiting"
    """How many spans of each tenant wait for a label (labels/queue.py)."""
    CONFIG = "config"
    MARKERS = "markers"
    """Where each module stands, by kind and module (runs/module_book.py), what a program's run has spent, which
    contest of it is open, and what contests have spent."""
    EXPERIENCES = "experiences"
    EXAMPLES = "examples"
    FRESH = "fresh"
    GATHERED = "gathered"
    LIVE = "live"
    """What the champions' answers scored, a record a program (data/live_quality.py)."""
    SYNTHETIC = "synthetic"
    VERSIONS = "versions"
    CHAMPIONS = "champions"
    HISTORY = "history"
    BARS = "bars"
    OPENINGS = "attempts"
    CONTESTS = "contests"
    SHADOW = "shadow"
    """The journals of contests."""
    RUNS = "runs"
    RUN_SUMS = "run_sums"
    LEDGER = "ledger"
    META_MODELS = "meta_models"
    ACTIVATIONS = "appointments"
    ANSWERS = "answers"
    VECTORS = "vectors"
    """Of texts, to an embedder (data/vector_log.py)."""
    QUEUE = "queue"
    ANNOTATORS = "annotators"
    OFFERS = "offers"
    LEASES = "leases"
    TALLIES = "tallies"
    ROUNDS = "rounds"
    ROUND_COUNT = "round_count"
    FORGETTING = "forgetting"
    POOLED = "pooled"


OF_EVERYONE = (
    Collection.TENANTS,
    Collection.AGENDA,
    Collection.ATTENDED,
    Collection.AT_WORK,
    Collection.WAITING,
    Collection.META_MODELS,
    Collection.ACTIVATIONS,
    Collection.TALLIES,
    Collection.ROUNDS,
    Collection.ROUND_COUNT,
    Collection.FORGETTING,
    Collection.POOLED,
)
"""Those that lie under EVERYONE."""

OF_PROGRAMS = (Collection.EXPERIENCES, Collection.EXAMPLES, Collection.FRESH, Collection.GATHERED)
"""Those of which a tenant has one for each program, `<collection>.<program>`."""

OF_TENANTS = (
    Collection.CONFIG,
    Collection.MARKERS,
    Collection.LIVE,
    Collection.SYNTHETIC,
    Collection.VERSIONS,
    Collection.CHAMPIONS,
    Collection.BARS,
    Collection.HISTORY,
    Collection.OPENINGS,
    Collection.CONTESTS,
    Collection.SHADOW,
    Collection.RUNS,
    Collection.RUN_SUMS,
    Collection.LEDGER,
    Collection.ANSWERS,
    Collection.VECTORS,
    Collection.QUEUE,
    Collection.ANNOTATORS,
    Collection.OFFERS,
    Collection.LEASES,
)
"""Those of which a tenant has one."""

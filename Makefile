# Everything runs in .venv (locked by uv.lock); the Phoenix server has an environment of its own, .venv-phoenix,
# as it would cost every command 16 s and 390 MB. So has MLflow, which only tests and benchmarks start.
PYTHON ?= python3
PHOENIX_VERSION ?= 20.26.1
MLFLOW_VERSION ?= 3.17.2
UV = .venv/bin/uv
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Waiting threads of the embedded LM spin this often: more makes it ten times slower where cores are shared.
export GOMP_SPINCOUNT ?= 1000

.PHONY: setup demo dashboard test test-slow check clean test-cluster cluster-demo sync-manifests sync-chart

setup: .venv/.ready .venv-phoenix/.ready

.venv/.ready: pyproject.toml uv.lock
	test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q uv
	VIRTUAL_ENV=$(CURDIR)/.venv $(UV) sync -q --frozen --inexact --active --no-group dashboard --compile-bytecode
	touch $@

# For what needs an environment but not the newest one: made where there is none, never brought up to date.
.venv/bin/python:
	$(MAKE) .venv/.ready

.venv-phoenix/.ready: Makefile | .venv/.ready
	test -x .venv-phoenix/bin/python || $(PYTHON) -m venv --without-pip .venv-phoenix
	$(UV) pip install -q --compile-bytecode --python .venv-phoenix/bin/python "arize-phoenix==$(PHOENIX_VERSION)"
	touch $@

.venv-mlflow/.ready: Makefile | .venv/.ready
	test -x .venv-mlflow/bin/python || $(PYTHON) -m venv --without-pip .venv-mlflow
	$(UV) pip install -q --compile-bytecode --python .venv-mlflow/bin/python "mlflow==$(MLFLOW_VERSION)"
	touch $@

# With what its tests read pages with.
.venv-dashboard/.ready: pyproject.toml uv.lock | .venv/.ready
	test -x .venv-dashboard/bin/python || $(PYTHON) -m venv --without-pip .venv-dashboard
	VIRTUAL_ENV=$(CURDIR)/.venv-dashboard $(UV) sync -q --frozen --active --no-default-groups --extra dashboard \
		--group browser
	touch $@

demo: setup
	.venv/bin/argotune demo

# On the store that CONFIG_STORE_URL names, or else the demo's, if there was one; ARGS="--tenants a b" shows these alone.
DEMO_STORE = $(if $(CONFIG_STORE_URL),,$(if $(wildcard .demo/argotune.db),CONFIG_STORE_URL=sqlite:///.demo/argotune.db))
dashboard: .venv-dashboard/.ready
	$(DEMO_STORE) .venv-dashboard/bin/streamlit run scripts/phoenix_dashboard.py -- $(ARGS)

check: .venv/.ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy

# A file is run by one worker; -n auto is one for each core.
PYTEST = .venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --ignore tests/cluster

test: setup .venv-mlflow/.ready .venv-dashboard/.ready check
	$(PYTEST) -m "not slow"

# What `make test` leaves out; .ci/run runs both.
test-slow: setup .venv-mlflow/.ready .venv-dashboard/.ready
	$(PYTEST) -m slow

# Against the cluster that KUBECONFIG names; docs/cluster-tests.md says what it needs.
test-cluster: .venv/.ready
	ARGOTUNE_REQUIRE_CLUSTER=1 .venv/bin/python -m pytest tests/cluster tests/contracts/test_runner.py

cluster-demo: .venv/.ready
	.venv/bin/argotune demo --on-argo

# What the workflows repeat for every module and optimizer; tests hold that it and the chart's copies are up to date.
sync-manifests: .venv/bin/python
	.venv/bin/python workflows/sync.py

# The chart's templates read these files.
sync-chart: sync-manifests
	cp --parents workflows/*.yaml workflows/optional/*.yaml monitoring/* overlays/development/[pr]*.yaml helm/argotune/files

clean:
	rm -rf .demo results

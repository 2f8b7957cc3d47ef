# Python 3.11+ and make are all this needs. `make help` tells what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := graph models resolvers
PORT ?= 8000
export USERGRAPH_PORT := $(PORT)
export USERGRAPH_PUBLIC_URL ?= http://127.0.0.1:$(PORT)

.PHONY: help serve test check bench bench-writes schema migrations lock clean playground dev

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(VENV)/.serve playground ## migrate, fill an empty directory with demo people, serve on PORT (8000)
	@$(BIN)/usergraph serve --demo

test: dev playground ## all tests, on SQLite and on PostgreSQL where one can be started
	@$(BIN)/python -m compileall -q $(ROOMS)  # hundreds of processes are started, which some machines let keep nothing
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: dev ## format, lint, types, architecture, schema and migration snapshots
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/usergraph schema --check schema.graphql
	@$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_migrations.py -k "architecture or models_say"

bench: dev ## measure beside PostGraphile, Strawberry and SQL by hand, reports and exports, into benchmarks/
	@$(BIN)/python -m benchmarks $(ARGS)
	@$(BIN)/python -m benchmarks.reports

bench-writes: dev ## measure bulk calls and imports beside the driver's own inserts into benchmarks/writes.md
	@$(BIN)/python -m benchmarks.writes $(ARGS)

schema: dev ## print schema.graphql from the code
	@$(BIN)/usergraph schema > schema.graphql

migrations: dev ## write a migration for changed models
	@$(BIN)/python -m models.make_migrations

lock: dev ## resolve the dependencies anew into requirements/
	@$(BIN)/pip install -q uv
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --upgrade --custom-compile-command "make lock" pyproject.toml -o requirements/serve.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --upgrade --custom-compile-command "make lock" pyproject.toml --extra dev -o requirements/dev.txt

clean: ## remove the environment and what was built, never the data
	@rm -rf $(VENV) build dist *.egg-info graph/playground/assets graph/playground/node_modules graph/playground/.node
	@find . -name __pycache__ -prune -exec rm -rf {} +

dev: $(VENV)/.dev

playground: $(VENV)/.serve
	@$(BIN)/python -m graph.playground.install || echo "GraphiQL is not installed; GraphQL itself is served. Mend: make playground"

$(VENV)/.serve: requirements/serve.txt pyproject.toml
	@echo "Making the environment in $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "usergraph needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/serve.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.serve requirements/dev.txt
	@echo "Adding what tests need …"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

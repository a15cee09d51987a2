# `make help` lists what can be done. What is given on the command line, as in `make run PORT=8123 VAR_DIR=/some/dir`,
# reaches the program as its environment. PYTHON=/path/to/python3.11 chooses the interpreter of .venv.

BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(UPGRADE)

# Without compiled modules each of the processes would compile the libraries anew, which triples the time of a start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run sso apprise demo test test-services transcripts schema lint chaos bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(BIN)/.runtime ## Set up and start everything; PORT=8123 VAR_DIR=/some/dir choose port and state directory
	@exec $(BIN)/python manage.py run

sso: $(BIN)/.sso ## Install what single sign-on needs; docs/single-sign-on.md tells what to set

apprise: $(BIN)/.apprise ## Install what connectors of the type apprise need; docs/connectors/apprise.md tells more

demo: $(BIN)/.runtime ## Send made-up events to the demo space for a minute, while `make run` runs
	@exec $(BIN)/python manage.py demo_events $(ARGS)

test: $(BIN)/.dev ## Run the tests that need no other server; ARGS='-k name' is for pytest
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/services --ignore tests/faults $(ARGS)
	@echo 'Not run: tests/services and tests/faults, which need PostgreSQL, Redis, mosquitto and Kafka (make test-services).'

test-services: $(BIN)/.dev ## Run the tests against real servers; installs PostgreSQL, Redis, Kafka ... where they are missing
	.ci/install-servers
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/services tests/faults $(ARGS)
	$(BIN)/python -m tests.on_postgresql -n 2 --ignore tests/services --ignore tests/faults $(ARGS)

transcripts: $(BIN)/.dev ## Print what arrives at each kind of destination; ARGS='chat tickets' for these
	$(BIN)/python -m tests.services.transcripts $(ARGS)

schema: $(BIN)/.dev ## Write docs/openapi.json and docs/connectors anew
	$(BIN)/python manage.py spectacular --format openapi-json --validate --fail-on-warn --file docs/openapi.json
	$(BIN)/python manage.py connector_docs docs/connectors

lint: $(BIN)/.dev ## Check style, types, import contracts and migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

chaos: $(BIN)/.dev ## Kill, stop and flush parts of an installation under load; ARGS='--seconds 120 --seeds 1 2 3'
	.ci/install-servers
	$(BIN)/python -m tests.faults.chaos $(ARGS)

bench: $(BIN)/.dev ## Measure the pipeline beside a naive one; ARGS=--quick is shorter
	$(BIN)/python -m bench.pipeline $(ARGS)

lock: $(BIN)/.uv ## Write the locked requirements anew from pyproject.toml; UPGRADE=--upgrade takes the latest releases
	$(LOCK) --group bootstrap --output-file requirements/bootstrap.txt
	$(LOCK) pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) pyproject.toml --constraints requirements/runtime.txt --extra sso --output-file requirements/sso.txt
	$(LOCK) pyproject.toml --constraints requirements/runtime.txt --extra apprise --output-file requirements/apprise.txt
	$(LOCK) pyproject.toml --constraints requirements/sso.txt --constraints requirements/apprise.txt --extra sso --extra apprise --group test --group lint --output-file requirements/dev.txt

clean: ## Remove the environment and all caches; state under var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/.uv: requirements/bootstrap.txt
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			"$$python" -c 'import venv, ensurepip' 2>/dev/null && exec "$$python" -m venv .venv; \
			echo "$$python has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
		fi; \
	done; \
	echo "Python 3.11 or later is needed. Where it has another name: make PYTHON=/path/to/python3" >&2; exit 1
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(BIN)/.runtime: requirements/runtime.txt $(BIN)/.uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@touch $@

$(BIN)/.sso: requirements/sso.txt $(BIN)/.uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/sso.txt
	@touch $@ $(BIN)/.runtime

$(BIN)/.apprise: requirements/apprise.txt $(BIN)/.uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/apprise.txt
	@touch $@ $(BIN)/.runtime

$(BIN)/.dev: requirements/dev.txt $(BIN)/.uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@ $(BIN)/.runtime

# Two commands are all that is needed from a fresh checkout, with Python 3.11 and nothing else: `make demo`, `make test`.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(or $(shell command -v python3.11),python3)
# Both are folders of this checkout. The first has what we recommend; the second is that of the classic CATMAID guide.
VENV := .venv
CLASSIC := .venv-classic
PIP_INSTALL := python -m pip install -qq --disable-pip-version-check
# A file's tests stay together, since they share what is costly to start. Those with real servers mostly wait, so there
# may be more of them than there are cores; who starts first is said in tests/conftest.py.
JOBS ?= 2
REAL_JOBS ?= 5
PYTEST_OPTIONS := -q --maxfail=20 --dist=loadfile --no-loadscope-reorder
PYTEST := $(VENV)/bin/python -m pytest $(PYTEST_OPTIONS) --numprocesses=$(JOBS)
PYTEST_REAL := $(VENV)/bin/python -m pytest $(PYTEST_OPTIONS) --numprocesses=$(REAL_JOBS)
JS_TESTS ?= $(sort $(wildcard tests/js/*.test.js tests/js/*/*.test.js))

.PHONY: help
help: ## Say what this file can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -- For everybody

.PHONY: demo
demo: $(VENV)/installed-demo ## Start the demo and print its address; PORT=8000, AMQP_URL=amqp://… for RabbitMQ
	@exec $(VENV)/bin/python demo/manage.py demo $(if $(PORT),--port $(PORT))

.PHONY: test
ifdef ONLY
test: system venv node_modules/installed
	@$(VENV)/bin/python scripts/run_tests.py only "$(ONLY)"
else
test: system venv $(CLASSIC)/installed node_modules/installed ## Run the gate: checks, all tests that take seconds, real servers, Chromium; ONLY=tests/… for one
	@$(VENV)/bin/python scripts/run_tests.py gate
endif

.PHONY: test-all
test-all: system venv $(CLASSIC)/installed node_modules/installed ## Run everything: the gate, then what takes minutes (about an hour)
	@$(VENV)/bin/python scripts/run_tests.py all

# -- For developers

.PHONY: venv
venv: $(VENV)/installed-dev ## Make .venv, with everything that development needs

.PHONY: system
system: ## Install (as root, on Debian) and start Chromium, RabbitMQ, PostgreSQL and npm where they are missing
	@scripts/system.sh

.PHONY: check
check: venv ## Ruff, mypy, missing migrations, files made from other files
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy bench catmaid_notify demo faults tests scripts settings_example.py
	DJANGO_SETTINGS_MODULE=tests.settings $(VENV)/bin/python -m django makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=demo.settings $(VENV)/bin/python -m django makemigrations --check --dry-run
	$(VENV)/bin/python scripts/conf_block.py --check
	$(VENV)/bin/python scripts/config_files.py --check

.PHONY: format
format: venv ## Format and mend the Python files
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/python scripts/conf_block.py
	$(VENV)/bin/python scripts/config_files.py

.PHONY: messages
messages: venv ## Collect the texts to translate, and compile the translations (needs gettext)
	cd catmaid_notify && $(CURDIR)/$(VENV)/bin/python -m django makemessages --all --no-wrap --no-location --no-obsolete
	cd catmaid_notify && $(CURDIR)/$(VENV)/bin/python -m django compilemessages

.PHONY: js
js: venv node_modules/installed ## Tests of the browser client, by Node; its types, its size, its package
	node_modules/.bin/biome check --error-on-warnings
	$$($(VENV)/bin/python -m tests.support.node) --test --test-reporter=spec $(or $(JS_TESTS),$(error There are no tests in tests/js))

.PHONY: unit
unit: venv ## Python tests in one process, on SQLite
	$(PYTEST) -m 'not real'

.PHONY: unit-postgresql
unit-postgresql: venv ## Those of them that use a database, on PostgreSQL
	TEST_DATABASE=postgresql $(PYTEST) -m 'not real'

.PHONY: real
real: venv ## Tests with real servers, workers and Chromium
	$(PYTEST_REAL) -m 'real and not slow'

.PHONY: slow
slow: venv ## Those that take minutes by their nature: deadlines as they are by default, 1,000 sockets, every set-up
	$(PYTEST_REAL) -m 'real and slow' --ignore=tests/layers

.PHONY: test-brokers
test-brokers: system venv ## The channel layer on RabbitMQ 3.10, 4.0 and 4.3 (fetched once, as root), slow tests included
	scripts/brokers.sh $(PYTEST) -k 'not memory and not redis' tests/layers/test_conformance.py \
		tests/layers/test_broker_trouble.py tests/layers/test_cluster.py tests/layers/test_versions.py

.PHONY: deployments
deployments: system venv ## Every set-up with its real servers: nginx, supervisor, systemd's commands, Apache, uWSGI, compose.yaml
	$(PYTEST_REAL) tests/deploy

.PHONY: faults
faults: system venv ## Make everything fail, one part after another; FAULTS="--only F08,F12 --seed 7", or "--help"
	@$(VENV)/bin/python -m faults $(FAULTS)

.PHONY: classic
classic: $(CLASSIC)/installed ## Tests in the environment of requirements-async.txt: aio-pika 9.6, channels-rabbitmq
	$(CLASSIC)/bin/python -m pytest $(PYTEST_OPTIONS) --numprocesses=$(JOBS) -m classic

.PHONY: coverage
coverage: venv ## Lines and branches that the tests in one process run, by module
	$(PYTEST) -m 'not real' --cov --cov-report=term-missing

.PHONY: bench
bench: system $(VENV)/installed-bench $(CLASSIC)/installed-bench ## Measure the app beside its peers, in turns; BENCH="--quick", or "--help"
	$(VENV)/bin/python -m bench $(BENCH)

.PHONY: bench-growth
bench-growth: system $(VENV)/installed-bench $(CLASSIC)/installed-bench ## Measure at 1, 4 and 16 times the size, and draw the plots of docs/performance.md
	$(VENV)/bin/python -m bench.growth $(BENCH)

.PHONY: bench-layers
bench-layers: venv $(CLASSIC)/installed ## Compare the channel layers; BENCH="--quick", or "--help" for what else there is
	$(VENV)/bin/python -m bench.layers $(BENCH)

.PHONY: bench-topics
bench-topics: venv ## What following topics costs a server; BENCH="--help" for what else there is
	$(VENV)/bin/python -m bench.topics $(BENCH)

.PHONY: docs
docs: venv ## Build the documentation into build/docs; a warning is an error
	$(VENV)/bin/python -m sphinx --quiet --fail-on-warning --builder html docs build/docs
	@echo "Open build/docs/index.html"

.PHONY: picture
picture: venv ## Make the picture of README.md anew
	$(VENV)/bin/python scripts/picture.py

.PHONY: screenshots
screenshots: system picture ## Make all pictures of README.md and docs anew, light and dark
	$(VENV)/bin/python scripts/screenshots.py

.PHONY: clean
clean: ## Remove the virtual environments, caches and all that the demo has written
	rm -rf $(VENV) $(CLASSIC) node_modules build dist demo/var test-results .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- Environments; the empty files say what has been installed in them

$(VENV)/installed-demo: pyproject.toml
	@scripts/venv.sh $(VENV) "$(PYTHON)"
	@echo "Installing what the demo needs (once) ..."
	@$(VENV)/bin/$(PIP_INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml
	@scripts/venv.sh $(VENV) "$(PYTHON)"
	@echo "Installing what development needs (once) ..."
	@$(VENV)/bin/$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/installed-demo

$(CLASSIC)/installed: requirements-async.txt pyproject.toml
	@scripts/venv.sh $(CLASSIC) "$(PYTHON)"
	@echo "Installing the environment of requirements-async.txt (once) ..."
	@$(CLASSIC)/bin/$(PIP_INSTALL) --requirement requirements-async.txt --editable '.[test-tools]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-dev
	@echo "Installing what the bench needs (once) ..."
	@$(VENV)/bin/$(PIP_INSTALL) --editable '.[bench]'
	@[[ $$(id -u) != 0 || -e /usr/lib/nginx/modules/ngx_nchan_module.so ]] || apt-get -qq install -y --no-install-recommends libnginx-mod-nchan
	@touch $@

$(CLASSIC)/installed-bench: $(CLASSIC)/installed
	@$(CLASSIC)/bin/$(PIP_INSTALL) --requirement requirements-async.txt 'uvicorn[standard]>=0.40'
	@touch $@

node_modules/installed: package.json
	@command -v npm > /dev/null || { echo "npm is missing; \"make system\" installs it as root on Debian."; exit 1; }
	@echo "Installing what tests of the browser client need (once) ..."
	@npm install --silent --no-audit --no-fund --no-package-lock
	@touch $@

# Two commands suffice for a fresh checkout, with nothing but Python 3.11: `make demo` and `make test`.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(or $(shell command -v python3.11),python3)
# Two virtual environments. The first one has the recommended packages, the second one those of CATMAID's classic guide.
VENV := .venv
CLASSIC := .venv-classic
PIP_INSTALL := python -m pip install -qq --disable-pip-version-check
# The tests of a file run in one process, since they share parts that are slow to start. Tests with real servers mostly
# wait, so there may be more processes than cores. tests/conftest.py decides on the order.
JOBS ?= 2
REAL_JOBS ?= 5
PYTEST_OPTIONS := -q --maxfail=20 --dist=loadfile --no-loadscope-reorder
PYTEST := $(VENV)/bin/python -m pytest $(PYTEST_OPTIONS) --numprocesses=$(JOBS)
PYTEST_REAL := $(VENV)/bin/python -m pytest $(PYTEST_OPTIONS) --numprocesses=$(REAL_JOBS)
JS_TESTS ?= $(sort $(wildcard tests/js/*.test.js tests/js/*/*.test.js))

.PHONY: help
help: ## Show this list
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
test: system venv $(CLASSIC)/installed node_modules/installed ## Run the checks and all quick tests, with real servers and Chromium; ONLY=tests/… for one file
	@$(VENV)/bin/python scripts/run_tests.py gate
endif

.PHONY: test-all
test-all: system venv $(CLASSIC)/installed node_modules/installed ## Run all tests, including the slow ones (about an hour)
	@$(VENV)/bin/python scripts/run_tests.py all

# -- For developers

.PHONY: venv
venv: $(VENV)/installed-dev ## Create .venv, with everything that development needs

.PHONY: system
system: ## Install (as root, on Debian) and start Chromium, RabbitMQ, PostgreSQL and npm where they are missing
	@scripts/system.sh

.PHONY: check
check: venv ## Run Ruff and mypy, and look for missing migrations and outdated generated files
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy bench catmaid_notify demo faults tests scripts settings_example.py
	DJANGO_SETTINGS_MODULE=tests.settings $(VENV)/bin/python -m django makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=demo.settings $(VENV)/bin/python -m django makemigrations --check --dry-run
	$(VENV)/bin/python scripts/conf_block.py --check
	$(VENV)/bin/python scripts/config_files.py --check

.PHONY: format
format: venv ## Format the Python files, fix lint errors, and write the generated files
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/python scripts/conf_block.py
	$(VENV)/bin/python scripts/config_files.py

.PHONY: messages
messages: venv ## Collect the texts to translate, and compile the translations (needs gettext)
	cd catmaid_notify && $(CURDIR)/$(VENV)/bin/python -m django makemessages --all --no-wrap --no-location --no-obsolete
	cd catmaid_notify && $(CURDIR)/$(VENV)/bin/python -m django compilemessages

.PHONY: js
js: venv node_modules/installed ## Test the browser client in Node.js, with its types, size and package
	node_modules/.bin/biome check --error-on-warnings
	$$($(VENV)/bin/python -m tests.support.node) --test --test-reporter=spec $(or $(JS_TESTS),$(error There are no tests in tests/js))

.PHONY: unit
unit: venv ## Run the Python tests that need no server, on SQLite
	$(PYTEST) -m 'not real'

.PHONY: unit-postgresql
unit-postgresql: venv ## Run those of these tests that use a database, on PostgreSQL
	TEST_DATABASE=postgresql $(PYTEST) -m 'not real'

.PHONY: real
real: venv ## Run the tests with real servers, workers and Chromium
	$(PYTEST_REAL) -m 'real and not slow'

.PHONY: slow
slow: venv ## Run the tests that take minutes: default deadlines, 1,000 sockets
	$(PYTEST_REAL) -m 'real and slow' --ignore=tests/layers

.PHONY: test-brokers
test-brokers: system venv ## Test the channel layer on RabbitMQ 3.10, 4.0 and 4.3 (downloaded once, needs root)
	scripts/brokers.sh $(PYTEST) -k 'not memory and not redis' tests/layers/test_conformance.py \
		tests/layers/test_broker_trouble.py tests/layers/test_cluster.py tests/layers/test_versions.py

.PHONY: deployments
deployments: system venv ## Test every deployment with its real servers: nginx, supervisor, systemd, Apache, uWSGI, compose.yaml
	$(PYTEST_REAL) tests/deploy

.PHONY: faults
faults: system venv ## Inject faults into every part of a running site; FAULTS="--only F08,F12 --seed 7", or "--help"
	@$(VENV)/bin/python -m faults $(FAULTS)

.PHONY: classic
classic: $(CLASSIC)/installed ## Run tests in the environment of requirements-async.txt: aio-pika 9.6, channels-rabbitmq
	$(CLASSIC)/bin/python -m pytest $(PYTEST_OPTIONS) --numprocesses=$(JOBS) -m classic

.PHONY: coverage
coverage: venv ## Measure the lines and branches that the unit tests run, by module
	$(PYTEST) -m 'not real' --cov --cov-report=term-missing

.PHONY: bench
bench: system $(VENV)/installed-bench $(CLASSIC)/installed-bench ## Measure the app and its peers; BENCH="--quick", or "--help"
	$(VENV)/bin/python -m bench $(BENCH)

.PHONY: bench-growth
bench-growth: system $(VENV)/installed-bench $(CLASSIC)/installed-bench ## Measure at 1, 4 and 16 times the size, and draw the plots of docs/performance.md
	$(VENV)/bin/python -m bench.growth $(BENCH)

.PHONY: bench-layers
bench-layers: venv $(CLASSIC)/installed ## Measure the channel layers; BENCH="--quick", or "--help"
	$(VENV)/bin/python -m bench.layers $(BENCH)

.PHONY: bench-topics
bench-topics: venv ## Measure the cost of topics for a server; BENCH="--help"
	$(VENV)/bin/python -m bench.topics $(BENCH)

.PHONY: docs
docs: venv ## Build the documentation into build/docs; a warning is an error
	$(VENV)/bin/python -m sphinx --quiet --fail-on-warning --builder html docs build/docs
	@echo "Open build/docs/index.html"

.PHONY: picture
picture: venv ## Take the picture of README.md again
	$(VENV)/bin/python scripts/picture.py

.PHONY: screenshots
screenshots: system picture ## Take all pictures of README.md and docs again, light and dark
	$(VENV)/bin/python scripts/screenshots.py

.PHONY: clean
clean: ## Remove the virtual environments, caches and the demo's files
	rm -rf $(VENV) $(CLASSIC) node_modules build dist demo/var test-results .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- Environments; an empty file marks each finished installation

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

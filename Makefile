# The commands of a developer; each target sets up what it needs. Required: Python 3.11 and make.
PYTHON ?= python3.11
ENV ?= test
UV_VERSION := 0.13.9
BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"

# Only the two jars of this package are used; its dependency, a Spark that is years old, is not installed.
JARS := sagemaker-pyspark==1.4.5

PIN := $(COMPILE) --constraint requirements.lock --upgrade lib/pyproject.toml
PACKAGED := pyproject.toml lib/pyproject.toml requirements.lock infra/package.py $(shell find lib lambda glue -type f \
	-not -path '*/__pycache__/*')

APART := $(patsubst tests/apart/%.in,build/apart/%/.ready,$(wildcard tests/apart/*.in))

.PHONY: setup package browser run check test lab lint lock bench clean notebooks docs reference release synth deploy smoke

setup: .venv/.ready

.venv/.ready: requirements.lock requirements-jars.lock pyproject.toml lib/pyproject.toml
	test -x $(UV) || { $(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes \
		-r requirements.lock -r requirements-jars.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable lib --editable .
	$(BIN)/python -m compileall -q lib
	touch $@

package: setup dist/.ready

dist/.ready: $(PACKAGED) | setup
	$(BIN)/python infra/package.py
	touch $@

# Both wheels, what package builds, and the changelog's section of the version. Nothing is published.
release: setup
	rm -rf dist/release
	$(BIN)/python infra/release.py

# The headless browser in which tests open the report. Needs Node.
browser: tests/browser/node_modules/.ready

tests/browser/node_modules/.ready: tests/browser/package.json tests/browser/package-lock.json
	npm ci --prefix tests/browser --no-audit --no-fund --silent
	touch $@

# Packages of tests whose pins are not ours: each list in a folder of its own, for a PYTHONPATH.
build/apart/%/.ready: tests/apart/%.txt | setup
	rm -rf $(@D)
	$(UV) pip install --quiet --no-deps --require-hashes --target $(@D) -r $<
	touch $@

# The Java of the tests starts in half the time.
build/java/.ready: .venv/.ready tests/java.py
	$(BIN)/python tests/java.py build/java
	touch $@

run: setup
	$(BIN)/cat-normalize run --local

# The stacks of an environment as they will be deployed, with the files that they deploy: make synth ENV=prod.
synth: package
	rm -rf build/cdk/$(ENV)
	cd infra/cdk && CDK_OUTDIR=$(CURDIR)/build/cdk/$(ENV) CDK_CONTEXT_JSON='{"env": "$(ENV)"}' $(CURDIR)/$(BIN)/python app.py

# What synth made, deployed as it is. Who may, is who has credentials.
deploy: infra/cdk/node_modules/.ready
	cd infra/cdk && npx cdk deploy --app $(CURDIR)/build/cdk/$(ENV) --all --require-approval never

infra/cdk/node_modules/.ready: infra/cdk/package.json infra/cdk/package-lock.json
	npm ci --prefix infra/cdk --no-audit --no-fund --silent
	touch $@

# One night and one query in a deployed environment.
smoke: setup
	$(BIN)/python infra/smoke.py $(ENV)

lab: setup
	$(BIN)/cat-normalize lab

# For every save, under a minute: lint, types and the tests that start no other processes.
check: lint
	$(BIN)/pytest -q -n 2 -m "not slow"

test: setup lint package browser build/java/.ready $(APART)
	JAVA_HOME=$(CURDIR)/build/java $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet --strict-collection .github

lock: setup
	$(COMPILE) --upgrade --all-extras pyproject.toml --no-emit-package cat-normalize --output-file requirements.lock
	echo $(JARS) | $(COMPILE) --no-deps - --output-file requirements-jars.lock
	$(PIN) --extra lambda --output-file lambda/etl-process1/requirements.txt
	$(PIN) --output-file glue/etl-process2/requirements.txt
	for list in tests/apart/*.in; do $(COMPILE) --upgrade $$list --output-file $${list%.in}.txt || exit 1; done

# Everything measured, in about ten minutes: prints and writes docs/performance.md. Needs Node.
bench: setup package
	$(BIN)/python bench/run.py

# The documentation as a site, build/site/index.html: read from disk, without a network.
docs: reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

reference: setup
	$(BIN)/python infra/site/commands.py

clean:
	rm -rf .venv build dist runs notebooks/runs .pytest_cache .mypy_cache .ruff_cache

# Run the notebooks in place: their outputs are what the regression test compares.
notebooks: setup
	$(BIN)/python tests/lab/notebooks/execute.py

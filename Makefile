# Two commands for newcomers: `make demo` and `make test`. Each does all of its own set-up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

SECONDS ?= 600
SEED ?= 1

.PHONY: demo test test-long test-litellm fuzz check format lock bench clean

demo: $(VENV)/.core
	@$(BIN)/cinefab demo

test: $(VENV)/.test
	@tools/need-postgres
	@tools/need-chromium
	$(BIN)/pytest tests --numprocesses 3 --dist loadfile

test-long: $(VENV)/.test
	@tools/need-postgres
	@tools/need-chromium
	$(BIN)/pytest tests -m long

test-litellm: $(VENV)/.test $(VENV)/.litellm
	CINEFAB_TEST_LITELLM=$(abspath $(VENV)/litellm/bin/python) \
	  $(BIN)/pytest tests/unit/generate/models/litellm

fuzz: $(VENV)/.test
	$(BIN)/python tools/fuzz --seconds $(SECONDS) --seed $(SEED)

check: $(VENV)/.check
	$(BIN)/ruff format --check --quiet src tests bench docs
	$(BIN)/ruff check --quiet src tests bench docs
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry src
	$(BIN)/vulture
	$(BIN)/interrogate --quiet src

format: $(VENV)/.check
	$(BIN)/ruff format src tests bench docs
	$(BIN)/ruff check --fix src tests bench docs

bench: $(VENV)/.core
	$(BIN)/python bench/render.py
	$(BIN)/python bench/job.py
	$(BIN)/python bench/join.py
	$(BIN)/python bench/review.py
	$(BIN)/python bench/preview_first.py
	$(BIN)/python bench/defects.py
	$(BIN)/python bench/effects.py
	$(BIN)/python bench/ingest.py
	$(BIN)/python bench/ledger.py
	$(BIN)/python bench/placement.py
	$(BIN)/python bench/provenance.py
	$(BIN)/python bench/who.py
	$(BIN)/python bench/webhooks.py
	$(BIN)/python bench/sound.py
	$(BIN)/python bench/report.py
	$(BIN)/python bench/ladder.py
	$(BIN)/python bench/memory.py

lock:
	requirements/lock

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.core: requirements/core.txt requirements/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Cinefab needs Python 3.11 or newer: name one with make PYTHON=python3.12'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo 'Python cannot make virtual environments: apt-get install python3-venv'; exit 1; }
	@echo 'Installing the locked dependencies (about a minute the first time)'
	@$(PIP) -r requirements/core.txt -r requirements/build.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# The renderer's inner loops are compiled once and kept; better now than before the first film.
	@$(BIN)/python -c 'from cinefab.generate.models.procedural import Procedural; Procedural().load()'
	@touch $@

$(VENV)/.check: $(VENV)/.core requirements/check.txt
	@$(PIP) -r requirements/check.txt
	@touch $@

$(VENV)/.test: $(VENV)/.core requirements/test.txt requirements/speech.txt requirements/diffusers.txt
	@$(PIP) -r requirements/test.txt -r requirements/speech.txt
	@# Its torch is the build without CUDA, which is not to be had everywhere.
	@$(PIP) -r requirements/diffusers.txt || \
	  echo 'The extra diffusers was not installed: its tests are skipped'
	@touch $@

# It needs other versions of what the tests need, so it has an environment of its own.
$(VENV)/.litellm: requirements/litellm.txt
	@$(PYTHON) -m venv $(VENV)/litellm
	@$(VENV)/litellm/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/litellm.txt
	@touch $@

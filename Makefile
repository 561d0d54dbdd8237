# `make demo` runs the embedded spec and builds its board; `make test` passes the tests.
# Both set up a virtual environment in .venv first, with the packages of uv.lock. Choose another
# interpreter with PYTHON=..., another environment with VENV=..., further groups of packages of
# pyproject.toml with GROUPS="bench".

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
GROUPS ?=
# uv itself stays, since it is not in the lock.
SYNC ?= UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --locked --inexact --quiet
SHARE ?= 0/16
FUZZ_SECONDS ?= 120
FUZZED = test_any_edit_of_a_spec_gives_specs_or_a_spec_error \
  test_any_value_in_specs_gives_specs_or_a_spec_error \
  test_any_value_in_a_record_gives_a_record_or_a_record_error \
  test_any_records_are_on_the_board_or_left_out_with_a_reason
SCRIPTS := .ci/containers/install .ci/core .ci/review .ci/run .ci/site .ci/suite .ci/version \
  .ci/wheel .ci/workflows
# What must work on every Python and with every version of a package that pyproject.toml allows.
CORE := tests/test_imports.py tests/test_main.py tests/entk tests/linearize tests/networks \
  tests/training tests/storage tests/reference tests/spec/test_loading.py \
  tests/spec/test_schema_problems.py tests/site/test_build.py \
  tests/runner/executors/test_processes.py

.PHONY: demo test core gpu lint bench fuzz families networks catalog screenshots clean

demo: $(VENV)/installed
	# The demo's network is too small for more threads to pay; on a busy machine they would hurt.
	OMP_NUM_THREADS=1 $(BIN)/conebench run specs/digits-window.yaml
	$(BIN)/conebench leaderboard build

test: $(VENV)/installed-dev
	# Each test keeps to one thread, see tests/conftest.py.
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

core: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile $(CORE)

gpu: $(VENV)/installed-dev
	# On a machine with a CUDA GPU; `make test` runs these tests in small on any machine.
	$(BIN)/python -m pytest tests/gpu --device cuda
	$(SYNC) --group bench
	$(BIN)/python -m pytest tests/benchmarks/bench_host_time.py tests/benchmarks/bench_linearized_step.py \
	  --noconftest --benchmark-json=.benchmarks.json

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --persona=pedantic .github
	$(BIN)/shellcheck $(SCRIPTS)
	command -v $(BIN)/hadolint > /dev/null && $(BIN)/hadolint .ci/containers/Dockerfile || [ "$$(uname)" != Linux ]
	.ci/workflows

bench: $(VENV)/installed-dev
	$(SYNC) --group bench
	# Without tests/conftest.py: it keeps tests to one thread and checks every shape.
	$(BIN)/python -m pytest tests/benchmarks --noconftest -o python_files='bench_*.py' --benchmark-json=.benchmarks.json

fuzz: $(VENV)/installed-dev
	# By chance, about five minutes; then guided by coverage, FUZZ_SECONDS a property.
	$(BIN)/python -m pytest tests/test_fuzz.py --hypothesis-profile=fuzz
	$(BIN)/uv pip install --quiet --python $(BIN)/python 'atheris>=3.0'
	for property in $(FUZZED); do PYTHONPATH=.:tests:tests/helpers $(BIN)/python tests/fuzz/guided.py \
	  $$property -max_total_time=$(FUZZ_SECONDS) -max_len=4000 -len_control=0 || exit 1; done

families: $(VENV)/installed-dev
	$(BIN)/python -W ignore tests/families/walk.py

networks: $(VENV)/installed-dev
	# 2,000 random networks.
	CONEBENCH_NETWORKS=2000 $(BIN)/python -m pytest tests/test_random_networks.py

catalog: $(VENV)/installed-dev
	# One share of the specs: SHARE=0/1 makes, plans and runs them all in small, in about an hour.
	CONEBENCH_CATALOG=$(SHARE) $(BIN)/python -m pytest tests/test_catalog.py

screenshots: $(VENV)/installed-dev
	PYTHONPATH=tests/helpers $(BIN)/python tests/screenshots.py

clean:
	rm -rf .venv .venvs leaderboard/_site

$(VENV)/python-ok:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "conebench needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	@touch $@

$(VENV)/installed: $(VENV)/python-ok pyproject.toml uv.lock
	$(SYNC) --no-dev
	@touch $@

$(VENV)/installed-dev: $(VENV)/python-ok pyproject.toml uv.lock
	$(SYNC) $(addprefix --group ,$(GROUPS))
	@touch $@ $(VENV)/installed

$(VENV)/installed-light: $(VENV)/python-ok pyproject.toml uv.lock
	$(SYNC) --only-group light
	@touch $@

# Two commands: `make demo` and `make test`. Both set up .venv first; nothing else is needed but Python and pip.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
TORCH  ?= torch==2.13.0
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test browser lint types contracts docs bench clean

demo: $(VENV)/.ready
	$(BIN)/jointset demo

test: $(VENV)/.ready-dev browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow"

# The tests of the report and the review page drive a real browser, Debian's chromium; without one they are skipped.
browser:
	@test -x /usr/bin/chromium || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  { timeout 300 apt-get install -y -q chromium || { timeout 120 apt-get update -q && timeout 300 apt-get install -y -q chromium; }; } >/dev/null 2>&1; } || \
	  echo "no /usr/bin/chromium, and it could not be installed: the tests in a browser are skipped (apt-get install chromium)"

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check src tests bench docs
	$(BIN)/ruff format --check src tests bench docs

types: $(VENV)/.ready-dev
	$(BIN)/mypy

contracts: $(VENV)/.ready-dev
	$(BIN)/lint-imports

# The site goes to docs/_site; a warning, such as a link that leads nowhere, is an error.
docs: $(VENV)/.ready-dev
	$(BIN)/python -m sphinx -q -a -E -W --keep-going -b html -c docs . docs/_site

# Hours on two cores: three seeds of every set; --only and --seeds take less. JOINTSET_DATA names the folder of the sets.
bench: $(VENV)/.ready-dev
	OMP_NUM_THREADS=2 $(BIN)/python bench/loop.py --out bench-numbers.json

# A CPU build of torch comes first: a plain requirement would take the newest build with gigabytes of CUDA packages.
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	touch $@

$(VENV)/.ready: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[image]"
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) jointset-demo runs build dist docs/_site

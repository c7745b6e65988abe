# make report   install what is needed and make the report       make test       install and run the tests
# make lab      open the notebooks in JupyterLab                 make test-all   the long tests too
# make verify   rerun smoke and quick, compare with the tables kept   make audit   known flaws of the pinned packages (asks PyPI)
# make report TORCH=cpu   with PyTorch for CPUs alone, 4 GB smaller (from PyTorch's own index; 'make clean' first)
# make faults   kill, fill, damage and starve runs; see that each goes on (20 minutes; as root it can mount small disks)
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
# containers often forbid what halves the start of every notebook: this environment keeps what Python compiled
export PYTHONDONTWRITEBYTECODE :=

.PHONY: report test test-all verify faults audit lab lint clean help

report: $(READY)
	@$(BIN)/python run_all.py $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long" $(ARGS)

test-all: $(READY)
	@$(BIN)/python -m pytest $(ARGS)

verify: $(READY)
	@$(BIN)/python benchmarks/verify.py $(ARGS)

faults: $(READY)
	@$(BIN)/python benchmarks/faults.py $(ARGS)

# in an environment of its own: its packages are none of the project's
audit: $(READY)
	@$(BIN)/python -m venv .venv/audit
	@.venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	@.venv/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r requirements.txt $(ARGS)

lab: $(READY)
	@$(BIN)/jupyter lab --ip=127.0.0.1 --notebook-dir=. notebooks/01_eda.ipynb

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf .venv

help:
	@head -n 5 Makefile

$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed, and none was found: install one, or say where by 'make report PYTHON=/path/to/python'."; exit 1; }
	@free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1048576)}'); \
	echo "Installing into .venv (once; one to four minutes, about 6 GB with PyTorch, 9 GB while it installs; $$free GB are free) ..."; \
	[ "$$free" -ge 7 ] || { echo "That would fill this disk: make room, or clone the project to a larger one."; exit 1; }
	@$(PYTHON) -m venv .venv
# uv installs the same pins several times faster than pip, which stands in where uv cannot be used
	@$(PIP) uv==0.13.9 2>/dev/null || true
ifeq ($(TORCH),cpu)
	@grep -vE '^(nvidia-|cuda-|triton)' requirements.txt >.venv/cpu.txt
	@$(UV) --torch-backend cpu -r .venv/cpu.txt || { echo "PyTorch for CPUs alone could not be installed: TORCH=cpu needs uv and https://download.pytorch.org; without it, 'make report' installs the PyTorch of PyPI, which runs on CPUs too."; exit 1; }
else
	@$(UV) -r requirements.txt 2>/dev/null || { echo "uv, the faster installer, cannot be used here: pip installs instead and takes some minutes."; $(PIP) -r requirements.txt; }
endif
	@$(UV) --no-deps -e . 2>/dev/null || $(PIP) --no-deps -e .
	@touch $(READY)

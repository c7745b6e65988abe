# make report   install what is needed and make the report       make test       install and run the tests
# make lab      open the notebooks in JupyterLab                 make test-all   the long tests too
# make verify   rerun smoke and quick, compare with the tables kept   make audit   known flaws of the pinned packages (asks PyPI)
# make report TORCH=cpu   with PyTorch for CPUs alone, 4 GB smaller (from PyTorch's own index; 'make clean' first)
# make faults   kill, fill, damage and starve runs; see that each goes on (20 minutes; as root it can mount small disks)
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/python -m uv pip install --quiet --system-certs --python $(BIN)/python
# what other software or a pip.conf says would put packages elsewhere, or other packages first
export PIP_USER := 0
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT
# an environment keeps the path that it was made in: where the folder was moved or copied it is made anew
MADE_FOR := $(shell cat $(READY) 2>/dev/null)
, := ,
MOVED := $(filter-out x$(subst $() ,?,$(CURDIR)),x$(subst $() ,?,$(MADE_FOR)))
GONE := $(if $(wildcard $(READY)),$(shell $(BIN)/python -c '' 2>/dev/null || echo gone))
ELSEWHERE := $(if $(wildcard $(READY)),$(if $(MOVED)$(GONE),elsewhere))
# containers often forbid what halves the start of every notebook: this environment keeps what Python compiled
export PYTHONDONTWRITEBYTECODE :=

.PHONY: report test test-all verify faults audit lab lint clean help elsewhere allowed

report: $(READY)
	@$(BIN)/python run_all.py $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long" $(ARGS)

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
	@.venv/audit/bin/python -m pip_audit --strict --no-deps --disable-pip --progress-spinner off -r requirements.txt $(ARGS)

allowed:
	@[ "$$(id -u)" != 0 ] || case " $(ARGS) " in *" --allow-root "*) ;; *) echo "You are root here, and as root JupyterLab starts only where you allow it: make lab ARGS=--allow-root"; exit 2;; esac

# its kernel is this environment's own, whatever other Jupyters have installed under the same name
lab: allowed $(READY)
	@$(BIN)/python -m jupyterlab --ip=127.0.0.1 --notebook-dir=. --ServerApp.kernel_spec_manager_class=helpers.engine.kernels.OwnKernelSpecs $(ARGS) notebooks/01_eda.ipynb

lint: $(READY)
	@$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy

clean:
	rm -rf .venv

help:
	@head -n 5 Makefile

elsewhere:
	@echo "$(if $(MOVED),The packages in .venv were installed for $(if $(MADE_FOR),another folder ($(MADE_FOR)),a folder that is not known any more): they are installed anew for this one.,The Python of .venv cannot be started any more$(,) as after an update of the system: the packages are installed anew.)"
	@rm -rf .venv

$(READY): requirements.txt pyproject.toml $(ELSEWHERE)
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed, and none was found: install one, or say where by 'make report PYTHON=/path/to/python'."; exit 1; }
	@free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1048576)}'); \
	echo "Installing into .venv (once; one to four minutes, about $(if $(filter cpu,$(TORCH)),2 GB with PyTorch for CPUs,6 GB with PyTorch$(,) 9 GB while it installs); $$free GB are free) ..."; \
	[ -e $(READY) ] || [ "$$free" -ge $(if $(filter cpu,$(TORCH)),3,9) ] || { echo "That would fill this disk: make room, or clone the project to a larger one."; exit 1; }
	@$(PYTHON) -m venv .venv
# uv installs the same pins several times faster than pip, which stands in where uv cannot be used; with the certificates of
# the system it also works behind a proxy that has its own, as hospitals do
	@$(PIP) uv==0.13.9 2>/dev/null || true
ifeq ($(TORCH),cpu)
	@grep -vE '^(nvidia-|cuda-|triton)' requirements.txt >.venv/cpu.txt
	@$(UV) --torch-backend cpu -r .venv/cpu.txt || { echo "PyTorch for CPUs alone could not be installed: TORCH=cpu needs uv and https://download.pytorch.org; without it, 'make report' installs the PyTorch of PyPI, which runs on CPUs too."; exit 1; }
else
	@$(UV) -r requirements.txt 2>/dev/null || { echo "uv, the faster installer, cannot be used here: pip installs instead and takes some minutes."; $(PIP) -r requirements.txt; }
endif
	@$(UV) --no-deps -e . 2>/dev/null || $(PIP) --no-deps -e .
	@pwd -P >$(READY)

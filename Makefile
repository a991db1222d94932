# Two commands: `make reproduce` (the whole comparison) and `make test`. Each makes the environment
# in .venv first, if it is missing or the lock file has changed.

PYTHON ?= python3
VENV ?= .venv
CONFIG ?= config.yaml
CORES ?= all
TABLE ?= results/reference/tables/all.csv
MINUTES ?= 30

READY := $(VENV)/.ready
export PATH := $(abspath $(VENV)/bin):$(PATH)
export HF_HUB_OFFLINE ?= 1

.PHONY: reproduce reference report test lint unit smoke benchmarks torture schema clean

reproduce: $(READY)
	unidad unlock
	snakemake --cores $(CORES) --configfile $(CONFIG)
	$(MAKE) --no-print-directory report CONFIG=$(CONFIG)

report: $(READY)
	snakemake --configfile $(CONFIG) --report "$$(unidad plan --config $(CONFIG) --root)/report.html"

reference: $(READY)
	python -m benchmarks.reference --config $(CONFIG) --table $(TABLE) --cores $(CORES)

test: lint
	pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint
	snakemake --lint --configfile configs/sdp.yaml
	unidad schema --check workflow/schemas/config.schema.json
	unidad schema --markdown --check docs/configuration.md

unit: $(READY)
	pytest -n 2 --dist worksteal -m "not workflow"

smoke: $(READY)
	pytest -n 2 --dist loadfile --no-loadscope-reorder -m workflow

benchmarks: $(READY)
	OMP_NUM_THREADS=1 python -m benchmarks

torture: $(READY)
	python -m benchmarks.torture --minutes $(MINUTES)

schema: $(READY)
	unidad schema > workflow/schemas/config.schema.json
	unidad schema --markdown > docs/configuration.md

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "unidad needs Python 3.11 or newer; make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) results/default results/smoke

# make setup:  a virtual environment in .venv with the tested versions
# make test:   style, types, the documentation site and tests, which are also targets of their own
# make demo:   the shipped optimizer on unseen networks
# make docs:   the documentation site, in docs/_build/html
# make lowest: the fast tests with the lowest versions that are allowed, in .venv-lowest

PYTHON ?= python3
BIN := .venv/bin

LOWEST := .venv-lowest/bin/python
FAST_TESTS := $(patsubst %,tests/%.py,_utils/test_registry algorithms/test_communication graph/test_families graph/test_graph_files \
	graph/test_mixing graph/test_network graph/test_topologies learned/test_milodo learned/test_milodo_networks \
	learned/test_milodo_schedule learned/test_model nn/test_milodo_conv nn/test_stability problems/test_problems \
	problems/test_regularizers problems/test_solve project/test_packaging project/test_plugins)

.PHONY: setup test style types docs check lowest demo

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,docs]'
	touch $@

# Types and the site take a core each; tests take all.
test: style
	$(MAKE) --no-print-directory --jobs=2 types docs
	$(MAKE) --no-print-directory check

style: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy

docs: setup
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build/html

# Tests take one thread each, and processes need about a gigabyte.
check: setup
	$(BIN)/python -m pytest --quiet --numprocesses=logical --maxprocesses=8 --dist=worksteal

# Old versions emit warnings that nobody mends any more, so these are no errors here.
lowest:
	$(PYTHON) -m venv .venv-lowest
	$(LOWEST) -m pip install --quiet uv
	$(LOWEST) -m uv pip install --quiet --python $(LOWEST) --resolution lowest-direct -e '.[test]'
	$(LOWEST) -m pytest --quiet -W default $(FAST_TESTS)

demo: setup
	$(BIN)/python evaluate.py --model milodo_local milodo_gnn --algorithms prox_ed dapg admm admm_diagonal --dataset breast_cancer \
		--topology real:name=topozoo/Abilene --instances 2 --iterations 1000 --tuning_budget 9 \
		--tuning_instances 1 --threads 1 --output out/demo/breast_cancer --overwrite
	$(BIN)/python evaluate.py --model milodo_local milodo_gnn --algorithms prox_ed dapg admm admm_diagonal --dataset lasso \
		--topology erdos_renyi --nodes 10 50 --instances 2 --iterations 300 --tuning_budget 9 \
		--tuning_instances 1 --threads 1 --output out/demo/lasso --overwrite

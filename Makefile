# Everything works from requirements.lock in .venv; `make install` comes first by itself, and once.

BIN := .venv/bin
BENCH := .venv-bench/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 python3.10 python3.14)

# Without bytecode Airflow takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
# Another project's modules would shadow those of the lock.
unexport PYTHONPATH
unexport PYTHONHOME

.PHONY: help install demo quick test check up down shell seed bench env lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

install: ## what the other targets need, into .venv (PYTHON=… to choose one of 3.10 to 3.14)
	@cmp -s requirements.lock .venv/installed.lock && $(BIN)/python -c '' 2>/dev/null && exit 0; \
	seen=; version=; \
	for python in $(PYTHONS); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		case $$version in \
			3.10|3.11|3.12|3.13|3.14) ;; \
			*) seen="$$seen; $$python is $$version"; continue ;; \
		esac; \
		$$python -c 'import ensurepip, venv' 2>/dev/null && break; \
		seen="$$seen; $$python has no venv module (Debian, Ubuntu: apt install python$$version-venv)"; \
		version=; \
	done; \
	case "$$version" in 3.10|3.11|3.12|3.13|3.14) ;; *) \
		echo "make install: needs Python 3.10 to 3.14 with venv (or PYTHON=/path/to/one)$${seen:-; none of $(PYTHONS) found}" >&2; \
		exit 1 ;; \
	esac; \
	set -e; \
	echo "Installing into .venv with Python $$version, once: some 200 packages"; \
	rm -rf .venv; \
	$$python -m venv .venv; \
	awk '/^[^ #]/ {ours = /^uv==/} ours' requirements.lock > .venv/uv.txt; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.txt; \
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock \
		|| $(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock; \
	echo "$(CURDIR)/include" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/s3_migration.pth"; \
	cp requirements.lock .venv/installed.lock

demo: install ## the whole job on 10,000 avatars, and a check of every promise; leaves nothing running
	@$(BIN)/python -m devstack.demo

quick: install ## the tests of the model, the SQL and the hook: two minutes
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m "unit or sql"

# Four processes, also on two cores: those with a live stack mostly wait.
test: install ## all tests: a quarter of an hour on two cores
	@$(BIN)/python -m pytest -n 4 --no-loadscope-reorder

check: install ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy include/s3_migration devstack bench plugins/*.py dags/*.py
	@$(BIN)/lint-imports

up: install ## start the embedded stack, with the UI, and keep it
	@$(BIN)/python -m devstack.stack up

shell: install ## a shell in which the commands of README and runbook meet the embedded stack
	@$(BIN)/python -m devstack.stack shell

down: install ## stop it; its data stays
	@$(BIN)/python -m devstack.stack down

seed: install ## fill the product: N=1000 avatars; AWKWARD=1: every awkward key and case; CONFLICTS=1: conflicts
	@$(BIN)/python -m devstack.seed --objects $(or $(N),1000) $(if $(AWKWARD),--awkward) $(if $(CONFLICTS),--conflicts)

bench: install ## figures beside those of s5cmd and others: OBJECTS=5000 ROWS= KEYS= RUNS=5 SIZES=1,3,10 ONLY=copy,… WRITE=1 (docs)
	@cmp -s requirements-bench.lock .venv-bench/installed.lock && $(BENCH)/python -c '' 2>/dev/null && exit 0; \
	set -e; \
	echo "Installing what ours is measured against into .venv-bench, once"; \
	rm -rf .venv-bench; \
	$(BIN)/python -m venv .venv-bench; \
	$(BIN)/uv pip sync --quiet --python $(BENCH)/python --require-hashes --compile-bytecode requirements-bench.lock \
		|| $(BENCH)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.lock; \
	cp requirements-bench.lock .venv-bench/installed.lock
	@$(BIN)/python -m bench $(if $(OBJECTS),--objects $(OBJECTS)) $(if $(ROWS),--rows $(ROWS)) \
		$(if $(KEYS),--keys $(KEYS)) $(if $(RUNS),--runs $(RUNS)) $(if $(SIZES),--sizes $(SIZES)) \
		$(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write)

env: ## .env for docker compose, with random secrets (docs/deploy.md)
	@[ ! -e .env ] || { echo "make env: .env is there, and its secrets may be in use; next: remove it" >&2; exit 1; }
	@umask 077; \
	while IFS= read -r line; do \
		case $$line in \
			[A-Z]*=) printf '%s%s\n' "$$line" "$$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')" ;; \
			*) printf '%s\n' "$$line" ;; \
		esac; \
	done < .env.example > .env.new && mv .env.new .env

lock: install ## make the two locks again from requirements*.txt
	@$(COMPILE) --output-file requirements.lock requirements-dev.txt
	@$(COMPILE) --output-file requirements-bench.lock requirements-bench.txt

clean: ## remove all that was made here: the venvs, the stack and its data, caches
	@for kept in .local/settings.json .local/*/settings.json; do \
		[ ! -f $$kept ] || $(BIN)/python -m devstack.stack down --directory $$(dirname $$kept) || exit 1; \
	done
	@[ ! -d .local/bench ] || $(BIN)/python -m bench --stop
	@rm -rf .venv .venv-bench .local .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

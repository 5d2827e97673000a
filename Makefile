# The dossier médical partagé: everything starts from here.
.DEFAULT_GOAL := help
.PHONY: help run test check build deploy bench fmt lock clean
MAKEFLAGS += --no-print-directory

# Any Python from 3.11 will do; those with the most ready-made wheels first.
PYTHON ?= $(shell for one in python3.13 python3.12 python3.11 python3 python; do \
	$$one -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && { echo $$one; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
UV := $(BIN)/uv
CODE := infra functions layers tests benchmarks

help: ## say what there is
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

run: $(READY) ## start everything here, play the demonstration, stay until Ctrl-C
	@$(BIN)/dmp up --demo $(if $(PORT),--port $(PORT))

test: $(READY) ## run the whole test suite (ARGS="-k …" for a part)
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadgroup $(ARGS)

check: $(READY) ## lint, format, types, layers, policies
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m infra.cdk.policies --check
	@$(BIN)/python -m infra.cdk.access_rules --check
	@git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline

build: $(READY) ## package the functions (TARGET=local or aws)
	@$(BIN)/dmp build --target $(or $(TARGET),local)

deploy: $(READY) ## deploy to the AWS account of your credentials (STAGE=dev or prod)
	@$(BIN)/dmp deploy --stage $(or $(STAGE),dev)

bench: $(READY) ## measure, print a table
	@$(BIN)/python -m benchmarks $(ARGS)

fmt: $(READY) ## put the code in its form
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

# A machine with its own certificate authorities keeps them where everybody looks.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem),true,false)

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url $(if $(UPGRADE),--upgrade)

lock: $(READY) ## resolve the requirements again (UPGRADE=1 for newer versions)
	@$(COMPILE) layers/vendor/requirements.in --excludes layers/vendor/excludes.txt \
	-o layers/vendor/requirements.txt
	@$(COMPILE) layers/columnar/requirements.in -o layers/columnar/requirements.txt
	@$(COMPILE) requirements/dev.in -c layers/vendor/requirements.txt \
	--excludes requirements/excludes.txt -o requirements/dev.txt
	@$(COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt

clean: ## stop the local cloud; remove its state, the environment and what was built
	@if [ -x $(BIN)/dmp ]; then $(BIN)/dmp down; fi
	@rm -rf .venv .local .build cdk.out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find $(CODE) -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The environment: uv by its hash through pip, then everything else by its hash through uv.
$(UV): requirements/bootstrap.txt
	@if [ -z "$(PYTHON)" ]; then \
	echo "Python 3.11 or later is needed, with its venv module (Debian: apt install python3-venv)." >&2; exit 1; fi
	@echo "Making the environment (.venv) with $$($(PYTHON) --version)"
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $(UV)

$(READY): $(UV) requirements/dev.txt
	@echo "Installing the locked requirements"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@printf '%s\n' "$(CURDIR)" "$(CURDIR)/layers/dmp/python" "$(CURDIR)/layers/policies/python" \
	> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dmp-checkout.pth"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -P -m infra.local "$$@"\n' > $(BIN)/dmp
	@chmod +x $(BIN)/dmp
	@touch $(READY)

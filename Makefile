# make run    the application on http://127.0.0.1:7860 with demo cases
# make test   everything the tests need, then all tests
# make check  format, lint, types, import directions
# make screenshots  the pictures of the README, anew
# make bench  the measured figures, as a table and as JSON under tests/bench/results
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN = .venv/bin

.PHONY: run test check bench browser screenshots clean

run: .venv/installed
	$(BIN)/overread serve --demo

test: .venv/tools browser
	$(BIN)/python -m pytest

check: .venv/tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/tools browser
	$(BIN)/python -m tests.bench

screenshots: browser
	OVERREAD_SCREENSHOTS=1 $(BIN)/python -m pytest tests/browser/test_screenshots.py

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"Overread needs Python 3.11 or newer; found {v[0]}.{v[1]}. Try: make run PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/tools: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

# A Chromium that is there; else Debian's, when we may install it; else Playwright's own.
browser: .venv/tools
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium; \
	else $(BIN)/python -m playwright install chromium; fi

clean:
	rm -rf .venv

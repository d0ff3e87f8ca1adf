#!/usr/bin/env bash
# Makes .venv with uv in it. Needs python3 >= 3.11; brings Debian's python3-venv when it is missing and may.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

command -v "$python" >/dev/null || { echo "Gatehouse needs python3 (3.11 or newer) and found none." >&2; exit 1; }
if ! "$python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))'; then
  echo "Gatehouse needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Name another one with: make PYTHON=python3.12 ..." >&2
  exit 1
fi
# Debian splits ensurepip off into a package of its own; `import venv` alone would succeed without it.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    scripts/apt_install.sh python3-venv
  else
    echo "Python's venv module is incomplete here. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
  fi
fi
if [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1; then :; else
  rm -rf .venv
  "$python" -m venv .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock

#!/usr/bin/env bash
# Installs hash-locked requirement files into .venv, then the project itself, editable.
#   scripts/install_locked.sh requirements-server.lock requirements-build.lock
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=()
for file in "$@"; do requirements+=(-r "$file"); done

# uv does not read pip's settings: whoever uses a mirror has named it there.
index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}}
if [ -n "$index" ]; then export UV_DEFAULT_INDEX=$index; fi

# Plain pip takes the same files, ten times slower: for proxies and certificates that only pip knows.
.venv/bin/uv pip install --quiet --no-config --python .venv/bin/python --require-hashes "${requirements[@]}" ||
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes "${requirements[@]}"
.venv/bin/uv pip install --quiet --no-config --python .venv/bin/python --no-deps --no-build-isolation --editable .

#!/usr/bin/env bash
# Remakes the hash-locked requirement files. Pins stay as they are unless UPGRADE=1.
# --no-emit-*: a lock file names packages and hashes, never the registry or mirror of whoever made it.
set -euo pipefail
cd "$(dirname "$0")/.."
upgrade=()
[ "${UPGRADE:-0}" = 0 ] || upgrade=(--upgrade)

compile() { # compile OUTPUT SOURCE...
  local output=$1
  shift
  env -u UV_FIND_LINKS -u UV_INDEX -u UV_EXTRA_INDEX_URL .venv/bin/uv pip compile --quiet --no-config --universal \
    --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
    "${upgrade[@]}" --output-file "$output" "$@"
}

compile requirements-bootstrap.lock requirements-bootstrap.in
# Everything at once first: the smaller files take their versions from it, so that all four agree.
compile requirements.lock pyproject.toml --extra server --extra station requirements-build.in requirements-dev.in
compile requirements-server.lock pyproject.toml --extra server --constraint requirements.lock
compile requirements-station.lock pyproject.toml --extra station --constraint requirements.lock
compile requirements-build.lock requirements-build.in --constraint requirements.lock

if grep -nE '://|^-|@ ' requirements*.lock; then
  echo "A lock file names an address or an option (above); it must hold packages and hashes only." >&2
  exit 1
fi
wc -l requirements*.lock

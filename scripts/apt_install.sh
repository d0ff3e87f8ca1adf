#!/usr/bin/env bash
# apt-get install for root on Debian and its kin, without starting or enabling the services that come along.
set -euo pipefail
echo "Installing with apt-get: $*"
export DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  # 101 tells the package scripts that they may not start anything: the tests run their own coturn on their own port.
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
# Package lists may be missing (images) or old (404 on download): fetch them only when the first try fails.
install=(apt-get install --yes --quiet --no-install-recommends "$@")
"${install[@]}" </dev/null || { apt-get update --quiet </dev/null && "${install[@]}" </dev/null; }
if [ -d /run/systemd/system ]; then
  for name in coturn kamailio; do
    case " $* " in *" $name "*) systemctl disable --quiet "$name" || true ;; esac
  done
fi

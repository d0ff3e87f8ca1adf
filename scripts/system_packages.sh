#!/usr/bin/env bash
# Brings what the tests need and pip cannot give: a browser with Chinese and emoji fonts, and coturn.
#   scripts/system_packages.sh test | bench      (bench adds the peers that figures are compared with)
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
have_font() { [ -n "$(find /usr/share/fonts /usr/local/share/fonts "$HOME/.local/share/fonts" -iname "$1" -print -quit 2>/dev/null)" ]; }
command -v chromium >/dev/null || missing+=(chromium)
have_font 'NotoSansCJK*' || missing+=(fonts-noto-cjk)
have_font 'NotoColorEmoji*' || missing+=(fonts-noto-color-emoji)
command -v turnserver >/dev/null || missing+=(coturn)
if [ "${1:-test}" = bench ]; then
  [ -x /usr/sbin/kamailio ] || command -v kamailio >/dev/null || missing+=(kamailio)
  command -v sipp >/dev/null || missing+=(sip-tester)
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  exec scripts/apt_install.sh "${missing[@]}"
fi
cat >&2 <<EOF2
The tests need these Debian packages (or what your system calls them): ${missing[*]}
    sudo apt-get install --no-install-recommends ${missing[*]}
Debian starts coturn as a service when it installs it; the tests do not use that one: sudo systemctl disable --now coturn
EOF2
exit 1

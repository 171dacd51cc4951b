#!/usr/bin/env bash
# How long a newcomer waits: a fresh clone of this checkout's last commit, then `make demo` with nothing installed
# and nothing in pip's cache, and once more. Needs the package index; takes minutes.
set -euo pipefail

checkout="$(git -C "$(dirname "$0")" rev-parse --show-toplevel)"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
git clone --quiet "$checkout" "$place/clone"
cd "$place/clone"
unset VIRTUAL_ENV PYTHONPATH
export PIP_NO_CACHE_DIR=1

timed() {
  local start=$SECONDS
  "$@"
  echo "$((SECONDS - start)) s: $*"
}

timed make .venv/runtime
timed make demo
timed make demo
du -sh .venv | cut -f1 | sed 's/$/ in .venv/'
echo "$SECONDS s in all (target: install and first run within 360 s)"

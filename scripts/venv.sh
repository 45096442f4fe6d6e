#!/usr/bin/env bash
# Makes a virtual environment, if it isn't there yet: scripts/venv.sh <folder> <python>
set -euo pipefail
folder=$1 python=$2

fail() {
    printf '\n%s\n\n' "$*" >&2
    exit 1
}

command -v "$python" > /dev/null ||
    fail "There is no '$python'. Python 3.11 or newer is needed; make PYTHON=/path/to/python3.11 names one."
"$python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old: Python 3.11 or newer is needed; make PYTHON=/path/to/python3.11 names one."
"$python" -c 'import ensurepip, venv' 2> /dev/null ||
    fail "This Python can't make virtual environments: it lacks venv or ensurepip. On Debian and Ubuntu:
    apt install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"

# One whose Python is gone (moved, upgraded, interrupted while it was made) is made anew.
if ! "$folder/bin/python" -c 'import pip' 2> /dev/null; then
    "$python" -m venv --clear "$folder"
fi

#!/bin/sh
# Makes .venv and installs requirements/NAME.txt into it (runtime, server or dev), hashes checked.
# Does nothing when exactly that lock file, or one that contains it, was the last to be installed.
# Usage: dev/venv.sh NAME
set -eu
cd "$(dirname "$0")/.."
name=$1

fail() {
    echo "error: $*" >&2
    exit 1
}

is_installed() {
    [ -x .venv/bin/python ] && cmp -s "requirements/$1.txt" ".venv/$1.lock"
}

# Prints the first Python that can make a virtual environment. Debian's has no ensurepip at first.
find_python() {
    bare=
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        bare=${bare:-$candidate}
    done
    [ -z "$bare" ] || fail "$bare has no ensurepip and venv: install them" \
        "(Debian, Ubuntu: apt-get install $(basename "$bare")-venv)"
    fail "Python 3.11 or newer is needed, and none was found (set PYTHON=/path/to/python3 if there is one)"
}

case $name in
    runtime) supersets="runtime server dev" ;;
    server) supersets="server dev" ;;
    *) supersets=$name ;;
esac
for superset in $supersets; do
    if is_installed "$superset"; then exit 0; fi
done

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version) ..."
    "$python" -m venv --clear .venv
fi
echo "Installing requirements/$name.txt ..."
rm -f .venv/*.lock
.venv/bin/python -m pip install -qq --no-input --disable-pip-version-check \
    --require-hashes -r "requirements/$name.txt"
cp "requirements/$name.txt" ".venv/$name.lock"

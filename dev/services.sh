#!/bin/sh
# Installs the programs that tests drive and pip cannot bring: Chromium, PostgreSQL, Redis.
# Only as root with apt, and only what is missing. Otherwise the tests that need them are skipped with
# a reason, which with CI=true is a failure (tests/databases.py, tests/conftest.py).
set -eu

has() { command -v "$1" >/dev/null 2>&1; }
has_postgres() { has postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }

missing=
has chromium || has chromium-browser || has google-chrome || missing="$missing chromium"
[ -n "${TEST_DATABASE_URL:-}" ] || has_postgres || missing="$missing postgresql"
[ -n "${TEST_REDIS_URL:-}" ] || has redis-server || missing="$missing redis-server"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
    echo "Not installed:$missing. The tests that need them are skipped."
    exit 0
fi
echo "Installing$missing ..."
log=$(mktemp)
if ! { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "Could not install$missing. The tests that need them are skipped." >&2
fi
rm -f "$log"

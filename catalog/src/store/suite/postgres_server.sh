#!/bin/sh
# A throw-away PostgreSQL server for tests, as an unprivileged user, in a directory of its own, on the loopback.
#     postgres_server.sh --tools    only says whether this machine has what it needs
#     postgres_server.sh PORT       starts it and writes `ready`, or `failed` and the server's last words
# Then it does what standard input says, a word a line: `kill` stops the server as a crash would and answers `killed`;
# `start` starts it on the same files and answers `ready`. When standard input ends, however its writer ended, the
# server is stopped and its files go.
set -eu

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

if command -v initdb >/dev/null && command -v pg_ctl >/dev/null; then
    bin=$(dirname "$(command -v initdb)")
else
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
fi
[ -n "$bin" ] && [ -x "$bin/initdb" ] && [ -x "$bin/pg_ctl" ] ||
    fail "PostgreSQL 13 or newer is needed for the tests of the catalog store and its initdb was not found (on Debian and Ubuntu: the package postgresql)"

# PostgreSQL refuses to run as root.
as_nobody=
if [ "$(id -u)" = 0 ]; then
    user=nobody
    ! id -u postgres >/dev/null 2>&1 || user=postgres
    command -v setpriv >/dev/null ||
        fail "PostgreSQL does not run as root, and the command setpriv (util-linux), by which the tests start it as $user, was not found"
    as_nobody="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi

[ "${1:-}" != --tools ] || exit 0

port=$1
export LC_ALL=C
place=$(mktemp -d "${TMPDIR:-/tmp}/weir-postgres.XXXXXX")
stop() { $as_nobody "$bin/pg_ctl" -D "$place/files" -m immediate stop </dev/null >/dev/null 2>&1; }
trap 'stop || :; rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM
[ -z "$as_nobody" ] || chown "$user" "$place"
cd "$place"

start() {
    if $as_nobody "$bin/pg_ctl" -D "$place/files" -l "$place/log" -t 120 -w start </dev/null >/dev/null 2>&1; then
        echo ready
    else
        echo failed
        tail -n 20 "$place/log" 2>/dev/null || :
        exit 1
    fi
}

echo weir >"$place/password"
[ -z "$as_nobody" ] || chown "$user" "$place/password"
$as_nobody "$bin/initdb" -D "$place/files" --username=weir --pwfile="$place/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C --no-sync </dev/null >"$place/initdb" 2>&1 ||
    { echo failed; tail -n 20 "$place/initdb"; exit 1; }
cat >>"$place/files/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 300
shared_buffers = 32MB
fsync = off
full_page_writes = off
SETTINGS

start
while read -r word; do
    case $word in
    kill)
        stop || :
        echo killed
        ;;
    start) start ;;
    *) fail "$word is not a word of this program" ;;
    esac
done

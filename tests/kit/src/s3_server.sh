#!/bin/sh
# A server that speaks S3, for tests, on the loopback: moto, in a Python environment of its own.
#     s3_server.sh --tools    only says whether this machine has what it needs
#     s3_server.sh FILE       starts it with the packages of FILE, writes its port, and ends when standard input does
# Requests are answered one after the other, so that a put on condition is one step.
set -eu

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "Python 3.11 or newer is needed for the tests of S3 and $python was not found"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "this Python lacks its venv module (on Debian and Ubuntu: the package python3-venv), which the tests of S3 need"

[ "${1:-}" != --tools ] || exit 0

cache="${XDG_CACHE_HOME:-$HOME/.cache}/weir"
venv="$cache/s3-$(cksum <"$1" | tr ' ' '-')"
mkdir -p "$cache"
if [ ! -e "$venv/complete" ]; then
    # Tests that start together make it once.
    if mkdir "$venv.lock" 2>/dev/null; then
        trap 'rmdir "$venv.lock" 2>/dev/null || :' EXIT
        rm -rf "$venv"
        "$python" -m venv "$venv" >&2
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" >&2
        touch "$venv/complete"
        rmdir "$venv.lock"
        trap - EXIT
    else
        for _ in $(seq 600); do
            [ ! -e "$venv/complete" ] || break
            sleep 0.5
        done
        [ -e "$venv/complete" ] || fail "the Python environment $venv was not finished by whoever makes it; remove $venv.lock"
    fi
fi

exec "$venv/bin/python" -c '
import os, sys, threading
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app

def end_with_input():
    sys.stdin.read()
    os._exit(0)

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.server_port, flush=True)
threading.Thread(target=end_with_input, daemon=True).start()
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server.serve_forever()
'

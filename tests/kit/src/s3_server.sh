#!/bin/sh
# A server that speaks S3, for tests, on the loopback: moto, in a Python environment of its own.
#     s3_server.sh --tools    only says whether this machine has what it needs
#     s3_server.sh FILE       starts it with the packages of FILE, writes its port, and ends when standard input does
# Its text stands behind that of made_once.sh. Requests are answered one after the other, so that a put on condition is one step.
set -eu

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "Python 3.11 or newer is needed for the tests of S3 and $python was not found"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "this Python lacks its venv module (on Debian and Ubuntu: the package python3-venv), which the tests of S3 need"

[ "${1:-}" != --tools ] || exit 0

make_venv() {
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2"
}

venv="$cache/s3-$(cksum <"$1" | tr ' ' '-')"
made_once "$venv" make_venv "$venv" "$1"
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

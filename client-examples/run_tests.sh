#!/usr/bin/env bash
# Runs every example against a demo server of its own: starts the server, waits until it serves, runs the Python and
# the Java tests, stops the server.
#     run_tests.sh PATH_OF_THE_WEIR_BINARY
#     run_tests.sh --tools                    only says whether this machine has what the tests need
# What it builds stays outside the clone, in ${XDG_CACHE_HOME:-~/.cache}/weir; what the server writes goes when it ends.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/weir"
patience=180 # seconds until the demo's sample data must be there

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "Python 3.11 or newer is needed for the client tests and $python was not found"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed for the client tests; this is $("$python" --version)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "this Python lacks its venv module (on Debian and Ubuntu: the package python3-venv), which the client tests need"
command -v timeout >/dev/null || fail "the command timeout (GNU coreutils) is needed for the client tests and was not found"
command -v java >/dev/null || fail "Java 17 or newer is needed for the JDBC tests and java was not found"
command -v mvn >/dev/null || fail "Maven 3.8 or newer is needed for the JDBC tests and mvn was not found"
java_version=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.specification.version = //p')
[ "${java_version%%.*}" -ge 17 ] || fail "Java 17 or newer is needed for the JDBC tests; this is Java $java_version"

[ "${1:-}" != --tools ] || exit 0

weir=${1:-}
[ -n "$weir" ] || fail "usage: run_tests.sh PATH_OF_THE_WEIR_BINARY"
[ -x "$weir" ] || fail "$weir is not a program; build it with: cargo build --bin weir"

# environment REQUIREMENTS: its Python. There is one environment for each Python and each state of a requirements file; the mark
# inside says that it is whole.
environment() {
    local key venv
    key=$({ "$python" -c 'import sys; print(sys.executable, sys.version)'; cat "$1"; } |
        "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])')
    venv="$cache/python-$key"
    if [ ! -e "$venv/complete" ]; then
        say "Python packages of $(basename "$1") into $venv" >&2
        rm -rf "$venv"
        mkdir -p "$cache"
        "$python" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" >&2
        touch "$venv/complete"
    fi
    printf '%s\n' "$venv/bin/python"
}
example_python=$(environment "$here/python/requirements.txt")

scratch=$(mktemp -d)
server=
stop_server() {
    local process=$server
    server=
    [ -n "$process" ] || return 0
    kill -TERM "$process" 2>/dev/null || return 0
    for _ in $(seq 150); do
        kill -0 "$process" 2>/dev/null || break
        sleep 0.1
    done
    if kill -KILL "$process" 2>/dev/null; then
        printf 'error: the demo server did not end within 15 seconds of SIGTERM\n' >&2
        return 1
    fi
    wait "$process" 2>/dev/null || {
        printf 'error: the demo server ended with status %s after SIGTERM:\n' "$?" >&2
        tail -n 20 "$scratch/server.log" >&2
        return 1
    }
}
finish() {
    local status=$?
    stop_server || status=1
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "The demo server"
connections="$scratch/connections.json"
"$weir" demo --data-dir "$scratch/data" --address 127.0.0.1:0 --connections-file "$connections" >"$scratch/server.log" 2>&1 &
server=$!
for _ in $(seq $((patience * 5))); do
    [ ! -e "$connections" ] || break
    if ! kill -0 "$server" 2>/dev/null; then
        server=
        tail -n 40 "$scratch/server.log" >&2
        fail "the demo server ended before it served"
    fi
    sleep 0.2
done
if [ ! -e "$connections" ]; then
    tail -n 40 "$scratch/server.log" >&2
    fail "the demo server did not serve within $patience seconds"
fi
value() { "$python" -c 'import functools, json, sys; print(functools.reduce(dict.get, sys.argv[2:], json.load(open(sys.argv[1]))))' "$connections" "$@"; }
echo "serving at $(value url)"

export WEIR_CONNECTIONS_FILE="$connections" WEIR_PROGRAM=$(realpath "$weir") WEIR_DATA_DIRECTORY="$scratch/data" PYTHONDONTWRITEBYTECODE=1
say "Python examples (pytest)"
timeout --foreground 900 "$example_python" -m pytest -q "$here/python" ||
    fail "the Python tests failed or took longer than 15 minutes"

for requirements in "$here/python/requirements.txt" "$here"/compatibility/*.txt; do
    name=$(basename "$requirements" .txt)
    say "Python clients as others have them: ${name/requirements/adbc} (pytest)"
    interpreter=$(environment "$requirements")
    tests=test_$name.py
    [ -e "$here/compatibility/$tests" ] || tests=test_adbc.py
    timeout --foreground 300 "$interpreter" -W ignore -m pytest -q -p no:cacheprovider "$here/compatibility/$tests" ||
        fail "the tests of $name failed or took longer than 5 minutes"
done

# npm_packages FOLDER: what its package.json names, in a copy of the folder outside the clone.
npm_packages() {
    cp -r "$here/compatibility/$1" "$scratch/$1"
    (cd "$scratch/$1" && npm install --silent --no-audit --no-fund --cache "$cache/npm") || fail "npm could not install the packages of $1"
}

if command -v npm >/dev/null; then
    say "Clients from npm (node --test)"
    npm_packages npm
    (cd "$scratch/npm" && timeout --foreground 120 node --test) >"$scratch/npm.log" 2>&1 || {
        cat "$scratch/npm.log" >&2
        fail "the tests of the clients from npm failed or took longer than 2 minutes"
    }
    grep -E '^# (tests|pass) [1-9]' "$scratch/npm.log" || fail "node ran no test"
else
    say "NOT RUN: the clients from npm, because this machine has no npm"
fi

if command -v go >/dev/null; then
    say "The Go driver of ADBC (go test)"
    (cd "$here/compatibility/go" && GOFLAGS=-mod=readonly timeout --foreground 600 go test -count=1 -v ./...) >"$scratch/go.log" 2>&1 || {
        cat "$scratch/go.log" >&2
        fail "the tests of the Go driver failed or took longer than 10 minutes"
    }
    printf '# pass %s\n' "$(grep -c '^--- PASS' "$scratch/go.log")"
else
    say "NOT RUN: the Go driver of ADBC, because this machine has no go"
fi

WEIR_JDBC_URL=$(value jdbc) WEIR_TOKEN_ALICE=$(value tokens alice) WEIR_TOKEN_BOB=$(value tokens bob)
WEIR_TOKEN_ADMIN=$(value tokens admin)
export WEIR_JDBC_URL WEIR_TOKEN_ALICE WEIR_TOKEN_BOB WEIR_TOKEN_ADMIN
for driver in 18.3.0 17.0.0; do
    say "JDBC example with driver $driver (surefire)"
    timeout --foreground 900 mvn -B -ntp -Dstyle.color=never -f "$here/jdbc/pom.xml" -Dweir.driver="$driver" \
        -Dweir.build="$scratch/jdbc-$driver" test >"$scratch/maven.log" 2>&1 || {
        cat "$scratch/maven.log" >&2
        fail "the JDBC tests failed or took longer than 15 minutes"
    }
    grep -E '^\[INFO\] Tests run:' "$scratch/maven.log" || fail "Maven ran no JDBC test"
done

say "sqlline with driver 18.3.0 (pytest)"
timeout --foreground 600 mvn -B -ntp -q -f "$here/compatibility/sqlline/pom.xml" dependency:build-classpath \
    -Dmdep.outputFile="$scratch/sqlline" >"$scratch/maven.log" 2>&1 || {
    cat "$scratch/maven.log" >&2
    fail "Maven could not fetch sqlline"
}
WEIR_SQLLINE_CLASSPATH=$(cat "$scratch/sqlline") timeout --foreground 300 "$example_python" -m pytest -q -p no:cacheprovider \
    "$here/compatibility/test_sqlline.py" || fail "the tests of sqlline failed or took longer than 5 minutes"

say "Stopping the server"
stop_server
echo "the demo server ended on SIGTERM, every example ran"

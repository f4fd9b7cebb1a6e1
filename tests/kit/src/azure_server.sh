#!/bin/sh
# A server that speaks Azure Blob Storage, for tests, on the loopback: Azurite, in a folder of its own.
#     azure_server.sh FILE    starts it with the packages of FILE, a package.json, writes its port, and ends when standard input does
# Whoever starts it says in AZURITE_ACCOUNTS which account there is. Everything is kept in memory.
set -eu

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

command -v npm >/dev/null || fail "Node.js 20 or newer with npm is needed for the tests of Azure and npm was not found"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/weir"
folder="$cache/azure-$(cksum <"$1" | tr ' ' '-')"
mkdir -p "$cache"
if [ ! -e "$folder/complete" ]; then
    # Tests that start together make it once.
    if mkdir "$folder.lock" 2>/dev/null; then
        trap 'rmdir "$folder.lock" 2>/dev/null || :' EXIT
        rm -rf "$folder"
        mkdir "$folder"
        cp "$1" "$folder/package.json"
        (cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts --cache "$cache/npm") >&2
        touch "$folder/complete"
        rmdir "$folder.lock"
        trap - EXIT
    else
        for _ in $(seq 600); do
            [ ! -e "$folder/complete" ] || break
            sleep 0.5
        done
        [ -e "$folder/complete" ] || fail "the folder $folder was not finished by whoever makes it; remove $folder.lock"
    fi
fi

cd "$folder"
exec node -e '
process.argv = ["node", "azurite", "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent",
    "--skipApiVersionCheck", "--disableTelemetry"];
console.log = (text) => {
    const found = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(text);
    if (found) process.stdout.write(`${found[1]}\n`);
};
process.stdin.on("end", () => process.exit(0)).resume();
require("./node_modules/azurite/dist/src/blob/main.js");
'

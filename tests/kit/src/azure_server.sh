#!/bin/sh
# A server that speaks Azure Blob Storage, for tests, on the loopback: Azurite, in a folder of its own.
#     azure_server.sh FILE    starts it with the packages of FILE, a package.json, writes its port, and ends when standard input does
# Whoever starts it says in AZURITE_ACCOUNTS which account there is. Everything is kept in memory.
set -eu

npm_packages azure "$1"
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

#!/bin/sh
# A provider of OpenID Connect for tests, on the loopback: the package oidc-provider, whose clients are given tokens by their
# secrets. Whoever starts it says in OPENID_CLIENTS which clients there are.
#     openid_server.sh FILE    starts it with the packages of FILE, a package.json, writes its port, and ends when standard input does
# POST /test/rotate gives it another key to sign with, beside those that it has; POST /test/withdraw leaves it the newest alone.
set -eu

npm_packages openid "$1"
exec node --input-type=module -e '
import http from "node:http";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import Provider from "oidc-provider";

// What it says of settings that are for production.
console.info = console.warn = () => {};

const clients = process.env.OPENID_CLIENTS.split(" ").map((client) => {
    const [client_id, client_secret] = client.split(":");
    return {
        client_id, client_secret, grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
        id_token_signed_response_alg: "ES256",
    };
});
// The first one signs.
const keys = [];
let issuer, answer;

function publish() {
    const tables = {
        scope: "sql", audience: "weir", accessTokenTTL: 600, accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } },
    };
    answer = new Provider(issuer, {
        clients,
        jwks: { keys },
        features: {
            clientCredentials: { enabled: true },
            devInteractions: { enabled: false },
            resourceIndicators: { enabled: true, defaultResource: () => "urn:tables", getResourceServerInfo: () => tables },
        },
    }).callback();
}

const acts = {
    "/test/rotate": () => {
        const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
        keys.unshift({ ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "ES256" });
    },
    "/test/withdraw": () => keys.splice(1),
};
const server = http.createServer((request, response) => {
    const act = acts[request.url];
    if (!act) return answer(request, response);
    act();
    publish();
    response.end();
});
server.listen(0, "127.0.0.1", () => {
    issuer = `http://127.0.0.1:${server.address().port}`;
    acts["/test/rotate"]();
    publish();
    process.stdout.write(`${server.address().port}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
'

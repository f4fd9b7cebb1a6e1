// An OpenID Connect provider on loopback, for a warehouse whose people sign in elsewhere.
//     node provider.mjs
// Prints its issuer. Each line of standard input publishes a new key, which signs from then on, beside the key before it;
// what is older is withdrawn. Answers with the number of times that its keys were fetched so far.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import readline from 'node:readline';
import Provider from 'oidc-provider';

const WAREHOUSE = 'urn:weir:warehouse';
let handle;
let fetches = 0;

const server = http.createServer((request, answer) => {
  fetches += request.url === '/jwks' ? 1 : 0;
  handle(request, answer);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const newKey = () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'ES256' };
};

// Signs with the first key; all of them are published.
const publish = (keys) => {
  handle = new Provider(issuer, {
    jwks: { keys },
    cookies: { keys: ['of the tests alone'] },
    clients: [
      { client_id: 'etl', client_secret: 'etl-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
      { client_id: 'notebook', token_endpoint_auth_method: 'none', redirect_uris: ['http://127.0.0.1/signed-in'], application_type: 'native', id_token_signed_response_alg: 'ES256' },
      // Dynamic settings of both clients end here.
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => WAREHOUSE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          audience: WAREHOUSE,
          scope: 'sql',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }).callback();
  return keys;
};

let keys = publish([newKey()]);
console.log(issuer);
for await (const _ of readline.createInterface({ input: process.stdin })) {
  keys = publish([newKey(), keys[0]]);
  console.log(fetches);
}
server.close();
server.closeAllConnections();

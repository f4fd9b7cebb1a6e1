// The Flight SQL clients that npm has, each with a token in the place of a password.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import gizmo from '@gizmodata/gizmosql-client';
import { Client } from '@lancedb/arrow-flight-sql-client';

const { url, tokens } = JSON.parse(fs.readFileSync(process.env.WEIR_CONNECTIONS_FILE, 'utf8'));
const { hostname: host, port } = new URL(url.replace('grpc:', 'http:'));
const BY_REGION = 'SELECT region, count(*) AS n FROM hr.people.employees GROUP BY region ORDER BY region';

test('gizmosql-client queries, lists and tells errors', async () => {
  const client = new gizmo.FlightSQLClient({
    host,
    port: Number(port),
    plaintext: true,
    username: 'token',
    password: tokens.alice,
  });
  assert.equal((await client.execute(BY_REGION)).numRows, 4);
  assert.ok((await client.getCatalogs()).includes('hr'));
  assert.ok((await client.getTableTypes()).includes('VIEW'));
  await assert.rejects(client.execute('SELECT nope FROM hr.people.employees'), /UNRESOLVED_COLUMN/);
  await client.close?.();
});

test('arrow-flight-sql-client queries', async () => {
  const client = await Client.connect({
    host: `${host}:${port}`,
    username: 'token',
    password: tokens.alice,
    insecure: true,
  });
  const rows = await (await client.query(BY_REGION)).collectToObjects();
  assert.equal(rows.length, 4);
  assert.equal(rows[0].region, 'AMER');
});

// SAP's mock server of its open UX tools with real metadata documents and rows of our making, on 127.0.0.1 and a free port; ../../README.md says
// what it serves. Prints one line, its address, when it is up, and ends when its standard input does. Knows nothing of what its documents mean.
//
//   node server.mjs FOLDER       FOLDER: what prepare.sh made, with the packages
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rowsOf } from './rows.mjs';

const folder = process.argv[2];
const documents = process.env.PORTICO_SHARED_DATA;
if (!folder || !documents) {
  console.error('server.mjs: the folder of the packages, and PORTICO_SHARED_DATA with metadata/*.xml, are needed');
  process.exit(1);
}
const require = createRequire(join(folder, 'package.json'));
const express = require('express');
const { parse } = require('@sap-ux/edmx-parser');
const core = require('@sap-ux/fe-mockserver-core');
const MockServer = core.default ?? core;

const services = [
  { path: '/sap/opu/odata/sap/API_BUSINESS_PARTNER', document: 's4-api-business-partner-v2.xml' },
  { path: '/v4/trippin', document: 'trippin-v4.xml' },
];
// What the mock answers to `X-CSRF-Token: Fetch`.
const TOKEN = '0504-71383';
const WRITES = ['POST', 'PUT', 'PATCH', 'MERGE', 'DELETE'];

const work = mkdtempSync(join(tmpdir(), 'odata-mock-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const configured = services.map(({ path, document }) => {
  const metadataPath = join(documents, 'metadata', document);
  const mockdataPath = join(work, document);
  mkdirSync(mockdataPath);
  for (const [entitySet, rows] of rowsOf(parse(readFileSync(metadataPath, 'utf8')))) {
    writeFileSync(join(mockdataPath, `${entitySet}.json`), JSON.stringify(rows));
  }
  return { urlPath: path, metadataPath, mockdataPath, generateMockData: false, strictKeyMode: true, noETag: true };
});

const quiet = { info() {}, debug() {}, warn() {}, error(message) { console.error(String(message)); } };
const mock = new MockServer({ services: configured, logger: quiet });
await mock.isReady;

const asked = [];
const application = express();
application.disable('x-powered-by');
const line = ({ request, response }) => {
  const { method, originalUrl: target, headers, body } = request;
  // 0 until there is an answer; who has one finds the request here.
  const status = response.headersSent ? response.statusCode : 0;
  return `${JSON.stringify({ method, target, status, headers, body: typeof body === 'string' ? body : JSON.stringify(body ?? '') })}\n`;
};
application.get('/requests', (_request, response) => response.type('application/x-ndjson').send(asked.map(line).join('')));
application.delete('/requests', (_request, response) => response.send(String(asked.splice(0).length)));
application.use((request, response, next) => {
  asked.push({ request, response });
  const demanded = request.path.startsWith('/sap/') && WRITES.includes(request.method);
  if (demanded && request.headers['x-csrf-token'] !== TOKEN) {
    response.set('X-CSRF-Token', 'Required').status(403).type('text/plain').send('CSRF token validation failed');
    return;
  }
  next();
});
application.use(mock.getRouter());
const listening = application.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${listening.address().port}/`));
process.stdin.on('end', () => process.exit(0)).resume();

// An OpenID Connect provider for tests: `node issuer.mjs FILE`. The file says port, key set and, for https, key and certificate.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';

const { port, issuer, keys, tls } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const answer = (request, response) => {
  const documents = {
    '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/keys` },
    '/keys': { keys },
  };
  const document = documents[request.url];
  response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document ?? {}));
};
const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
server.listen(port, '127.0.0.1', () => console.log('listening'));

/* A program inside an instance: the official client of DAX behind a small HTTP server, so that a test outside says what it does. Bundled by support.ts. */
const http = require('node:http');
const { DaxDocument } = require('@amazon-dax-sdk/lib-dax');

const clients = new Map();
const config = JSON.parse(require('node:fs').readFileSync('/dax.json', 'utf8'));

function clientFor(endpoint, credentials) {
  const key = JSON.stringify([endpoint, credentials]);
  if (!clients.has(key))
    clients.set(
      key,
      new DaxDocument({ endpoints: [endpoint], region: 'us-east-1', credentials, requestTimeout: 10000, connectTimeout: 3000 }),
    );
  return clients.get(key);
}

async function perform({ endpoint, credentials, operation, input, times = 1, warm = 0, parallel = 1 }) {
  const client = clientFor(endpoint ?? config.endpoint, credentials ?? config.credentials);
  for (let index = 0; index < warm; index += 1) await client[operation](structuredClone(input));
  const micros = [];
  let output;
  const began = process.hrtime.bigint();
  const lane = async () => {
    for (let index = 0; index < times / parallel; index += 1) {
      const from = process.hrtime.bigint();
      output = await client[operation](structuredClone(input));
      micros.push(Number(process.hrtime.bigint() - from) / 1000);
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  micros.sort((a, b) => a - b);
  return { output, micros: micros[Math.floor(micros.length / 2)], perSecond: micros.length / seconds };
}

http
  .createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      perform(JSON.parse(Buffer.concat(pieces).toString()))
        .catch((error) => ({
          error: {
            name: error.name,
            code: error.code,
            message: error.message,
            reasons: error.cancellationReasons ?? error.CancellationReasons,
          },
        }))
        .then((answer) => {
          const text = JSON.stringify(answer, (_key, value) => (value instanceof Set ? [...value] : value)).replace(
            /[\u0080-\uffff]/g,
            (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
          );
          response.writeHead(200, { connection: 'close', 'content-length': Buffer.byteLength(text) });
          response.end(text);
        });
    });
  })
  .listen(8080, '0.0.0.0');
process.on('uncaughtException', (error) => console.error(error));
process.on('unhandledRejection', (error) => console.error(error));

/* A program inside an instance: the official client of DAX behind a small HTTP server, so that a test outside says what it does. Bundled by support.ts. */
const http = require('node:http');
const net = require('node:net');
const { DaxDocument } = require('@amazon-dax-sdk/lib-dax');

const clients = new Map();
const config = JSON.parse(require('node:fs').readFileSync('/dax.json', 'utf8'));

function clientFor(endpoint, credentials) {
  const key = JSON.stringify([endpoint, credentials]);
  if (!clients.has(key))
    clients.set(
      key,
      new DaxDocument({
        endpoints: [endpoint],
        region: 'us-east-1',
        credentials,
        requestTimeout: 10000,
        connectTimeout: 3000,
        maxRetries: 3,
      }),
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
  return { output, micros: micros[Math.floor(micros.length / 10)], perSecond: micros.length / seconds };
}

const encode = new (require('@amazon-dax-sdk/client-dax/src/CborEncoder'))();
const signer = require('@amazon-dax-sdk/client-dax/src/SigV4Gen');

/** Bytes of a connection's start: greeting, and proof of who it is. */
function start(secretAccessKey = config.credentials.secretAccessKey) {
  const sign = signer.generateSigAndStringToSign(
    { ...config.credentials, secretAccessKey },
    'https://dax.amazonaws.com',
    'us-east-1',
    '',
  );
  return Buffer.concat([
    ...[encode.encodeString('J7yne5G'), encode.encodeInt(0), encode.encodeNull(), encode.encodeMapHeader(0), encode.encodeInt(0)],
    ...[encode.encodeInt(1), encode.encodeInt(1489122155), encode.encodeString(config.credentials.accessKeyId)],
    ...[
      encode.encodeString(sign.signature),
      encode.encodeBinary(Buffer.from(sign.stringToSign)),
      encode.encodeNull(),
      encode.encodeNull(),
    ],
  ]);
}

/** Reads one item over and over from each address, many requests under way at once: how many are answered in a second. */
async function flood({ addresses, table, key, seconds }) {
  const request = Buffer.concat([
    ...[encode.encodeInt(1), encode.encodeInt(263244906), encode.encodeBinary(Buffer.from(table))],
    ...[encode.encodeBinary(Buffer.from(key)), encode.encodeNull()],
  ]);
  const batch = 500;
  const many = Buffer.concat(Array.from({ length: batch }, () => request));
  let counted = 0;
  const until = Date.now() + seconds * 1000;
  await Promise.all(
    addresses.map(
      (address) =>
        new Promise((resolve, reject) => {
          const socket = net.connect(8111, address);
          let size = 0;
          let waiting = 0;
          socket.on('error', reject);
          socket.write(Buffer.concat([start(), request]));
          socket.on('data', (piece) => {
            if (size === 0) size = piece.length;
            else waiting -= piece.length;
            if (waiting > 0) return;
            counted += size === 0 ? 0 : batch;
            if (Date.now() >= until) return resolve(socket.destroy());
            waiting = size * batch;
            socket.write(many);
          });
        }),
    ),
  );
  return { perSecond: counted / seconds };
}

/** What a node says to bytes, or to a client with this secret that asks for the endpoints: as text, empty when it hangs up. */
function knock({ address, secret, bytes }) {
  const question = Buffer.concat([encode.encodeInt(1), encode.encodeInt(455855874)]);
  return new Promise((resolve) => {
    const socket = net.connect(8111, address);
    socket.write(bytes === undefined ? Buffer.concat([start(secret), question]) : Buffer.from(bytes, 'hex'));
    socket.on('data', (piece) => resolve({ output: { text: piece.toString('latin1') } }));
    socket.on('error', () => {});
    socket.on('close', () => resolve({ output: { text: '' } }));
  });
}

/** Whether a connection is made: `open`, `closed`, or `silent` after so many milliseconds. */
function reach({ address, millis }) {
  return new Promise((resolve) => {
    const socket = net.connect(8111, address, () => resolve({ output: { text: 'open' } }));
    socket.on('error', () => resolve({ output: { text: 'closed' } }));
    setTimeout(() => resolve({ output: { text: 'silent' } }), millis);
  });
}

const others = { flood, knock, reach };
http
  .createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const call = JSON.parse(Buffer.concat(pieces).toString());
      (others[call.operation]?.(call.input) ?? perform(call))
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

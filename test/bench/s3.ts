/**
 * S3 as its users meet it: bytes in and out by size, what a gigabyte costs in memory, small objects a second (beside moto's server in the same run, where
 * it is on the machine), and what a page of a listing takes in a small and in a huge bucket.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { S3 } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { GetObjectCommand, PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3';

interface Measurement {
  name: string;
  value: number;
  unit: string;
}

const concurrency = 16;
const smallRequests = 4000;
const Bucket = 'bench';
const mebibyte = 1 << 20;
/** Keys of the large listing unless told: a minute or two of loading. A million, by S3_BENCH_KEYS, take several. */
const keysUsual = 100_000;

interface Running {
  endpoint: string;
  pid: number;
  stop: () => Promise<void>;
}

function start(argv: readonly string[], urlOf: (output: string) => string | undefined): Promise<Running> {
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return new Promise((resolve, reject) => {
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      const endpoint = urlOf(output);
      if (endpoint === undefined) return;
      const stop = async (): Promise<void> => {
        child.kill('SIGTERM');
        await ended;
      };
      resolve({ endpoint, pid: child.pid ?? 0, stop });
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    void ended.then(() => reject(new Error(output)));
  });
}

function clientOf(endpoint: string): S3 {
  const credentials = { accessKeyId: '111122223333', secretAccessKey: 'test' };
  return new S3({
    endpoint,
    region: 'us-east-1',
    credentials,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
}

const agent = new http.Agent({ keepAlive: true, maxSockets: concurrency });

/** One presigned request, so that signing in this process is not part of the measurement. */
function send(url: string, body?: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { method: body === undefined ? 'GET' : 'PUT', agent, headers: body === undefined ? {} : { 'content-length': body.length } },
      (answer) => {
        let bytes = 0;
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        answer.on('end', () =>
          answer.statusCode === 200 ? resolve(bytes) : reject(new Error(`${answer.statusCode} of ${url}`)),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

async function rate(count: number, call: (index: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let index = next++; index < count; index = next++) await call(index);
    }),
  );
  return (count * 1000) / (performance.now() - began);
}

async function smallRates(s3: S3): Promise<{ put: number; get: number }> {
  await s3.createBucket({ Bucket });
  const body = Buffer.alloc(1024, 'x');
  const names = Array.from({ length: 64 }, (_, index) => `small/${index}`);
  const puts = await Promise.all(names.map((Key) => getSignedUrl(s3, new PutObjectCommand({ Bucket, Key }))));
  const gets = await Promise.all(names.map((Key) => getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }))));
  await rate(500, (index) => send(puts[index % 64] ?? '', body));
  const put = await rate(smallRequests, (index) => send(puts[index % 64] ?? '', body));
  const get = await rate(smallRequests, (index) => send(gets[index % 64] ?? ''));
  return { put: Math.round(put), get: Math.round(get) };
}

/** Resident memory of a process and those it started, in MiB. */
async function memoryOf(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')).split(' ').filter(Boolean);
  let most = 0;
  for (const one of [pid, ...children.map(Number)]) {
    const status = await readFile(`/proc/${one}/status`, 'utf8').catch(() => '');
    most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    if (one !== pid) most = Math.max(most, await memoryOf(one));
  }
  return Math.round(most);
}

/** Puts a body that is made as it goes; resolves with its entity tag. */
function stream(url: string, bytes: number): Promise<string> {
  const piece = Buffer.alloc(Math.min(bytes, mebibyte), 'abcdefgh');
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'PUT', agent, headers: { 'content-length': bytes } }, (answer) => {
      answer
        .resume()
        .on('end', () =>
          answer.statusCode === 200 ? resolve(String(answer.headers.etag)) : reject(new Error(String(answer.statusCode))),
        );
    });
    request.on('error', reject);
    Readable.from(Array.from({ length: bytes / piece.length }, () => piece)).pipe(request);
  });
}

interface Speed {
  put: number;
  get: number;
}

/** MiB a second of what `put` writes and of reading it back. */
async function speedOf(s3: S3, Key: string, bytes: number, put: () => Promise<unknown>): Promise<Speed> {
  const began = performance.now();
  await put();
  const middle = performance.now();
  await send(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key })));
  const speed = (millis: number): number => Math.round((bytes / mebibyte / millis) * 1000);
  return { put: speed(middle - began), get: speed(performance.now() - middle) };
}

async function throughput(s3: S3, bytes: number): Promise<Speed> {
  const Key = `large/${bytes}`;
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key }));
  return speedOf(s3, Key, bytes, () => stream(url, bytes));
}

/** An object in parts, four at a time. */
async function inParts(s3: S3, bytes: number, partBytes: number): Promise<Speed> {
  const Key = `parts/${bytes}`;
  const { UploadId = '' } = await s3.createMultipartUpload({ Bucket, Key });
  const numbers = Array.from({ length: bytes / partBytes }, (_, index) => index + 1);
  const urls = await Promise.all(
    numbers.map((PartNumber) => getSignedUrl(s3, new UploadPartCommand({ Bucket, Key, UploadId, PartNumber }))),
  );
  const Parts: { PartNumber: number; ETag: string }[] = [];
  return speedOf(s3, Key, bytes, async () => {
    const waiting = [...numbers];
    const sender = async (): Promise<void> => {
      for (let number = waiting.shift(); number !== undefined; number = waiting.shift())
        Parts.push({ PartNumber: number, ETag: await stream(urls[number - 1] ?? '', partBytes) });
    };
    await Promise.all(Array.from({ length: 4 }, sender));
    Parts.sort((left, right) => left.PartNumber - right.PartNumber);
    await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts } });
  });
}

async function pageMillis(s3: S3, count: number): Promise<number> {
  const began = performance.now();
  for (let round = 0; round < 10; round += 1) {
    const StartAfter = `key/${String(Math.floor((count * round) / 10)).padStart(8, '0')}`;
    await s3.listObjectsV2({ Bucket, Prefix: 'key/', StartAfter, MaxKeys: 100 });
  }
  return Math.round((performance.now() - began) * 10) / 100;
}

/** Puts empty objects, unsigned under a policy that lets everybody: a listing shows the same, and signing in this process is not part of it. */
async function fill(s3: S3, from: number, to: number): Promise<number> {
  const body = Buffer.alloc(0);
  const url = new URL(await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'form' })));
  const policy = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/*` }],
  };
  await s3.deletePublicAccessBlock({ Bucket });
  await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify(policy) });
  return rate(to - from, (index) => send(`${url.origin}/${Bucket}/key/${String(from + index).padStart(8, '0')}`, body));
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function motoRates(): Promise<{ put: number; get: number } | undefined> {
  const port = await freePort();
  const moto = await start(['moto_server', '-p', String(port)], (output) =>
    output.includes('Running on') ? `http://127.0.0.1:${port}` : undefined,
  ).catch(() => undefined);
  if (moto === undefined) return undefined;
  try {
    return await smallRates(clientOf(moto.endpoint));
  } finally {
    await moto.stop();
  }
}

/** Runs everything against a cloud of its own. `S3_BENCH_KEYS` keys are put for the large listing, all by PutObject over HTTP. */
export async function bench(): Promise<Measurement[]> {
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const cloud = await start(
    [process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data],
    (output) => /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0],
  );
  const measured: Measurement[] = [];
  const add = (name: string, value: number, unit: string): void => {
    measured.push({ name, value, unit });
  };
  try {
    const s3 = clientOf(cloud.endpoint);
    const small = await smallRates(s3);
    add('PUT 1 KiB', small.put, 'requests/s');
    add('GET 1 KiB', small.get, 'requests/s');
    for (const [name, bytes] of [
      ['1 MiB', mebibyte],
      ['1 GiB', 1024 * mebibyte],
    ] as const) {
      const speed = await throughput(s3, bytes);
      add(`PUT ${name}`, speed.put, 'MiB/s');
      add(`GET ${name}`, speed.get, 'MiB/s');
    }
    const parts = await inParts(s3, 5 * 1024 * mebibyte, 64 * mebibyte);
    add('PUT 5 GiB in parts of 64 MiB', parts.put, 'MiB/s');
    add('GET 5 GiB', parts.get, 'MiB/s');
    add('most memory after the gigabytes', await memoryOf(cloud.pid), 'MiB');
    const keys = Number(process.env['S3_BENCH_KEYS'] ?? keysUsual);
    await fill(s3, 0, 1000);
    add('page of 100 keys, bucket of 1,000', await pageMillis(s3, 1000), 'ms');
    const began = performance.now();
    add('PUT of an empty object, unsigned', Math.round(await fill(s3, 1000, keys)), 'requests/s');
    add(`loading ${keys} keys`, Math.round((performance.now() - began) / 1000), 's');
    add(`page of 100 keys, bucket of ${keys}`, await pageMillis(s3, keys), 'ms');
    const moto = await motoRates();
    if (moto !== undefined) {
      add('moto: PUT 1 KiB', moto.put, 'requests/s');
      add('moto: GET 1 KiB', moto.get, 'requests/s');
    }
    return measured;
  } finally {
    await cloud.stop();
    await rm(data, { recursive: true, force: true });
  }
}

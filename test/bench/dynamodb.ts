/**
 * DynamoDB: the same signed requests to Pilvi, to dynalite and, where it is installed, to moto's server, one after the other in one run; then a table of a
 * million items, to see that neither latency nor memory grows with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { load, type Rate, signedCall } from '../support/load.ts';

interface Measurement {
  name: string;
  value: number;
  unit: string;
}
type Add = (name: string, value: number, unit: string) => void;

const concurrency = 16;
const million = 1_000_000;
/** Keys that single requests are spread over: one alone would meet the limit of a partition. */
const keys = 500;

interface Server {
  url: URL;
  child: ChildProcess;
  stop: () => Promise<void>;
}

async function startServer(argv: readonly string[], ready: RegExp): Promise<Server> {
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = ready.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    void ended.then(() => reject(new Error(output)));
  });
  return {
    url: new URL(url.startsWith('http') ? url : `http://127.0.0.1:${url}`),
    child,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

const table = {
  TableName: 'bench',
  BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: [
    { AttributeName: 'pk', AttributeType: 'S' },
    { AttributeName: 'sk', AttributeType: 'N' },
  ],
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
};

/** An item of some 300 bytes in ten attributes. */
function item(pk: string, sk: number) {
  return {
    pk: { S: pk },
    sk: { N: String(sk) },
    name: { S: `A name of ${pk} ${sk}` },
    text: { S: 'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore.' },
    price: { N: '123.45' },
    count: { N: '7' },
    open: { BOOL: true },
    tags: { SS: ['red', 'green', 'blue'] },
    address: { M: { street: { S: 'Katu 1' }, city: { S: 'Oulu' } } },
    list: { L: [{ N: '1' }, { N: '2' }, { S: 'three' }] },
  };
}

type Call = (operation: string, input: unknown) => Buffer;
const caller =
  (url: URL): Call =>
  (operation, input) =>
    signedCall(url, 'dynamodb', `DynamoDB_20120810.${operation}`, input);

const each = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));

async function createTable(url: URL): Promise<void> {
  const call = caller(url);
  await load(url, [call('CreateTable', table)], 1, 1);
  for (;;) {
    const ready = await load(url, [call('GetItem', { TableName: 'bench', Key: { pk: { S: 'a' }, sk: { N: '1' } } })], 1, 1).catch(
      () => undefined,
    );
    if (ready !== undefined) return;
  }
}

/** Rates of the four operations. `scale` lowers the counts for slow servers. */
async function measure(url: URL, scale: number): Promise<Record<string, Rate>> {
  const call = caller(url);
  await createTable(url);
  const TableName = 'bench';
  const puts = each(keys, (at) => call('PutItem', { TableName, Item: item(`p${at}`, 1) }));
  const gets = each(keys, (at) => call('GetItem', { TableName, Key: { pk: { S: `p${at}` }, sk: { N: '1' } } }));
  const batch = (pk: string, from: number) =>
    call('BatchWriteItem', {
      RequestItems: { [TableName]: each(25, (at) => ({ PutRequest: { Item: item(pk, from + at) } })) },
    });
  await load(
    url,
    each(80, (at) => batch(`q${Math.floor(at / 4)}`, (at % 4) * 25)),
    80,
    1,
  );
  const queries = each(20, (at) =>
    call('Query', {
      TableName,
      KeyConditionExpression: 'pk = :p',
      ExpressionAttributeValues: { ':p': { S: `q${at}` } },
    }),
  );
  const batches = each(200, (at) => batch(`b${at}`, 0));
  const rates: Record<string, Rate> = {};
  for (const [name, calls, count] of [
    ['PutItem', puts, 8000],
    ['GetItem', gets, 8000],
    ['Query of 100 items', queries, 2000],
    ['BatchWriteItem of 25', batches, 1200],
  ] as const) {
    await load(url, calls, Math.ceil((count * scale) / 8), concurrency);
    rates[name] = await load(url, calls, Math.ceil(count * scale), concurrency);
  }
  return rates;
}

function addRates(add: Add, who: string, rates: Record<string, Rate>): void {
  for (const [name, { perSecond, p50, p99 }] of Object.entries(rates)) {
    add(`${name}, ${who}`, perSecond, 'requests/s');
    add(`${name}, ${who}, p50`, p50, 'ms');
    add(`${name}, ${who}, p99`, p99, 'ms');
  }
}

/** Memory of a process and all below it, without the pages of mapped files: those are the kernel's cache of the store's file. */
async function memoryMiB(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  let sum = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  for (const child of children.split(' ').filter((text) => text !== '')) sum += await memoryMiB(Number(child));
  return sum;
}

/** Latency of one call at a time and memory, before and after a million items. */
async function measureMillion(add: Add, server: Server): Promise<void> {
  const { url } = server;
  const call = caller(url);
  const TableName = 'bench';
  const look = async (when: string): Promise<void> => {
    const gets = each(keys, (at) => call('GetItem', { TableName, Key: { pk: { S: `m${at * 7}` }, sk: { N: '3' } } }));
    const puts = each(keys, (at) => call('PutItem', { TableName, Item: item(`m${at * 7}`, 3) }));
    const get = await load(url, gets, 2000, 1);
    const put = await load(url, puts, 2000, 1);
    add(`GetItem, one at a time, ${when}, p50`, get.p50, 'ms');
    add(`GetItem, one at a time, ${when}, p99`, get.p99, 'ms');
    add(`PutItem, one at a time, ${when}, p50`, put.p50, 'ms');
    add(`PutItem, one at a time, ${when}, p99`, put.p99, 'ms');
    add(`memory without mapped files, ${when}`, await memoryMiB(server.child.pid ?? 0), 'MiB');
  };
  await look('few items');
  const began = performance.now();
  for (let from = 0; from < million; from += 25_000) {
    const batches = each(1000, (at) => {
      const first = from + at * 25;
      return call('BatchWriteItem', {
        RequestItems: { [TableName]: each(25, (one) => ({ PutRequest: { Item: item(`m${first + one}`, 3) } })) },
      });
    });
    await load(url, batches, batches.length, 8);
  }
  add('a million items written in batches of 25', million / ((performance.now() - began) / 1000), 'items/s');
  await look('a million items');
}

const dynalite = createRequire(import.meta.url).resolve('dynalite/cli.js');
const local = '127.0.0.1';

/** Who else answers, how to start it, and by how much fewer requests it is asked. */
const peers: readonly (readonly [who: string, start: () => Promise<Server>, scale: number])[] = [
  [
    'dynalite',
    async () =>
      startServer(
        [process.execPath, dynalite, '--host', local, '--port', String(await freePort()), '--createTableMs', '0'],
        /listening at: (http:\/\/\S+)/,
      ),
    0.1,
  ],
  [
    "moto's server",
    async () => startServer(['moto_server', '-p', String(await freePort())], /Running on (http:\/\/127\.0\.0\.1:\d+)/),
    0.05,
  ],
];

/** Starts clouds from dist/, so run `npm run build` first; `npm run bench` does. */
export async function bench(): Promise<Measurement[]> {
  const results: Measurement[] = [];
  const add: Add = (name, value, unit) => void results.push({ name, value, unit });
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const ours = await startServer(
    [process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data],
    /is ready: (http:\/\/127\.0\.0\.1:\d+)/,
  );
  const started = [ours];
  try {
    const rates = await measure(ours.url, 1);
    addRates(add, 'ours', rates);
    for (const [who, start, scale] of peers) {
      const peer = await start().catch(() => undefined);
      if (peer === undefined) {
        add(`${who} is not on this machine`, 0, 'ratio');
        continue;
      }
      started.push(peer);
      const theirs = await measure(peer.url, scale);
      addRates(add, who, theirs);
      for (const [name, { perSecond }] of Object.entries(theirs))
        add(`${name}, ours against ${who}`, (rates[name]?.perSecond ?? 0) / perSecond, 'ratio');
    }
    await measureMillion(add, ours);
  } finally {
    for (const server of started) await server.stop();
    await rm(data, { recursive: true, force: true });
  }
  return results;
}

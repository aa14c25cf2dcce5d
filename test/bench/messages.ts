/**
 * Queues, topics and streams under load, beside moto's server where it is on the machine: the same signed requests to both in one run. Then a queue with a million
 * messages: what a send and a receive take there, and what the process weighs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

interface Measurement {
  name: string;
  value: number;
  unit: string;
}
type Add = (name: string, value: number, unit: string) => void;

const crowd = 30;
const calls = 3000;
/** moto is slower; fewer calls tell as much. */
const motoCalls = 600;
const million = 1_000_000;

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Signed JSON (SQS) and form (SNS) calls over kept connections, with as little work of the client's as signing allows. */
class Caller {
  readonly #url: URL;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: crowd });
  readonly #keys = new Map<string, Buffer>();

  constructor(url: URL) {
    this.#url = url;
  }

  sqs(operation: string, input: object): Promise<Record<string, unknown>> {
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` };
    return this.#call('sqs', headers, JSON.stringify(input)).then((text) =>
      text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    );
  }

  sns(operation: string, input: Record<string, string>): Promise<string> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#call('sns', headers, new URLSearchParams({ Action: operation, Version: '2010-03-31', ...input }).toString());
  }

  kinesis(operation: string, input: object): Promise<Record<string, unknown>> {
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `Kinesis_20131202.${operation}` };
    return this.#call('kinesis', headers, JSON.stringify(input)).then((text) =>
      text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    );
  }

  close(): void {
    this.#agent.destroy();
  }

  #sign(service: string, headers: Record<string, string>, body: string): Record<string, string> {
    const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
    const day = stamp.slice(0, 8);
    const all: Record<string, string> = { ...headers, host: this.#url.host, 'x-amz-date': stamp };
    const names = Object.keys(all).sort();
    const canonical = ['POST', '/', '', ...names.map((name) => `${name}:${all[name]}`), '', names.join(';'), sha256(body)].join(
      '\n',
    );
    const scope = `${day}/us-east-1/${service}/aws4_request`;
    let key = this.#keys.get(scope);
    if (key === undefined) {
      key = ['us-east-1', service, 'aws4_request'].reduce((last, part) => hmac(last, part), hmac('AWS4test', day));
      this.#keys.set(scope, key);
    }
    const signature = createHmac('sha256', key)
      .update(`AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${sha256(canonical)}`)
      .digest('hex');
    const authorization = `AWS4-HMAC-SHA256 Credential=test/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    return { ...all, authorization, 'content-length': String(Buffer.byteLength(body)) };
  }

  #call(service: string, headers: Record<string, string>, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, method: 'POST', headers: this.#sign(service, headers, body) };
      const request = http.request(this.#url, options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode}: ${text}`)),
        );
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** Runs `work` so many times, so many at once. */
async function measure(count: number, together: number, work: () => Promise<unknown>) {
  const times: number[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const began = performance.now();
      await work();
      times.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: together }, worker));
  const perSecond = (count / (performance.now() - began)) * 1000;
  times.sort((a, b) => a - b);
  return { perSecond, p50: times[Math.floor(times.length / 2)] ?? 0, p99: times[Math.floor(times.length * 0.99)] ?? 0 };
}

interface Message {
  ReceiptHandle: string;
}

async function consumeOne(caller: Caller, QueueUrl: string): Promise<void> {
  const { Messages = [] } = (await caller.sqs('ReceiveMessage', { QueueUrl })) as { Messages?: Message[] };
  for (const { ReceiptHandle } of Messages) await caller.sqs('DeleteMessage', { QueueUrl, ReceiptHandle });
}

/** A stream of so many shards that none of them is full, and 100 records of 1 KB for a call. */
async function streamCall(caller: Caller): Promise<() => Promise<unknown>> {
  const StreamName = 'bench';
  await caller.kinesis('CreateStream', { StreamName, ShardCount: 100 });
  for (;;) {
    const answer = (await caller.kinesis('DescribeStreamSummary', { StreamName })) as {
      StreamDescriptionSummary: { StreamStatus: string };
    };
    if (answer.StreamDescriptionSummary.StreamStatus === 'ACTIVE') break;
  }
  const Data = Buffer.alloc(1000, 'x').toString('base64');
  let key = 0;
  return () => {
    const Records = Array.from({ length: 100 }, () => ({ Data, PartitionKey: String(key++) }));
    return caller.kinesis('PutRecords', { StreamName, Records });
  };
}

async function makeQueue(caller: Caller, QueueName: string, Attributes?: object): Promise<string> {
  return ((await caller.sqs('CreateQueue', { QueueName, Attributes })) as { QueueUrl: string }).QueueUrl;
}

/** Sends, receives and deletes at one client and at thirty; publishes to ten queues. */
async function measureServer(add: Add, who: string, caller: Caller, count: number): Promise<Map<string, number>> {
  const rates = new Map<string, number>();
  const note = (name: string, result: { perSecond: number; p50: number; p99: number }): void => {
    rates.set(name, result.perSecond);
    add(`${who}: ${name}`, result.perSecond, 'calls/s');
    add(`${who}: ${name}, p50`, result.p50, 'ms');
    add(`${who}: ${name}, p99`, result.p99, 'ms');
  };
  for (const together of [1, crowd]) {
    const QueueUrl = await makeQueue(caller, `bench-${together}`);
    const body = 'x'.repeat(200);
    const clients = together === 1 ? '1 client' : `${together} clients`;
    note(
      `SendMessage, ${clients}`,
      await measure(count, together, () => caller.sqs('SendMessage', { QueueUrl, MessageBody: body })),
    );
    note(`ReceiveMessage and DeleteMessage, ${clients}`, await measure(count, together, () => consumeOne(caller, QueueUrl)));
  }
  const putRecords = await streamCall(caller);
  note('PutRecords of 100 records, 10 clients', await measure(Math.floor(count / 10), 10, putRecords));
  const topic = /<TopicArn>([^<]+)/.exec(await caller.sns('CreateTopic', { Name: 'bench' }))?.[1] ?? '';
  const urls: string[] = [];
  for (let n = 0; n < 10; n++) {
    const arn = `arn:aws:sqs:us-east-1:${topic.split(':')[4]}:bench-topic-${n}`;
    const statement = { Effect: 'Allow', Principal: { Service: 'sns.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: arn };
    urls.push(
      await makeQueue(caller, `bench-topic-${n}`, { Policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }) }),
    );
    await caller.sns('Subscribe', { TopicArn: topic, Protocol: 'sqs', Endpoint: arn });
  }
  const publishes = Math.floor(count / 5);
  const began = performance.now();
  const published = await measure(publishes, 10, () => caller.sns('Publish', { TopicArn: topic, Message: 'hello' }));
  for (const QueueUrl of urls) {
    for (;;) {
      const answer = await caller.sqs('GetQueueAttributes', { QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] });
      if (Number((answer as { Attributes: Record<string, string> }).Attributes['ApproximateNumberOfMessages']) >= publishes)
        break;
    }
  }
  const delivered = ((publishes * urls.length) / (performance.now() - began)) * 1000;
  note('Publish to 10 queues, 10 clients', published);
  rates.set('deliveries of these', delivered);
  add(`${who}: deliveries of these`, delivered, 'messages/s');
  return rates;
}

async function start(
  argv: readonly string[],
  urlOf: (output: string) => string | undefined,
): Promise<{ url: URL; child: ChildProcess }> {
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const url = await new Promise<string>((resolve, reject) => {
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = urlOf(output);
      if (found !== undefined) resolve(found);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('error', reject);
    child.once('close', () => reject(new Error(output)));
  });
  return { url: new URL(url), child };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill('SIGTERM');
  await ended;
}

/**
 * Memory that a process and what it has started hold for themselves, in MiB. Pages of the store's file that the system keeps mapped are not counted: it
 * takes them back as it likes.
 */
async function memoryMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const own = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')).split(' ').filter(Boolean);
  return (await Promise.all(children.map((child) => memoryMiB(Number(child))))).reduce((sum, one) => sum + one, own);
}

async function measureMillion(add: Add, caller: Caller, pid: number): Promise<void> {
  const QueueUrl = await makeQueue(caller, 'million');
  const body = 'x'.repeat(200);
  add('memory before', await memoryMiB(pid), 'MiB');
  const Entries = Array.from({ length: 10 }, (_, i) => ({ Id: String(i), MessageBody: body }));
  const sent = await measure(million / 10, crowd, () => caller.sqs('SendMessageBatch', { QueueUrl, Entries }));
  add('a million messages by batches of ten', sent.perSecond * 10, 'messages/s');
  add('memory with a million messages', await memoryMiB(pid), 'MiB');
  const send = await measure(1000, 1, () => caller.sqs('SendMessage', { QueueUrl, MessageBody: body }));
  add('SendMessage with a million messages, p50', send.p50, 'ms');
  add('SendMessage with a million messages, p99', send.p99, 'ms');
  const consume = await measure(1000, 1, () => consumeOne(caller, QueueUrl));
  add('ReceiveMessage and DeleteMessage with a million messages, p50', consume.p50, 'ms');
  add('ReceiveMessage and DeleteMessage with a million messages, p99', consume.p99, 'ms');
  const count = await measure(10, 1, () => caller.sqs('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] }));
  add('GetQueueAttributes with a million messages, p50', count.p50, 'ms');
}

/** Starts a cloud from dist/, so run `npm run build` first; `npm run bench` does. */
export async function bench(): Promise<Measurement[]> {
  const results: Measurement[] = [];
  const add: Add = (name, value, unit) => void results.push({ name, value, unit });
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const ours = await start(
    [process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data],
    (output) => /is ready: (http:\/\/\S+)/.exec(output)?.[1],
  );
  const caller = new Caller(ours.url);
  const rates = await measureServer(add, 'Pilvi', caller, calls);
  const moto = await start(
    ['moto_server', '-p', '5077'],
    (output) => /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1],
  ).catch(() => undefined);
  if (moto === undefined) add('moto_server is not on this machine', 0, 'ratio');
  else {
    const other = new Caller(moto.url);
    for (const [name, rate] of await measureServer(add, 'moto', other, motoCalls))
      add(`${name}, ours against moto's`, (rates.get(name) ?? 0) / rate, 'ratio');
    other.close();
    await end(moto.child);
  }
  await measureMillion(add, caller, ours.child.pid ?? 0);
  caller.close();
  await end(ours.child);
  await rm(data, { recursive: true, force: true });
  return results;
}

/**
 * The cloud as its users meet it: how soon it answers, what it weighs, how many calls it takes, and how soon an instance works. Where moto's server is
 * on the machine the same signed requests are sent to it in the same run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Sha256 } from '@aws-crypto/sha256-js';
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  GetConsoleOutputCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { SignatureV4 } from '@smithy/signature-v4';

export interface Measurement {
  name: string;
  value: number;
  unit: string;
}

/** Requests per measurement, and how many are under way at once. */
const requests = 8000;
const concurrency = 16;
const crowd = 20;
/** Milliseconds between looks at consoles: what a launch is measured to. */
const consolePause = 5;

export interface Server {
  url: URL;
  readyMillis: number;
  child: ChildProcess;
  ended: Promise<void>;
  stop: () => Promise<void>;
}

/** Starts a server and waits until it answers; `urlOf` finds where in what it prints. */
export async function startServer(
  argv: readonly string[],
  urlOf: (output: string) => string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Server> {
  const began = performance.now();
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
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
    void ended.then(() => reject(new Error(output)));
  });
  await fetch(url);
  return {
    url: new URL(url),
    readyMillis: performance.now() - began,
    child,
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Where our cloud says that it is. */
export const ourUrl = (output: string) => /is ready: (http:\/\/\S+)/.exec(output)?.[1];

export interface SignedCall {
  headers: Record<string, string>;
  body: string;
}

/** Signs a request as the root user of the default account: a form, or with `target` a JSON request. */
export async function sign(url: URL, service: string, body: string, target?: string): Promise<SignedCall> {
  const signer = new SignatureV4({
    service,
    region: 'us-east-1',
    sha256: Sha256,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const headers = {
    host: url.host,
    ...(target === undefined
      ? { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
      : { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target }),
    'content-length': String(Buffer.byteLength(body)),
  };
  const signed = await signer.sign({
    method: 'POST',
    protocol: 'http:',
    hostname: url.hostname,
    port: Number(url.port),
    path: '/',
    query: {},
    headers,
    body,
  });
  return { headers: signed.headers, body };
}

/** Sends the same signed request many times over kept connections: by bare sockets, for Node's own client would take more processor time than the server. */
export async function load(url: URL, call: SignedCall, count: number): Promise<{ perSecond: number; p50: number; p99: number }> {
  const head = Object.entries(call.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = Buffer.from(`POST / HTTP/1.1\r\n${head.join('')}\r\n${call.body}`);
  const times: number[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    let connection = connect(url);
    while (left > 0) {
      left -= 1;
      const began = performance.now();
      connection.socket.write(bytes);
      const { value: answer = 'no answer' } = await connection.answers.next();
      if (!answer.startsWith('HTTP/1.1 200 ')) throw new Error(answer);
      times.push(performance.now() - began);
      // moto's server closes after each answer, whatever its clients ask for.
      if (!/\nconnection: close\r/i.test(answer)) continue;
      connection.socket.destroy();
      connection = connect(url);
    }
    connection.socket.destroy();
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  return { perSecond: count / seconds, p50: times[Math.floor(count * 0.5)] ?? 0, p99: times[Math.floor(count * 0.99)] ?? 0 };
}

function connect(url: URL): { socket: net.Socket; answers: AsyncGenerator<string, undefined> } {
  const socket = net.connect(Number(url.port), url.hostname);
  return { socket, answers: answersOn(socket) };
}

/** The answers that come on a socket, whole; both servers say how long a body is. */
async function* answersOn(socket: net.Socket): AsyncGenerator<string, undefined> {
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    const headEnd = text.indexOf('\r\n\r\n') + 4;
    if (headEnd < 4) continue;
    const end = headEnd + Number(/\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1] ?? 0);
    if (text.length < end) continue;
    yield text.slice(0, end);
    text = text.slice(end);
  }
  return undefined;
}

const calls = [
  { name: 'STS GetCallerIdentity', service: 'sts', body: 'Action=GetCallerIdentity&Version=2011-06-15' },
  { name: 'EC2 DescribeVpcs', service: 'ec2', body: 'Action=DescribeVpcs&Version=2016-11-15' },
] as const;

/** Memory of a process and all below it, in MiB: resident sizes summed up, and with what several share counted once (proportional). */
async function treeMemory(pid: number): Promise<{ resident: number; proportional: number }> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const sizes = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const size = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(sizes)?.[1] ?? 0) / 1024;
  const sum = { resident: size('Rss'), proportional: size('Pss') };
  for (const child of children.split(' ').filter((text) => text !== '')) {
    const below = await treeMemory(Number(child));
    sum.resident += below.resident;
    sum.proportional += below.proportional;
  }
  return sum;
}

async function measureCalls(add: Add, ours: Server): Promise<void> {
  const rates = new Map<string, number>();
  for (const call of calls) {
    const signed = await sign(ours.url, call.service, call.body);
    await load(ours.url, signed, 500);
    const { perSecond, p50, p99 } = await load(ours.url, signed, requests);
    rates.set(call.name, perSecond);
    add(`${call.name}, signed, ${concurrency} at once`, perSecond, 'requests/s');
    add(`${call.name}, p50`, p50, 'ms');
    add(`${call.name}, p99`, p99, 'ms');
  }
  const moto = await startMoto().catch(() => undefined);
  if (moto === undefined) return add('moto_server is not on this machine', 0, 'ratio');
  for (const call of calls) {
    const signed = await sign(moto.url, call.service, call.body);
    await load(moto.url, signed, 50);
    const { perSecond } = await load(moto.url, signed, 500);
    add(`${call.name} of moto's server`, perSecond, 'requests/s');
    add(`${call.name}, ours against moto's`, (rates.get(call.name) ?? 0) / perSecond, 'ratio');
  }
  await moto.stop();
}

/** moto's server, for comparison. Rejects where it is not installed. */
export async function startMoto(): Promise<Server> {
  const port = await new Promise<number>((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => resolve(free));
    });
  });
  return startServer(['moto_server', '-p', String(port)], (output) => /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1]);
}

type Add = (name: string, value: number, unit: string) => void;

/** From the call to the moment at which the console shows what user data printed. */
async function measureLaunch(add: Add, ours: Server): Promise<void> {
  const ec2 = new EC2Client({
    endpoint: ours.url.origin,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const ImageId = (await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))).Images?.[0]?.ImageId;
  const UserData = Buffer.from('#!/bin/sh\necho user-data-runs\n').toString('base64');
  const launch = async (count: number): Promise<number> => {
    const began = performance.now();
    const { Instances = [] } = await ec2.send(
      new RunInstancesCommand({ ImageId, InstanceType: 't3.nano', MinCount: count, MaxCount: count, UserData }),
    );
    const ids = Instances.map(({ InstanceId }) => InstanceId ?? '');
    const waiting = new Set(ids);
    while (waiting.size > 0) {
      // Asking without a pause would take the processors that the machines need to boot.
      await pause(consolePause);
      for (const id of waiting) {
        const { Output = '' } = await ec2.send(new GetConsoleOutputCommand({ InstanceId: id }));
        if (Buffer.from(Output, 'base64').includes('user-data-runs')) waiting.delete(id);
      }
    }
    const millis = performance.now() - began;
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: ids }));
    for (;;) {
      await pause(consolePause);
      const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: ids }));
      if (Reservations.every((one) => one.Instances?.every((instance) => instance.State?.Name === 'terminated'))) return millis;
    }
  };
  add('RunInstances to user data running, the first, image built meanwhile', await launch(1), 'ms');
  const rounds = [await launch(1), await launch(1), await launch(1), await launch(1), await launch(1)].sort((a, b) => a - b);
  add('RunInstances to user data running, 1 instance, median of 5', rounds[2] ?? 0, 'ms');
  add(`RunInstances to user data running, ${crowd} instances, all`, await launch(crowd), 'ms');
  ec2.destroy();
}

/** Starts clouds from dist/, so run `npm run build` first; `npm run bench` does. */
export async function bench(): Promise<Measurement[]> {
  const results: Measurement[] = [];
  const add: Add = (name, value, unit) => void results.push({ name, value, unit });
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const start = () => startServer([process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data], ourUrl);
  const first = await start();
  add('process start to first answer, new data folder', first.readyMillis, 'ms');
  await first.stop();
  const ours = await start();
  add('process start to first answer, existing data folder', ours.readyMillis, 'ms');
  const idle = await treeMemory(ours.child.pid ?? 0);
  add('idle memory, all processes, shared pages counted once', idle.proportional, 'MiB');
  add('idle memory, all processes, resident sizes summed up', idle.resident, 'MiB');
  await measureCalls(add, ours);
  const { limits } = (await (await fetch(new URL('/_pilvi/health', ours.url))).json()) as { limits: string[] };
  if (limits.length === 0) await measureLaunch(add, ours);
  await ours.stop();
  const npm = await startServer(['npm', 'start', '--silent', '--', '--port', '0', '--data', data], ourUrl);
  add('npm start to first answer', npm.readyMillis, 'ms');
  // npm does not pass signals on to what it runs.
  spawn(process.execPath, ['dist/pilvi.js', 'stop', '--data', data]);
  await npm.ended;
  await rm(data, { recursive: true, force: true });
  return results;
}

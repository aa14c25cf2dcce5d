/**
 * Answers of public zones over UDP, by dnsperf (Debian: dnsperf), next to NSD (Debian: nsd) with the same zone and the same questions in the same run.
 * NSD is written in C and does one thing: it shows how much of a query's time the machine itself takes.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Route53 } from '@aws-sdk/client-route-53';
import { eventually } from '../support/cloud.ts';
import { type Measurement, ourUrl, startServer } from './cloud.ts';

const run = promisify(execFile);
const zone = 'bench.example';
const records = 500;
const seconds = 4;
/** Questions a second while latency is measured: well below what either server can do. */
const calmRate = 2000;

const labels = Array.from({ length: records }, (_one, n) => `h${n}`);
const addressOf = (n: number) => `192.0.2.${n % 256}`;

type Add = (name: string, value: number, unit: string) => void;

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Watches how late a program runs that has nothing to do: on a machine that others use, this and not the server makes the slowest answers. Returns
 * how to stop, which tells the 99th percentile in milliseconds, counted over time like questions that come evenly.
 */
function watchMachine(): () => number {
  const step = 1;
  const waits: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // Whoever comes at any moment of a gap waits for what is left of it.
    for (let left = now - last - step; left > 0; left -= step) waits.push(left);
    waits.push(0);
    last = now;
  }, step);
  return () => {
    clearInterval(timer);
    waits.sort((a, b) => a - b);
    return Number((waits[Math.floor(waits.length * 0.99)] ?? Number.NaN).toFixed(3));
  };
}

/** Asks until the server answers, then as fast as it can, then calmly for how long an answer takes. */
async function measure(add: Add, who: string, port: number, questions: string): Promise<void> {
  await eventually(
    async () => {
      const { stdout } = await run('dig', ['+short', '+time=1', '+tries=1', '-p', String(port), '@127.0.0.1', `h1.${zone}`]);
      if (stdout.trim() !== addressOf(1)) throw new Error(stdout);
    },
    { why: `${who} answers` },
  );
  const base = ['-s', '127.0.0.1', '-p', String(port), '-d', questions, '-l', String(seconds)];
  const { stdout: fast } = await run('dnsperf', [...base, '-c', '4', '-q', '100']);
  const completed = Number(/Queries per second:\s+([\d.]+)/.exec(fast)?.[1]);
  const lost = Number(/Queries lost:\s+(\d+)/.exec(fast)?.[1]);
  add(`${who}: answers a second over UDP, 4 clients`, Math.round(completed), '/s');
  add(`${who}: questions lost meanwhile`, lost, '');
  const watch = watchMachine();
  const { stdout: calm } = await run('dnsperf', [...base, '-c', '4', '-Q', String(calmRate), '-v'], { maxBuffer: 64 * 2 ** 20 });
  const late = watch();
  const times = [...calm.matchAll(/^> \S+ .* ([\d.]+)$/gm)].map(([, text]) => Number(text) * 1000).sort((a, b) => a - b);
  const at = (share: number) => Number((times[Math.floor(times.length * share)] ?? Number.NaN).toFixed(3));
  add(`${who}: median at ${calmRate} questions a second`, at(0.5), 'ms');
  add(`${who}: 99th percentile at ${calmRate} questions a second`, at(0.99), 'ms');
  add(`${who}: 99th percentile by which the machine let an idle program wait meanwhile`, late, 'ms');
}

async function measureOurs(add: Add, folder: string, questions: string): Promise<void> {
  const data = path.join(folder, 'data');
  const server = await startServer([process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data], ourUrl);
  try {
    const client = new Route53({
      endpoint: server.url.origin,
      region: 'us-east-1',
      credentials: { accessKeyId: '123456789012', secretAccessKey: 'test' },
    });
    const made = await client.createHostedZone({ Name: zone, CallerReference: 'bench' });
    await client.changeResourceRecordSets({
      HostedZoneId: made.HostedZone!.Id!.split('/').at(-1)!,
      ChangeBatch: {
        Changes: labels.map((label, n) => ({
          Action: 'CREATE',
          ResourceRecordSet: { Name: `${label}.${zone}`, Type: 'A', TTL: 300, ResourceRecords: [{ Value: addressOf(n) }] },
        })),
      },
    });
    const { dnsPort } = (await (await fetch(`${server.url.origin}/_pilvi/health`)).json()) as { dnsPort: number };
    await measure(add, 'ours', dnsPort, questions);
  } finally {
    await server.stop();
  }
}

async function measureNsd(add: Add, folder: string, questions: string): Promise<void> {
  const port = await freePort();
  const lines = [
    `$ORIGIN ${zone}.`,
    '@ 900 IN SOA ns h 1 7200 900 1209600 86400',
    '@ 300 IN NS ns',
    'ns 300 IN A 192.0.2.1',
    ...labels.map((label, n) => `${label} 300 IN A ${addressOf(n)}`),
  ];
  await writeFile(path.join(folder, 'zone'), `${lines.join('\n')}\n`);
  const server = {
    ...{ 'ip-address': `127.0.0.1@${port}`, username: '""', database: '""', 'server-count': '1', zonesdir: `"${folder}"` },
    ...{ pidfile: `"${folder}/pid"`, xfrdfile: `"${folder}/xfrd"`, zonelistfile: `"${folder}/zones"` },
  };
  const config = [
    'server:',
    ...Object.entries(server).map(([name, value]) => `  ${name}: ${value}`),
    'remote-control:',
    '  control-enable: no',
    'zone:',
    `  name: ${zone}`,
    '  zonefile: zone',
  ];
  await writeFile(path.join(folder, 'nsd.conf'), `${config.join('\n')}\n`);
  const child = spawn('nsd', ['-d', '-c', path.join(folder, 'nsd.conf')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    await measure(add, 'NSD', port, questions);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

const present = (program: string, word: string) =>
  run(program, [word]).then(
    () => true,
    (error: { code?: unknown }) => error.code !== 'ENOENT',
  );

/** Needs dnsperf; without NSD only our numbers are given. */
export async function bench(): Promise<Measurement[]> {
  const results: Measurement[] = [];
  const add: Add = (name, value, unit) => void results.push({ name, value, unit });
  if (!(await present('dnsperf', '-h'))) throw new Error('dnsperf is not installed (Debian package dnsperf).');
  const folder = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-dns-'));
  const questions = path.join(folder, 'questions');
  await writeFile(questions, `${[...labels, 'none'].map((label) => `${label}.${zone} A`).join('\n')}\n`);
  try {
    await measureOurs(add, folder, questions);
    if (await present('nsd', '-v')) await measureNsd(add, folder, questions);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return results;
}

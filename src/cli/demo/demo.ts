/** `pilvi demo whatisthetime [--until vertical|horizontal]`: builds an architecture on a cloud, sends traffic, prints what it saw. */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CloudClock } from '../../base/clock.ts';
import { PilviError } from '../../base/errors.ts';
import { defaultData, defaultPort, parsePort } from '../options.ts';
import { readRunFile } from '../run-file.ts';
import { DemoReport } from './report.ts';
import { untilSteps, whatIsTheTime } from './whatisthetime.ts';

interface DemoCloud {
  gateway: URL;
  end: () => Promise<void>;
}

/** Exit status 0 when everything was as AWS would show it, 1 when anything differs. Throws PilviError when machines cannot run. */
export async function demo(args: readonly string[]): Promise<number> {
  const { port, until } = parseOptions(args);
  const cloud = await findOrStart(port);
  try {
    const health = (await (await fetch(new URL('/_pilvi/health', cloud.gateway))).json()) as {
      limits: string[];
      shortcomings: string[];
    };
    if (health.limits[0] !== undefined) throw new PilviError('NotPermitted', health.limits[0]);
    const { EC2Client } = await import('@aws-sdk/client-ec2');
    // An account of its own: whatever is in the user's cloud stays as it is.
    const account = String(randomInt(100_000_000_000, 281_474_976_710_655)).slice(0, 12);
    const ec2 = new EC2Client({
      endpoint: cloud.gateway.origin,
      region: 'us-east-1',
      credentials: { accessKeyId: account, secretAccessKey: 'test' },
    });
    console.log(`whatisthetime up to "${until}", in account ${account} of ${cloud.gateway.origin}\n`);
    const report = new DemoReport((text) => console.log(text));
    const memoryIsLimited = !health.shortcomings.some((sentence) => sentence.includes('limits of memory'));
    await whatIsTheTime({ ec2, gateway: cloud.gateway, clock: new CloudClock(), report, memoryIsLimited }, until);
    ec2.destroy();
    await fetch(new URL('/_pilvi/reset', cloud.gateway), { method: 'POST', body: JSON.stringify({ account }) });
    console.log(report.summary);
    return report.passed ? 0 : 1;
  } finally {
    await cloud.end();
  }
}

function parseOptions(args: readonly string[]): { port: number; until: (typeof untilSteps)[number] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { port: { type: 'string', default: String(defaultPort) }, until: { type: 'string', default: untilSteps.at(-1) } },
    });
    if (positionals[0] !== 'whatisthetime') throw new Error('The demo is called whatisthetime.');
    const until = untilSteps.find((step) => step === values.until);
    if (until === undefined) throw new Error(`--until takes ${untilSteps.join(' or ')}.`);
    return { port: parsePort(values.port), until };
  } catch (error) {
    throw error instanceof PilviError ? error : new PilviError('BadOption', (error as Error).message);
  }
}

/** The cloud that runs on this port, or one that lives as long as the demo. */
async function findOrStart(port: number): Promise<DemoCloud> {
  const run = await readRunFile(defaultData(port));
  if (run !== undefined) return { gateway: new URL(`http://127.0.0.1:${run.port}`), end: async () => {} };
  const there = new URL(`http://127.0.0.1:${port}`);
  const answers = await fetch(new URL('/_pilvi/health', there)).then(
    ({ ok }) => ok,
    () => false,
  );
  if (answers) return { gateway: there, end: async () => {} };
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-demo-'));
  const child = spawn(process.execPath, [process.argv[1] ?? '', 'start', '--port', '0', '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ready = new Promise<URL>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const url = /is ready: (http:\/\/\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(new URL(url));
    });
    void ended.then(() => reject(new PilviError('StartFailed', said)));
  });
  const gateway = await ready;
  return {
    gateway,
    async end() {
      child.kill('SIGTERM');
      await ended;
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** `pilvi demo whatisthetime [--until STEP]`: builds an architecture on a cloud of its own, sends traffic, prints what it saw. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CloudClock } from '../../base/clock.ts';
import { PilviError } from '../../base/errors.ts';
import { DemoReport } from './report.ts';
import type { Stage } from './stage.ts';
import { DemoClient } from './traffic.ts';
import { untilSteps, whatIsTheTime } from './whatisthetime.ts';

interface DemoCloud {
  gateway: URL;
  data: string;
  end: () => Promise<void>;
}

/** What the demo reads of a cloud's health. */
interface Health {
  limits: string[];
  shortcomings: string[];
  dnsPort: number;
}

/** Exit status 0 when everything was as AWS would show it, 1 when anything differs. Throws PilviError when machines cannot run. */
export async function demo(args: readonly string[]): Promise<number> {
  const until = parseUntil(args);
  const cloud = await startCloud();
  try {
    const health = (await (await fetch(new URL('/_pilvi/health', cloud.gateway))).json()) as Health;
    if (health.limits[0] !== undefined) throw new PilviError('NotPermitted', health.limits[0]);
    console.log(`whatisthetime up to "${until}", on ${cloud.gateway.origin}\n`);
    const report = new DemoReport((text) => console.log(text));
    await whatIsTheTime(await buildStage(cloud, health, report), until);
    console.log(report.summary);
    return report.passed ? 0 : 1;
  } finally {
    await cloud.end();
  }
}

async function buildStage({ gateway, data }: DemoCloud, health: Health, report: DemoReport): Promise<Stage> {
  const [{ EC2Client }, { ElasticLoadBalancingV2 }, { AutoScaling }, { Route53 }] = await Promise.all([
    import('@aws-sdk/client-ec2'),
    import('@aws-sdk/client-elastic-load-balancing-v2'),
    import('@aws-sdk/client-auto-scaling'),
    import('@aws-sdk/client-route-53'),
  ]);
  const config = {
    endpoint: gateway.origin,
    region: 'us-east-1',
    credentials: { accessKeyId: '000000000000', secretAccessKey: 'test' },
  };
  const clock = new CloudClock();
  return {
    ec2: new EC2Client(config),
    balancers: new ElasticLoadBalancingV2(config),
    scaling: new AutoScaling(config),
    names: new Route53(config),
    client: new DemoClient(data, health.dnsPort, clock),
    clock,
    report,
    async admin(path, body) {
      const answer = await fetch(new URL(`/_pilvi/${path}`, gateway), { method: 'POST', body: JSON.stringify(body) });
      if (!answer.ok) throw new PilviError('CommandFailed', await answer.text());
    },
    memoryIsLimited: !health.shortcomings.some((sentence) => sentence.includes('limits of memory')),
  };
}

function parseUntil(args: readonly string[]): (typeof untilSteps)[number] {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { until: { type: 'string', default: untilSteps.at(-1) } },
    });
    if (positionals[0] !== 'whatisthetime') throw new Error('The demo is called whatisthetime.');
    const until = untilSteps.find((step) => step === values.until);
    if (until === undefined) throw new Error(`--until takes ${untilSteps.join(', ')}.`);
    return until;
  } catch (error) {
    throw error instanceof PilviError ? error : new PilviError('BadOption', (error as Error).message);
  }
}

/** A cloud that lives as long as the demo, because the demo moves its clock and takes a zone away. */
async function startCloud(): Promise<DemoCloud> {
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
    data,
    async end() {
      child.kill('SIGTERM');
      await ended;
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Lambda: cold starts and warm calls of each runtime, calls through a function URL and an HTTP API, messages from a queue into a function. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { SQS } from '@aws-sdk/client-sqs';
import { freshAccount, startOwnCloud } from '../support/cloud.ts';
import { ask, serverless } from '../services/lambda/support.ts';
import { zipOf } from '../support/zip.ts';

interface Measurement {
  name: string;
  value: number;
  unit: string;
}

const coldStarts = 15;
const warmCalls = 200;
const urlCalls = 1000;
const urlClients = 8;
const messages = 1000;

const node = 'export const handler = async (event) => event;';
const python = 'def handler(event, context):\n    return event\n';
const ruby = 'def handler(event:, context:)\n  event\nend\n';
const java =
  'import java.util.Map; public class Index { public Map<String, Object> handler(Map<String, Object> event) { return event; } }';
const program = `#!/bin/sh
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  EVENT=$(curl -sS -D /tmp/head "$API/next")
  ID=$(grep -i lambda-runtime-aws-request-id /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "$API/$ID/response" -d "$EVENT" > /dev/null
done`;

/** The class of a source, packed; undefined without a compiler. */
function packedJava(): Buffer | undefined {
  const folder = mkdtempSync(`${tmpdir()}/pilvi-bench-`);
  try {
    writeFileSync(`${folder}/Index.java`, java);
    execFileSync('javac', ['-d', folder, `${folder}/Index.java`]);
    return zipOf({ 'Index.class': readFileSync(`${folder}/Index.class`) });
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const at = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

type Bench = Awaited<ReturnType<typeof serverless>>;

const shape = { MemorySize: 1769, Timeout: 30 };

/** Cold and warm calls of each runtime that is here. */
async function runtimes({ lambda, make, call, settled }: Bench, found: Measurement[]): Promise<void> {
  for (const [name, Runtime, archive, Handler] of [
    ['Node.js', 'nodejs20.x', zipOf({ 'index.mjs': node }), 'index.handler'],
    ['Python', 'python3.12', zipOf({ 'index.py': python }), 'index.handler'],
    ['Ruby', 'ruby3.4', zipOf({ 'index.rb': ruby }), 'index.handler'],
    ['Java', 'java17', packedJava(), 'Index::handler'],
    ['custom (shell and curl)', 'provided.al2023', zipOf({ bootstrap: program }, { bootstrap: 0o100755 }), 'bootstrap'],
  ] as const) {
    if (archive === undefined) continue;
    const FunctionName = `f${found.length}`;
    const made = await make(FunctionName, '', { ...shape, Runtime, Handler, Code: { ZipFile: archive } }).catch(() => undefined);
    // A toolchain that is not here.
    if (made === undefined) continue;
    // The first call of all compiles what has to be.
    await call(FunctionName);
    const cold: number[] = [];
    for (let n = 0; n < coldStarts; n++) {
      // A change of configuration lets go of the environment.
      await lambda.updateFunctionConfiguration({ FunctionName, Description: String(n) });
      await settled(FunctionName);
      cold.push(await timed(() => call(FunctionName)));
    }
    const warm: number[] = [];
    for (let n = 0; n < warmCalls; n++) warm.push(await timed(() => call(FunctionName)));
    for (const [kind, values] of [
      ['cold', cold],
      ['warm', warm],
    ] as const) {
      found.push({ name: `${name}, ${kind} call, p50`, value: at(values, 0.5), unit: 'ms' });
      found.push({ name: `${name}, ${kind} call, p99`, value: at(values, 0.99), unit: 'ms' });
    }
  }
}

async function overTheWeb({ account, lambda, make, arnOf }: Bench, found: Measurement[]): Promise<void> {
  await make('site', node, shape);
  const { FunctionUrl = '' } = await lambda.createFunctionUrlConfig({ FunctionName: 'site', AuthType: 'NONE' });
  for (const [StatementId, Action, more] of [
    ['url', 'lambda:InvokeFunctionUrl', { FunctionUrlAuthType: 'NONE' }],
    ['function', 'lambda:InvokeFunction', { InvokedViaFunctionUrl: true }],
  ] as const)
    await lambda.addPermission({ FunctionName: 'site', StatementId, Action, Principal: '*', ...more });
  const { ApiEndpoint = '' } = await new ApiGatewayV2(account.config()).createApi({
    Name: 'site',
    ProtocolType: 'HTTP',
    Target: arnOf('site'),
  });
  await lambda.addPermission({
    FunctionName: 'site',
    StatementId: 'api',
    Action: 'lambda:InvokeFunction',
    Principal: 'apigateway.amazonaws.com',
  });
  const round = (url: string, count: number) => async () => {
    await Promise.all(
      Array.from({ length: urlClients }, async () => {
        for (let n = 0; n < count / urlClients; n++) {
          const { status } = await ask(url);
          if (status !== 200) throw new Error(`${url} answered ${status}.`);
        }
      }),
    );
  };
  for (const [name, url] of [
    ['a function URL', FunctionUrl],
    ['an HTTP API', `${ApiEndpoint}/`],
  ] as const) {
    await round(url, urlClients * 4)();
    found.push({
      name: `calls through ${name}, ${urlClients} clients`,
      value: urlCalls / ((await timed(round(url, urlCalls))) / 1000),
      unit: 'calls/s',
    });
  }
}

async function fromQueue({ account, lambda, make, arnOf }: Bench, found: Measurement[]): Promise<void> {
  const sqs = new SQS(account.config());
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'work', Attributes: { VisibilityTimeout: '30' } });
  for (let sent = 0; sent < messages; sent += 10)
    await sqs.sendMessageBatch({
      QueueUrl,
      Entries: Array.from({ length: 10 }, (_none, n) => ({ Id: String(n), MessageBody: String(sent + n) })),
    });
  await make('worker', node, shape);
  const drained = await timed(async () => {
    await lambda.createEventSourceMapping({
      FunctionName: arnOf('worker'),
      EventSourceArn: `arn:aws:sqs:us-east-1:${account.id}:work`,
    });
    for (;;) {
      const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
      if (Attributes?.ApproximateNumberOfMessages === '0' && Attributes.ApproximateNumberOfMessagesNotVisible === '0') return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  found.push({
    name: 'messages from a queue into a function, batches of 10',
    value: messages / (drained / 1000),
    unit: 'messages/s',
  });
}

export async function bench(): Promise<Measurement[]> {
  const cloud = await startOwnCloud();
  const found: Measurement[] = [];
  try {
    const all = await serverless(freshAccount(cloud.endpoint));
    await runtimes(all, found);
    await overTheWeb(all, found);
    await fromQueue(all, found);
    return found;
  } finally {
    await cloud.stop();
  }
}

/** Lambda: cold starts and warm calls of each runtime, calls through a function URL, messages from a queue into a function. */
import { SQS } from '@aws-sdk/client-sqs';
import { freshAccount, startOwnCloud } from '../support/cloud.ts';
import { ask, serverless } from '../services/lambda/support.ts';

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
const program = `#!/bin/sh
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  EVENT=$(curl -sS -D /tmp/head "$API/next")
  ID=$(grep -i lambda-runtime-aws-request-id /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "$API/$ID/response" -d "$EVENT" > /dev/null
done`;

const at = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

export async function bench(): Promise<Measurement[]> {
  const cloud = await startOwnCloud();
  const found: Measurement[] = [];
  try {
    const account = freshAccount(cloud.endpoint);
    const { lambda, make, call, settled, arnOf } = await serverless(account);
    const shape = { MemorySize: 1769, Timeout: 30 };
    for (const [name, Runtime, source] of [
      ['Node.js', 'nodejs20.x', node],
      ['Python', 'python3.12', python],
      ['custom (shell and curl)', 'provided.al2023', program],
    ] as const) {
      const FunctionName = `f${found.length}`;
      await make(FunctionName, source, { ...shape, Runtime });
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
    await make('site', node, shape);
    const { FunctionUrl = '' } = await lambda.createFunctionUrlConfig({ FunctionName: 'site', AuthType: 'NONE' });
    for (const [StatementId, Action, more] of [
      ['url', 'lambda:InvokeFunctionUrl', { FunctionUrlAuthType: 'NONE' }],
      ['function', 'lambda:InvokeFunction', { InvokedViaFunctionUrl: true }],
    ] as const)
      await lambda.addPermission({ FunctionName: 'site', StatementId, Action, Principal: '*', ...more });
    const round = (count: number) => async () => {
      await Promise.all(
        Array.from({ length: urlClients }, async () => {
          for (let n = 0; n < count / urlClients; n++) await ask(FunctionUrl);
        }),
      );
    };
    await round(urlClients * 4)();
    found.push({
      name: `calls through a function URL, ${urlClients} clients`,
      value: urlCalls / ((await timed(round(urlCalls))) / 1000),
      unit: 'calls/s',
    });
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
    return found;
  } finally {
    await cloud.stop();
  }
}

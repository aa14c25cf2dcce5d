/** Step Functions: transitions a second within one execution and over many at once, and how long a small execution takes from call to end. */
import { IAM } from '@aws-sdk/client-iam';
import { SFN } from '@aws-sdk/client-sfn';
import { freshAccount, startOwnCloud } from '../support/cloud.ts';

interface Measurement {
  name: string;
  value: number;
  unit: string;
}

const transitionsWanted = 5000;
const parallelExecutions = 200;
const smallExecutions = 300;

function chain(length: number): string {
  const name = (n: number): string => `S${n}`;
  const states = Array.from({ length }, (_none, n) => {
    const next = n === length - 1 ? { End: true } : { Next: name(n + 1) };
    return [name(n), { Type: 'Pass', Parameters: { 'n.$': 'States.MathAdd($.n, 1)' }, ...next }];
  });
  return JSON.stringify({ StartAt: name(0), States: Object.fromEntries(states) });
}

export async function bench(): Promise<Measurement[]> {
  const cloud = await startOwnCloud();
  try {
    const account = freshAccount(cloud.endpoint);
    const sfn = new SFN({ ...account.config(), disableHostPrefix: true });
    const iam = new IAM(account.config());
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'states.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    };
    const { Role } = await iam.createRole({ RoleName: 'bench', AssumeRolePolicyDocument: JSON.stringify(trust) });
    const machine = async (name: string, definition: string, type: 'STANDARD' | 'EXPRESS' = 'STANDARD'): Promise<string> =>
      (await sfn.createStateMachine({ name, definition, roleArn: Role?.Arn, type })).stateMachineArn ?? '';
    const begin = async (stateMachineArn: string): Promise<string> =>
      (await sfn.startExecution({ stateMachineArn, input: '{"n":0}' })).executionArn ?? '';
    const end = async (executionArn: string): Promise<void> => {
      while ((await sfn.describeExecution({ executionArn })).status === 'RUNNING')
        await new Promise((resolve) => setTimeout(resolve, 2));
    };
    const timed = async (work: () => Promise<void>): Promise<number> => {
      const from = performance.now();
      await work();
      return performance.now() - from;
    };
    const loop = JSON.stringify({
      StartAt: 'Check',
      States: {
        Check: {
          Type: 'Choice',
          Choices: [{ Variable: '$.n', NumericGreaterThanEquals: transitionsWanted / 2, Next: 'Done' }],
          Default: 'Add',
        },
        Add: { Type: 'Pass', Parameters: { 'n.$': 'States.MathAdd($.n, 1)' }, Next: 'Check' },
        Done: { Type: 'Succeed' },
      },
    });
    const one = await machine('loop', loop);
    const single = await timed(async () => end(await begin(one)));
    const five = await machine('five', chain(5));
    const many = await timed(async () => {
      await Promise.all(Array.from({ length: parallelExecutions }, async () => end(await begin(five))));
    });
    const took: number[] = [];
    for (let n = 0; n < smallExecutions; n++) took.push(await timed(async () => end(await begin(five))));
    const express = await machine('express', chain(5), 'EXPRESS');
    const sync: number[] = [];
    for (let n = 0; n < smallExecutions; n++)
      sync.push(await timed(async () => void (await sfn.startSyncExecution({ stateMachineArn: express, input: '{"n":0}' }))));
    const at = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
    return [
      { name: 'transitions in one standard execution', value: transitionsWanted / (single / 1000), unit: 'transitions/s' },
      {
        name: `transitions in ${parallelExecutions} standard executions of 5 states at once`,
        value: (parallelExecutions * 5) / (many / 1000),
        unit: 'transitions/s',
      },
      { name: 'standard execution of 5 states, p50', value: at(took, 0.5), unit: 'ms' },
      { name: 'standard execution of 5 states, p99', value: at(took, 0.99), unit: 'ms' },
      { name: 'synchronous express execution of 5 states, p50', value: at(sync, 0.5), unit: 'ms' },
      { name: 'synchronous express execution of 5 states, p99', value: at(sync, 0.99), unit: 'ms' },
    ];
  } finally {
    await cloud.stop();
  }
}

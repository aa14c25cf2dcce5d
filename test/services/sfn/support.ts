/** A machine's way through a test: a role that Step Functions may use, machines, executions watched to their end. */
import { IAM } from '@aws-sdk/client-iam';
import { type HistoryEvent, SFN } from '@aws-sdk/client-sfn';
import { eventually, freshAccount } from '../../support/cloud.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

export function flows(endpoint?: string) {
  const account = endpoint === undefined ? freshAccount() : freshAccount(endpoint);
  const sfn = new SFN({ ...account.config(), disableHostPrefix: true });
  const iam = new IAM(account.config());
  return { account, sfn, iam };
}

export type Flows = ReturnType<typeof flows>;

/** A role that Step Functions may take, with rights to these actions on everything. */
export async function roleFor({ iam }: Pick<Flows, 'iam'>, actions: readonly string[] = [], RoleName = 'flow'): Promise<string> {
  const trust = { Statement: [{ Effect: 'Allow', Principal: { Service: 'states.amazonaws.com' }, Action: 'sts:AssumeRole' }] };
  const { Role } = await iam.createRole({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) });
  if (actions.length > 0) {
    const PolicyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
    });
    await iam.putRolePolicy({ RoleName, PolicyName: 'rights', PolicyDocument });
  }
  return Role?.Arn ?? '';
}

let machines = 0;

/** A machine of this definition. */
export async function machineOf(
  { sfn }: Pick<Flows, 'sfn'>,
  roleArn: string,
  definition: object,
  more: Partial<Parameters<SFN['createStateMachine']>[0]> = {},
): Promise<string> {
  machines += 1;
  const made = await sfn.createStateMachine({
    name: `flow-${machines}`,
    roleArn,
    definition: JSON.stringify(definition),
    ...more,
  });
  return made.stateMachineArn ?? '';
}

export interface Ended {
  arn: string;
  status: string | undefined;
  /** Parsed; whatever it is, tests read it as an object. */
  output: Record<string, unknown> | undefined;
  error: string | undefined;
  cause: string | undefined;
}

/** Waits for the end of an execution. */
export async function ended({ sfn }: Pick<Flows, 'sfn'>, arn: string, timeoutMs = 10_000): Promise<Ended> {
  return eventually(
    async () => {
      const { status, output, error, cause } = await sfn.describeExecution({ executionArn: arn });
      if (status === 'RUNNING') throw new Error('It still runs.');
      return { arn, status, output: output === undefined ? undefined : JSON.parse(output), error, cause };
    },
    { timeoutMs, why: 'the execution ends' },
  );
}

/** Runs a machine once. */
export async function runOnce(all: Pick<Flows, 'sfn'>, stateMachineArn: string, input: unknown = {}): Promise<Ended> {
  const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn, input: JSON.stringify(input) });
  return ended(all, executionArn);
}

export async function historyOf({ sfn }: Pick<Flows, 'sfn'>, executionArn: string): Promise<HistoryEvent[]> {
  const { events = [] } = await sfn.getExecutionHistory({ executionArn, maxResults: 1000 });
  return events;
}

/** One state that ends the machine. */
export function only(state: object, more: object = {}): object {
  return { StartAt: 'Only', States: { Only: { End: true, ...state } }, ...more };
}

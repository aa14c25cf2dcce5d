/**
 * What happens to parameters by themselves: expiry, and notices before it or when nothing changed for a while. All are told to EventBridge, as is every
 * change. Source: Systems Manager User Guide, "Assigning parameter policies", "Setting up notifications … based on Parameter Store events".
 */
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import { parameterArn } from './reading.ts';
import { type PolicyRow, Parameters, type VersionRow, Versions } from './state.ts';
import { removeParameter } from './writing.ts';

const task = 'parameterPolicy';

/** Announces a change: `Create`, `Update` or `Delete`. */
export async function emitChange(
  ctx: Context,
  tx: Transaction,
  { parameter, type, description }: VersionRow,
  operation: string,
): Promise<void> {
  const detail = { operation, name: parameter, type, ...(description === undefined ? {} : { description }) };
  await tx.emit({ source: 'aws.ssm', detailType: 'Parameter Store Change', detail, resources: [parameterArn(ctx, parameter)] });
}

/** Lets the policies of a version fall due; those of the version before are replaced, because the key is the same. */
export async function schedulePolicies(tx: Transaction, version: VersionRow): Promise<void> {
  for (const [index, { due, status }] of version.policies.entries())
    if (status === 'Pending') await tx.schedule({ task, key: keyOf(version, index), due, payload: version.version });
}

export async function unschedulePolicies(tx: Transaction, version: VersionRow): Promise<void> {
  for (const index of version.policies.keys()) await tx.unschedule(task, keyOf(version, index));
}

const keyOf = ({ parameter }: VersionRow, index: number): string => `${index} ${parameter}`;

async function emitAction(ctx: Context, tx: Transaction, { parameter, type }: VersionRow, policy: PolicyRow): Promise<void> {
  const detail = {
    'policy-type': policy.type,
    'parameter-name': parameter,
    'parameter-type': type,
    'policy-content': policy.text,
    'action-status': 'Success',
    'action-reason': '',
  };
  const resources = [parameterArn(ctx, parameter)];
  await tx.emit({ source: 'aws.ssm', detailType: 'Parameter Store Policy Action', detail, resources });
}

/** A policy has fallen due. One of a version that is no longer in force does nothing. */
export const parameterPolicy: Task = async ({ key, payload }, ctx) => {
  const at = key.indexOf(' ');
  const [index, name] = [Number(key.slice(0, at)), key.slice(at + 1)];
  await ctx.transact(async (tx) => {
    const row = await tx.table(Parameters).get(name);
    const version = row && (await tx.table(Versions).get(name, row.version));
    const policy = version?.policies[index];
    if (row === undefined || version === undefined || policy === undefined || row.version !== payload) return;
    await emitAction(ctx, tx, version, policy);
    if (policy.type === 'Expiration') {
      await removeParameter(ctx, tx, name);
      return;
    }
    const policies = version.policies.map((one, place) => (place === index ? { ...one, status: 'Finished' as const } : one));
    await tx.table(Versions).put({ ...version, policies });
  });
};

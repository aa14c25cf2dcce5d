/** Finding what a request names, in rows; roles; what to ask of policies; pages of lists. */
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Check } from '../../kernel/service.ts';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Key } from '../../store/store.ts';
import type { Table } from '../../store/tables.ts';
import type { StsApi } from '../sts/api.ts';
import { executionNotFound, invalidPageToken, machineNotFound, roleRefused } from './errors.ts';
import { machineArn, readExecutionArn, readMachineArn } from './rules.ts';
import {
  Activities,
  Aliases,
  type ExecutionRow,
  Executions,
  type MachineRow,
  Machines,
  type Revision,
  type TagMap,
  Versions,
} from './state.ts';

export type Reading = Pick<Context, 'table'> | Pick<Transaction, 'table'>;

/** Throws StateMachineDoesNotExist. */
export async function requireMachine(reading: Reading, name: string, arn: string): Promise<MachineRow> {
  const row = await reading.table(Machines).get(name);
  if (row === undefined) throw machineNotFound(arn);
  return row;
}

/** What an ARN of a machine, a version or an alias runs. */
export interface Target extends Revision {
  machine: MachineRow;
  version: number | undefined;
  alias: string | undefined;
  description: string | undefined;
  created: number;
}

/** Follows an ARN to what it runs; an alias picks one of its versions by weight. Throws StateMachineDoesNotExist. */
export async function requireTarget(ctx: Context, arn: string): Promise<Target> {
  const { name, qualifier } = readMachineArn(arn);
  const machine = await requireMachine(ctx, name, arn);
  if (qualifier === undefined)
    return {
      ...revisionOf(machine),
      machine,
      version: undefined,
      alias: undefined,
      description: undefined,
      created: machine.created,
    };
  const alias = /^\d+$/.test(qualifier) ? undefined : await ctx.table(Aliases).get(name, qualifier);
  const number = alias === undefined ? Number(qualifier) : pickVersion(ctx, alias.routes);
  const row = Number.isInteger(number) ? await ctx.table(Versions).get(name, number) : undefined;
  if (row === undefined) throw machineNotFound(arn);
  const { version, description, created } = row;
  return { ...revisionOf(row), machine, version, alias: alias?.name, description, created };
}

function revisionOf({ definition, roleArn, logging, revision }: Revision): Revision {
  return { definition, roleArn, logging, revision };
}

/** By chance, as heavy as the routes' weights. */
function pickVersion(ctx: Context, routes: readonly { version: number; weight: number }[]): number {
  let left = (Buffer.from(ctx.bytes(4)).readUInt32BE(0) / 2 ** 32) * 100;
  for (const { version, weight } of routes) {
    left -= weight;
    if (left < 0) return version;
  }
  return routes.at(-1)?.version ?? Number.NaN;
}

/** Throws InvalidArn, ExecutionDoesNotExist. */
export async function requireExecution(ctx: Context, arn = ''): Promise<ExecutionRow> {
  const { machine, name } = readExecutionArn(arn);
  const row = await ctx.table(Executions).get(machine, name);
  if (row === undefined) throw executionNotFound(arn);
  return row;
}

/** Step Functions with a role's rights. Throws NoSuchEntity, AccessDenied. */
export async function actBy(ctx: Context, roleArn: string): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  const sessionName = Buffer.from(ctx.bytes(12)).toString('hex').slice(0, 20);
  return ctx.asIdentity(await sts.roleIdentity({ roleArn, sessionName, service: 'states' }));
}

/** Throws InvalidArn for what is no role, AccessDeniedException for one that does not let Step Functions act by it. */
export async function checkRole(ctx: Context, roleArn: string): Promise<void> {
  if (!/^arn:aws[a-z-]*:iam::\d{12}:role\/.+/.test(roleArn)) throw new AwsError('InvalidArn', `Invalid Role Arn: '${roleArn}'`);
  try {
    await actBy(ctx, roleArn);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw roleRefused();
  }
}

/** Giving a role to Step Functions needs iam:PassRole. */
export function passRole(roleArn: string | undefined): Check[] {
  if (roleArn === undefined) return [];
  return [{ action: 'iam:PassRole', resource: roleArn, conditions: { 'iam:PassedToService': 'states.amazonaws.com' } }];
}

export function tagConditions(kind: 'Resource' | 'Request', tags: TagMap): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:${kind}Tag/${key}`, value]));
}

/** The question for a machine, its versions and aliases. */
export async function onMachine(arn: string | undefined, ctx: Context): Promise<Check[]> {
  const [, , , , , , name = '', qualifier] = arn?.split(':') ?? [];
  const row = name === '' ? undefined : await ctx.table(Machines).get(name);
  const conditions = { ...tagConditions('Resource', row?.tags ?? {}), 'states:StateMachineQualifier': qualifier };
  return [{ resource: arn === undefined || arn === '' ? '*' : machineArn(ctx, name), conditions }];
}

export function onExecution(arn: string | undefined): Check[] {
  return [{ resource: arn || '*' }];
}

export async function onActivity(arn: string | undefined, ctx: Context): Promise<Check[]> {
  const row = await ctx.table(Activities).get(arn?.split(':')[6] ?? '');
  return [{ resource: arn || '*', conditions: tagConditions('Resource', row?.tags ?? {}) }];
}

export interface PageOptions {
  scope: string;
  token: string | undefined;
  limit: number;
  reverse?: boolean;
}

/** One page of a table's rows with a prefix. Throws InvalidToken. */
export async function tablePage<Row, Index extends string>(
  ctx: Context,
  table: Table<Row, Index>,
  prefix: Key,
  { scope, token, limit, reverse = false }: PageOptions,
): Promise<{ rows: Row[]; nextToken: string | undefined }> {
  const after = readToken(scope, token);
  const reader = ctx.table(table);
  const found = await reader.list({ prefix, limit: limit + 1, reverse, ...(after === undefined ? {} : { after }) });
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const more = found.length > limit && last !== undefined;
  return { rows, nextToken: more ? formatPageToken(scope, reader.keyOf(last)) : undefined };
}

/** The same in the order of an index. */
export async function indexPage<Row, Index extends string>(
  ctx: Context,
  table: Table<Row, Index>,
  index: Index,
  prefix: Key,
  { scope, token, limit, reverse = false }: PageOptions,
): Promise<{ rows: Row[]; nextToken: string | undefined }> {
  const after = readToken(scope, token);
  const reader = ctx.table(table);
  const found = await reader.byIndex(index, prefix, { limit: limit + 1, reverse, ...(after === undefined ? {} : { after }) });
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const position = last === undefined ? undefined : reader.positionIn(index, last, prefix);
  return { rows, nextToken: found.length > limit && position !== undefined ? formatPageToken(scope, position) : undefined };
}

function readToken(scope: string, token: string | undefined): Key | undefined {
  const after = token === undefined ? undefined : parsePageToken(scope, token);
  if (after === undefined && token !== undefined) throw invalidPageToken(token);
  return after;
}

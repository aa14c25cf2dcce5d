/** Event buses: made, described, listed, opened to other accounts. Source: EventBridge API Reference. */
import type { EventBridge, Tag } from '@aws-sdk/client-eventbridge';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { busExists, busNotFound, limitExceeded, validation } from './errors.ts';
import { Archives, type BusRow, Buses, Rules, type TagMap } from './state.ts';

const busesMax = 100;
const perPageMax = 100;
export const defaultBus = 'default';
/** The default bus while nothing about it was changed. */
export const unchangedDefault: BusRow = { name: defaultBus, created: 0, modified: 0, tags: {} };

export function busArn({ account, region }: Scope, name: string): string {
  return `arn:aws:events:${region}:${account}:event-bus/${name}`;
}

/** The name in what a request names a bus by: name, ARN, or nothing for the default bus. Throws ResourceNotFoundException for another's ARN. */
export function busName(ctx: Context, given: string | undefined): string {
  if (given === undefined || given === '') return defaultBus;
  if (!given.startsWith('arn:')) return given;
  const prefix = busArn(ctx, '');
  if (!given.startsWith(prefix)) throw busNotFound(given);
  return given.slice(prefix.length);
}

/** The bus of this name; the default one is there without a row. */
export async function findBus(ctx: Context, scope: Scope, name: string): Promise<BusRow | undefined> {
  const row = await ctx.tableIn(scope, Buses).get(name);
  return row ?? (name === defaultBus ? unchangedDefault : undefined);
}

/** Throws ResourceNotFoundException. */
export async function requireBus(ctx: Context, given: string | undefined): Promise<BusRow> {
  const name = busName(ctx, given);
  const bus = await findBus(ctx, ctx, name);
  if (bus === undefined) throw busNotFound(name);
  return bus;
}

export function readTags(tags: readonly Tag[] | undefined): TagMap {
  return Object.fromEntries((tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

function describe(ctx: Context, { name, description, policy, created, modified }: BusRow) {
  const times = created === 0 ? {} : { CreationTime: new Date(created), LastModifiedTime: new Date(modified) };
  return { Name: name, Arn: busArn(ctx, name), Description: description, Policy: policy, ...times };
}

interface Statement {
  Sid?: string;
  [element: string]: unknown;
}

export const busHandlers: HandlersOf<EventBridge> = {
  async CreateEventBus({ Name = '', EventSourceName, Description, Tags, ...others }, ctx) {
    if (EventSourceName !== undefined) throw parameterNotImplemented('CreateEventBus', 'EventSourceName');
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('CreateEventBus', other);
    new RequestCheck().length('name', Name, 1, 256).done();
    if (Name === defaultBus) throw busExists(Name);
    if (!/^[A-Za-z0-9._-]+$/.test(Name)) throw validation(`Event bus name starting with 'aws.' or containing '/' is not valid.`);
    await ctx.transact(async (tx) => {
      if ((await tx.table(Buses).get(Name)) !== undefined) throw busExists(Name);
      if ((await tx.table(Buses).count()) >= busesMax) throw limitExceeded();
      await tx
        .table(Buses)
        .put({ name: Name, description: Description, created: ctx.now, modified: ctx.now, tags: readTags(Tags) });
    });
    return { EventBusArn: busArn(ctx, Name), Description };
  },

  /** Description alone; an empty queue for dead letters or key takes nothing away, because there is none. */
  async UpdateEventBus({ Name, Description, DeadLetterConfig, KmsKeyIdentifier = '', LogConfig }, ctx) {
    if (DeadLetterConfig?.Arn !== undefined) throw parameterNotImplemented('UpdateEventBus', 'DeadLetterConfig');
    if (KmsKeyIdentifier !== '') throw parameterNotImplemented('UpdateEventBus', 'KmsKeyIdentifier');
    if (LogConfig !== undefined) throw parameterNotImplemented('UpdateEventBus', 'LogConfig');
    const bus = await requireBus(ctx, Name);
    return ctx.transact(async (tx) => {
      const old = (await tx.table(Buses).get(bus.name)) ?? bus;
      const changed = { ...old, description: Description ?? old.description, modified: ctx.now };
      await tx.table(Buses).put(changed);
      return { Arn: busArn(ctx, changed.name), Name: changed.name, Description: changed.description };
    });
  },

  async DeleteEventBus({ Name = '' }, ctx) {
    const name = busName(ctx, Name);
    if (name === defaultBus) throw validation('Cannot delete event bus default.');
    await ctx.transact(async (tx) => {
      if ((await tx.table(Rules).count([name])) > 0) throw validation(`Event bus ${name} can't be deleted because it has rules.`);
      if ((await tx.table(Archives).byIndex('byBus', [name])).length > 0)
        throw validation(`Event bus ${name} can't be deleted because it has archives.`);
      await tx.table(Buses).delete(name);
    });
    return {};
  },

  async DescribeEventBus({ Name }, ctx) {
    return describe(ctx, await requireBus(ctx, Name));
  },

  async ListEventBuses({ NamePrefix = '', NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const rows = await ctx.table(Buses).list();
    const whole = rows.some(({ name }) => name === defaultBus) ? rows : [(await findBus(ctx, ctx, defaultBus))!, ...rows];
    const found = whole.filter(({ name }) => name.startsWith(NamePrefix)).sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = pageOf(found, ({ name }) => [name], {
      scope: `ListEventBuses ${NamePrefix}`,
      token: NextToken,
      limit: Limit ?? perPageMax,
    });
    if (page === undefined) throw validation('NextToken is not valid.');
    return { EventBuses: page.items.map((row) => describe(ctx, row)), NextToken: page.nextToken };
  },

  async PutPermission({ EventBusName, Action, Principal, StatementId, Condition, Policy }, ctx) {
    const bus = await requireBus(ctx, EventBusName);
    if (Policy !== undefined && !validatePolicy(Policy, 'resource').ok)
      throw validation("Provided value in parameter 'policy' is not valid.");
    if (Policy === undefined && (StatementId === undefined || Principal === undefined))
      throw validation('Parameter StatementId and Principal are required when Policy is not given.');
    if (Principal !== undefined && Principal !== '*' && !/^\d{12}$/.test(Principal))
      throw validation(`Provided value in parameter 'principal' is not valid.`);
    await ctx.transact(async (tx) => {
      const old = (await tx.table(Buses).get(bus.name)) ?? bus;
      const policy = JSON.parse(old.policy ?? '{"Version":"2012-10-17","Statement":[]}') as { Statement: Statement[] };
      const statement: Statement = {
        Sid: StatementId ?? '',
        Effect: 'Allow',
        Principal: Principal === '*' ? '*' : { AWS: `arn:aws:iam::${Principal}:root` },
        Action: Action ?? 'events:PutEvents',
        Resource: busArn(ctx, bus.name),
        ...(Condition === undefined ? {} : { Condition: { [Condition.Type ?? '']: { [Condition.Key ?? '']: Condition.Value } } }),
      };
      const Statement = [...policy.Statement.filter(({ Sid }) => Sid !== StatementId), statement];
      await tx.table(Buses).put({ ...old, policy: Policy ?? JSON.stringify({ ...policy, Statement }), modified: ctx.now });
    });
    return {};
  },

  async RemovePermission({ EventBusName, StatementId, RemoveAllPermissions }, ctx) {
    const bus = await requireBus(ctx, EventBusName);
    const policy = JSON.parse(bus.policy ?? '{"Statement":[]}') as { Statement: Statement[] };
    const Statement = RemoveAllPermissions === true ? [] : policy.Statement.filter(({ Sid }) => Sid !== StatementId);
    if (RemoveAllPermissions !== true && Statement.length === policy.Statement.length)
      throw validation('Statement with the provided id does not exist.');
    await ctx.transact((tx) =>
      tx.table(Buses).put({
        ...bus,
        policy: Statement.length === 0 ? undefined : JSON.stringify({ ...policy, Statement }),
        modified: ctx.now,
      }),
    );
    return {};
  },
};

/** What to ask for an operation on a bus. */
export async function onBus(given: string | undefined, ctx: Context): Promise<readonly Check[]> {
  const [, , , , account = ctx.account] = given?.startsWith('arn:') === true ? given.split(':') : [];
  const name = given?.startsWith('arn:') === true ? given.slice(given.indexOf('event-bus/') + 10) : (given ?? defaultBus);
  const row = await ctx.tableIn({ account, region: ctx.region }, Buses).get(name);
  return [{ resource: busArn({ account, region: ctx.region }, name), resourceAccount: account, resourcePolicy: row?.policy }];
}

export const busChecks: AuthorisationsOf<EventBridge> = {
  CreateEventBus: ({ Name }, ctx) => onBus(Name, ctx),
  DeleteEventBus: ({ Name }, ctx) => onBus(Name, ctx),
  DescribeEventBus: ({ Name }, ctx) => onBus(Name, ctx),
  UpdateEventBus: ({ Name }, ctx) => onBus(Name, ctx),
};

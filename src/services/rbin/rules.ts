/** Retention rules: made, listed, changed, locked, deleted ("Recycle Bin", "Work with retention rules"). */
import type { Rbin, ResourceTag, RetentionPeriod, Tag } from '@aws-sdk/client-rbin';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf, Task } from '../../kernel/service.ts';
import { pageOf } from '../../base/paging.ts';
import { type RuleRow, Rules, type TagPattern } from './state.ts';

const daysMin = 1;
const daysMax = 365;
const rulesMax = 250;
const patternsMax = 50;
const unlockDaysMin = 7;
const unlockDaysMax = 30;
const pageDefault = 100;

function invalid(message: string, reason = 'INVALID_PARAMETER_VALUE'): AwsError {
  return new AwsError('ValidationException', message, { members: { Reason: reason } });
}

function ruleNotFound(): AwsError {
  return new AwsError('ResourceNotFoundException', 'The specified retention rule does not exist.', {
    status: 404,
    members: { Reason: 'RULE_NOT_FOUND' },
  });
}

function locked(): AwsError {
  return new AwsError('ConflictException', 'The specified retention rule is locked.', {
    status: 409,
    members: { Reason: 'INVALID_RULE_STATE' },
  });
}

async function requireRule(source: Pick<Context | Transaction, 'table'>, id: string | undefined): Promise<RuleRow> {
  const row = await source.table(Rules).get(id ?? '');
  if (row === undefined) throw ruleNotFound();
  return row;
}

function readPeriod(period: RetentionPeriod | undefined): number {
  if (period?.RetentionPeriodUnit !== 'DAYS') throw invalid('The retention period unit must be DAYS.');
  const days = period.RetentionPeriodValue ?? 0;
  if (!Number.isInteger(days) || days < daysMin || days > daysMax)
    throw invalid(`The retention period value must be between ${daysMin} and ${daysMax} days.`);
  return days;
}

function readPatterns(given: readonly ResourceTag[] | undefined): TagPattern[] {
  if ((given?.length ?? 0) > patternsMax) throw invalid(`A rule has at most ${patternsMax} resource tags.`);
  return (given ?? []).map(({ ResourceTagKey: key = '', ResourceTagValue: value }) => ({
    key,
    ...(value === undefined || value === '' ? {} : { value }),
  }));
}

function checkType(type: string | undefined): void {
  if (type !== 'EBS_SNAPSHOT' && type !== 'EC2_IMAGE') throw invalid(`Invalid resource type: ${type ?? ''}.`);
}

function readTags(given: readonly Tag[] | undefined): Record<string, string> {
  return Object.fromEntries((given ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

function shownPatterns(patterns: readonly TagPattern[]): ResourceTag[] {
  return patterns.map(({ key, value }) => ({ ResourceTagKey: key, ...(value === undefined ? {} : { ResourceTagValue: value }) }));
}

function arnOf(ctx: Context, id: string): string {
  return `arn:aws:rbin:${ctx.region}:${ctx.account}:rule/${id}`;
}

function describeRule(ctx: Context, row: RuleRow) {
  return {
    Identifier: row.id,
    Description: row.description,
    ResourceType: row.type,
    RetentionPeriod: { RetentionPeriodValue: row.days, RetentionPeriodUnit: 'DAYS' as const },
    ResourceTags: shownPatterns(row.include),
    Status: 'available' as const,
    LockState: row.lock,
    ...(row.unlockDelayDays === undefined
      ? {}
      : { LockConfiguration: { UnlockDelay: { UnlockDelayValue: row.unlockDelayDays, UnlockDelayUnit: 'DAYS' as const } } }),
    ...(row.unlocksAt === undefined ? {} : { LockEndTime: new Date(row.unlocksAt) }),
    RuleArn: arnOf(ctx, row.id),
  };
}

function readDelay(value: number | undefined): number {
  if (value === undefined || value < unlockDaysMin || value > unlockDaysMax)
    throw invalid(`The unlock delay must be between ${unlockDaysMin} and ${unlockDaysMax} days.`);
  return value;
}

export const ruleHandlers: HandlersOf<Rbin> = {
  async CreateRule(input, ctx) {
    const include = readPatterns(input.ResourceTags);
    checkType(input.ResourceType);
    const delay = input.LockConfiguration?.UnlockDelay?.UnlockDelayValue;
    const row: RuleRow = {
      id: ctx.id('retentionRule'),
      type: input.ResourceType as RuleRow['type'],
      days: readPeriod(input.RetentionPeriod),
      description: input.Description ?? '',
      include,
      lock: input.LockConfiguration === undefined ? 'unlocked' : 'locked',
      unlockDelayDays: input.LockConfiguration === undefined ? undefined : readDelay(delay),
      tags: readTags(input.Tags),
    };
    if (row.lock === 'locked' && include.length > 0) throw invalid('Only Region-level retention rules can be locked.');
    await ctx.transact(async (tx) => {
      if ((await tx.table(Rules).count()) >= rulesMax)
        throw new AwsError('ServiceQuotaExceededException', 'The quota of retention rules is reached.', {
          status: 402,
          members: { Reason: 'SERVICE_QUOTA_EXCEEDED' },
        });
      await tx.table(Rules).put(row);
    });
    return { ...describeRule(ctx, row), Tags: input.Tags ?? [] };
  },

  async GetRule(input, ctx) {
    return describeRule(ctx, await requireRule(ctx, input.Identifier));
  },

  async ListRules(input, ctx) {
    const wanted = readPatterns(input.ResourceTags);
    const rows = (await ctx.table(Rules).list()).filter(
      (row) =>
        row.type === input.ResourceType &&
        (input.LockState === undefined || row.lock === input.LockState) &&
        wanted.every(({ key, value }) =>
          row.include.some((one) => one.key === key && (value === undefined || one.value === value)),
        ),
    );
    const found = pageOf(rows, (row) => [row.id], {
      scope: 'rbin:ListRules',
      token: input.NextToken,
      limit: input.MaxResults ?? pageDefault,
    });
    if (found === undefined) throw invalid('The next token is not valid.');
    return {
      Rules: found.items.map((row) => {
        const { Identifier, Description, RetentionPeriod, LockState, RuleArn } = describeRule(ctx, row);
        return { Identifier, Description, RetentionPeriod, LockState, RuleArn };
      }),
      NextToken: found.nextToken,
    };
  },

  /** Throws ConflictException for a locked rule, unless it only lengthens the period. */
  async UpdateRule(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const before = await requireRule(tx, input.Identifier);
      const days = input.RetentionPeriod === undefined ? before.days : readPeriod(input.RetentionPeriod);
      const include = input.ResourceTags === undefined ? before.include : readPatterns(input.ResourceTags);
      if (before.lock !== 'unlocked') throw locked();
      if (input.ResourceType !== undefined && input.ResourceType !== before.type)
        throw invalid('The resource type of a rule cannot be changed.');
      const after = { ...before, days, include, description: input.Description ?? before.description };
      await tx.table(Rules).put(after);
      return after;
    });
    return describeRule(ctx, row);
  },

  async DeleteRule(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRule(tx, input.Identifier);
      if (row.lock !== 'unlocked') throw locked();
      await tx.table(Rules).delete(row.id);
    });
    return {};
  },

  async LockRule(input, ctx) {
    const unlockDelayDays = readDelay(input.LockConfiguration?.UnlockDelay?.UnlockDelayValue);
    const row = await ctx.transact(async (tx) => {
      const before = await requireRule(tx, input.Identifier);
      if (before.include.length > 0) throw invalid('Only Region-level retention rules can be locked.');
      const after: RuleRow = { ...before, lock: 'locked', unlockDelayDays, unlocksAt: undefined };
      await tx.table(Rules).put(after);
      return after;
    });
    return describeRule(ctx, row);
  },

  /** The rule stays locked for its delay ("pending_unlock"). */
  async UnlockRule(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const before = await requireRule(tx, input.Identifier);
      if (before.lock !== 'locked')
        throw new AwsError('ConflictException', 'The specified retention rule is not locked.', {
          status: 409,
          members: { Reason: 'INVALID_RULE_STATE' },
        });
      const unlocksAt = ctx.now + (before.unlockDelayDays ?? unlockDaysMin) * 24 * 3_600_000;
      const after: RuleRow = { ...before, lock: 'pending_unlock', unlocksAt };
      await tx.table(Rules).put(after);
      await tx.schedule({ task: 'unlockRule', key: before.id, due: unlocksAt });
      return after;
    });
    return describeRule(ctx, row);
  },

  async ListTagsForResource(input, ctx) {
    const row = await requireRule(ctx, idOf(input.ResourceArn));
    return { Tags: Object.entries(row.tags).map(([Key, Value]) => ({ Key, Value })) };
  },

  async TagResource(input, ctx) {
    await changeTags(ctx, input.ResourceArn, (tags) => ({ ...tags, ...readTags(input.Tags) }));
    return {};
  },

  async UntagResource(input, ctx) {
    const gone = new Set(input.TagKeys ?? []);
    await changeTags(ctx, input.ResourceArn, (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))),
    );
    return {};
  },
};

function idOf(arn: string | undefined): string {
  return arn?.split('/').at(-1) ?? '';
}

async function changeTags(
  ctx: Context,
  arn: string | undefined,
  change: (tags: RuleRow['tags']) => RuleRow['tags'],
): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await requireRule(tx, idOf(arn));
    await tx.table(Rules).put({ ...row, tags: change(row.tags) });
  });
}

export const unlockRule: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Rules).get(job.key);
    if (row?.lock !== 'pending_unlock') return;
    await tx.table(Rules).put({ ...row, lock: 'unlocked', unlocksAt: undefined, unlockDelayDays: undefined });
  });
};

async function onRule(id: string | undefined, ctx: Context): Promise<Check[]> {
  const row = await ctx.table(Rules).get(id ?? '');
  const tags = Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]);
  return [{ resource: arnOf(ctx, id ?? '*'), conditions: Object.fromEntries(tags) }];
}

const named = (input: { Identifier?: string | undefined }, ctx: Context): Promise<Check[]> => onRule(input.Identifier, ctx);
const tagged = (input: { ResourceArn?: string | undefined }, ctx: Context): Promise<Check[]> =>
  onRule(idOf(input.ResourceArn), ctx);

export const ruleChecks: AuthorisationsOf<Rbin> = {
  CreateRule: (input, ctx) => [
    {
      resource: arnOf(ctx, '*'),
      conditions: {
        'rbin:Request/ResourceType': input.ResourceType,
        ...Object.fromEntries((input.Tags ?? []).map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
      },
    },
  ],
  ListRules: (_input, ctx) => [{ resource: arnOf(ctx, '*') }],
  GetRule: named,
  UpdateRule: named,
  DeleteRule: named,
  LockRule: named,
  UnlockRule: named,
  ListTagsForResource: tagged,
  TagResource: tagged,
  UntagResource: tagged,
};

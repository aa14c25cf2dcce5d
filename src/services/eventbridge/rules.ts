/** Rules and their targets. Source: EventBridge API Reference, PutRule and PutTargets. */
import type { EventBridge, Target } from '@aws-sdk/client-eventbridge';
import { compilePattern } from '../../base/event-pattern.ts';
import { pageOf } from '../../base/paging.ts';
import { parseSchedule } from '../../base/schedule-expression.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { busName, defaultBus, readTags, requireBus } from './buses.ts';
import { limitExceeded, ruleNotFound, validation } from './errors.ts';
import { checkPattern } from './patterns.ts';
import { kindOfTarget, kindsByRole } from './targets.ts';
import { type RuleRow, Rules, type TargetRow, Targets } from './state.ts';

const rulesPerBusMax = 300;
const targetsPerRuleMax = 5;
const perPageMax = 100;

export function ruleArn({ account, region }: Scope, bus: string, name: string): string {
  return `arn:aws:events:${region}:${account}:rule/${bus === defaultBus ? '' : `${bus}/`}${name}`;
}

async function requireRule(ctx: Context, given: string | undefined, name: string | undefined): Promise<RuleRow> {
  const bus = await requireBus(ctx, given);
  const rule = await ctx.table(Rules).get(bus.name, name ?? '');
  if (rule === undefined) throw ruleNotFound(name ?? '', bus.name);
  return rule;
}

/** Sees that the rule's next time waits, or that none does. `after` is the last one. */
export async function scheduleRule(tx: Transaction, rule: RuleRow, after: number): Promise<void> {
  const key = `${rule.bus} ${rule.name}`;
  const due = rule.schedule === undefined || !rule.enabled ? undefined : parseSchedule(rule.schedule)?.(after, rule.created);
  if (due === undefined) await tx.unschedule('tick', key);
  else await tx.schedule({ task: 'tick', key, due });
}

function describe(ctx: Context, rule: RuleRow) {
  return {
    Name: rule.name,
    Arn: ruleArn(ctx, rule.bus, rule.name),
    EventPattern: rule.pattern,
    ScheduleExpression: rule.schedule,
    State: rule.enabled ? ('ENABLED' as const) : ('DISABLED' as const),
    Description: rule.description,
    RoleArn: rule.roleArn,
    EventBusName: rule.bus,
  };
}

function readTarget(bus: string, rule: string, target: Target): TargetRow {
  const {
    Id = '',
    Arn = '',
    RoleArn,
    Input,
    InputPath,
    InputTransformer,
    SqsParameters,
    DeadLetterConfig,
    RetryPolicy,
    KinesisParameters,
    HttpParameters,
    ...others
  } = target;
  const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
  if (other !== undefined) throw parameterNotImplemented('PutTargets', `Targets.${other}`);
  new RequestCheck()
    .range('targets.1.member.retryPolicy.maximumRetryAttempts', RetryPolicy?.MaximumRetryAttempts, 0, 185)
    .range('targets.1.member.retryPolicy.maximumEventAgeInSeconds', RetryPolicy?.MaximumEventAgeInSeconds, 60, 86_400)
    .done();
  if (!/^[.\-_A-Za-z0-9]{1,64}$/.test(Id))
    throw new AwsError('ValidationException', `Parameter ${Id} is not valid. Reason: Provided Id is not valid.`);
  if (!Arn.startsWith('arn:')) throw validation(`Parameter ${Arn} is not valid. Reason: Provided Arn is not in correct format.`);
  if ([Input, InputPath, InputTransformer].filter((one) => one !== undefined).length > 1)
    throw validation(`Only one of Input, InputPath, or InputTransformer must be provided for target ${Id}.`);
  const kind = kindOfTarget(Arn);
  if (kind === undefined) throw parameterNotImplemented('PutTargets', `Targets of ${Arn.split(':')[2]}`);
  if (kindsByRole.includes(kind) && RoleArn === undefined) throw validation(`RoleArn is required for target ${Arn}.`);
  if (KinesisParameters !== undefined && kind !== 'kinesis')
    throw validation(`Parameter KinesisParameters is not valid for target ${Id}.`);
  if (HttpParameters !== undefined && kind !== 'api') throw validation(`Parameter HttpParameters is not valid for target ${Id}.`);
  if (kind === 'sqs' && Arn.endsWith('.fifo') && SqsParameters?.MessageGroupId === undefined)
    throw validation(`Parameter(s) SqsParameters must be specified for target: ${Id}.`);
  if (InputTransformer !== undefined && InputTransformer.InputTemplate === undefined)
    throw validation(`Parameter InputTemplate must be specified for target ${Id}.`);
  return {
    bus,
    rule,
    id: Id,
    arn: Arn,
    roleArn: RoleArn,
    input: Input,
    inputPath: InputPath,
    transformer: InputTransformer && {
      paths: InputTransformer.InputPathsMap ?? {},
      template: InputTransformer.InputTemplate ?? '',
    },
    group: SqsParameters?.MessageGroupId,
    deadLetters: DeadLetterConfig?.Arn,
    retry: RetryPolicy && { retries: RetryPolicy.MaximumRetryAttempts, ageSeconds: RetryPolicy.MaximumEventAgeInSeconds },
    partitionKeyPath: KinesisParameters?.PartitionKeyPath,
    http: HttpParameters && {
      path: HttpParameters.PathParameterValues ?? [],
      headers: HttpParameters.HeaderParameters ?? {},
      query: HttpParameters.QueryStringParameters ?? {},
    },
  };
}

function describeTarget(row: TargetRow): Target {
  return {
    Id: row.id,
    Arn: row.arn,
    RoleArn: row.roleArn,
    Input: row.input,
    InputPath: row.inputPath,
    InputTransformer: row.transformer && { InputPathsMap: { ...row.transformer.paths }, InputTemplate: row.transformer.template },
    SqsParameters: row.group === undefined ? undefined : { MessageGroupId: row.group },
    RetryPolicy: row.retry && { MaximumRetryAttempts: row.retry.retries, MaximumEventAgeInSeconds: row.retry.ageSeconds },
    KinesisParameters: row.partitionKeyPath === undefined ? undefined : { PartitionKeyPath: row.partitionKeyPath },
    HttpParameters: row.http && {
      PathParameterValues: [...row.http.path],
      HeaderParameters: { ...row.http.headers },
      QueryStringParameters: { ...row.http.query },
    },
    DeadLetterConfig: row.deadLetters === undefined ? undefined : { Arn: row.deadLetters },
  };
}

async function setEnabled(ctx: Context, given: string | undefined, name: string | undefined, enabled: boolean) {
  const rule = await requireRule(ctx, given, name);
  await ctx.transact(async (tx) => {
    const changed = { ...((await tx.table(Rules).get(rule.bus, rule.name)) ?? rule), enabled };
    await tx.table(Rules).put(changed);
    await scheduleRule(tx, changed, ctx.clock.now());
  });
  return {};
}

export const ruleHandlers: HandlersOf<EventBridge> = {
  async PutRule({ Name = '', EventBusName, EventPattern, ScheduleExpression, State, Description, RoleArn, Tags }, ctx) {
    new RequestCheck().length('name', Name, 1, 64).length('description', Description, 0, 512).done();
    if (!/^[.\-_A-Za-z0-9]+$/.test(Name)) {
      throw validation(
        `1 validation error detected: Value '${Name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+`,
      );
    }
    const bus = await requireBus(ctx, EventBusName);
    if (EventPattern === undefined && ScheduleExpression === undefined)
      throw validation('Parameter(s) EventPattern or ScheduleExpression must be specified.');
    if (State !== undefined && State !== 'ENABLED' && State !== 'DISABLED')
      throw parameterNotImplemented('PutRule', `State=${State}`);
    if (EventPattern !== undefined) checkPattern(EventPattern);
    if (ScheduleExpression !== undefined) {
      if (bus.name !== defaultBus) throw validation('ScheduleExpression is supported only on the default event bus.');
      if (parseSchedule(ScheduleExpression) === undefined) throw validation('Parameter ScheduleExpression is not valid.');
    }
    await ctx.transact(async (tx) => {
      const known = await tx.table(Rules).get(bus.name, Name);
      if (known === undefined && (await tx.table(Rules).count([bus.name])) >= rulesPerBusMax) throw limitExceeded();
      const rule: RuleRow = {
        bus: bus.name,
        name: Name,
        description: Description,
        pattern: EventPattern,
        schedule: ScheduleExpression,
        enabled: State !== 'DISABLED',
        roleArn: RoleArn,
        created: known !== undefined && known.schedule === ScheduleExpression ? known.created : ctx.clock.now(),
        tags: known?.tags ?? readTags(Tags),
      };
      await tx.table(Rules).put(rule);
      await scheduleRule(tx, rule, ctx.clock.now());
    });
    return { RuleArn: ruleArn(ctx, bus.name, Name) };
  },

  async DescribeRule({ Name, EventBusName }, ctx) {
    return { ...describe(ctx, await requireRule(ctx, EventBusName, Name)), CreatedBy: ctx.account };
  },

  async DeleteRule({ Name = '', EventBusName }, ctx) {
    const bus = await requireBus(ctx, EventBusName);
    await ctx.transact(async (tx) => {
      if ((await tx.table(Targets).count([bus.name, Name])) > 0) throw validation("Rule can't be deleted since it has targets.");
      await tx.table(Rules).delete(bus.name, Name);
      await tx.unschedule('tick', `${bus.name} ${Name}`);
    });
    return {};
  },

  EnableRule: ({ Name, EventBusName }, ctx) => setEnabled(ctx, EventBusName, Name, true),
  DisableRule: ({ Name, EventBusName }, ctx) => setEnabled(ctx, EventBusName, Name, false),

  async ListRules({ NamePrefix = '', EventBusName, NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const bus = await requireBus(ctx, EventBusName);
    const rows = (await ctx.table(Rules).list({ prefix: [bus.name] })).filter(({ name }) => name.startsWith(NamePrefix));
    const scope = `ListRules ${bus.name} ${NamePrefix}`;
    const page = pageOf(rows, ({ name }) => [name], { scope, token: NextToken, limit: Limit ?? perPageMax });
    if (page === undefined) throw validation('NextToken is not valid.');
    return { Rules: page.items.map((row) => describe(ctx, row)), NextToken: page.nextToken };
  },

  async PutTargets({ Rule, EventBusName, Targets: given = [] }, ctx) {
    const rule = await requireRule(ctx, EventBusName, Rule);
    const rows = given.map((target) => readTarget(rule.bus, rule.name, target));
    await ctx.transact(async (tx) => {
      const ids = new Set([...(await tx.table(Targets).list({ prefix: [rule.bus, rule.name] })), ...rows].map(({ id }) => id));
      if (ids.size > targetsPerRuleMax) throw limitExceeded();
      for (const row of rows) await tx.table(Targets).put(row);
    });
    return { FailedEntryCount: 0, FailedEntries: [] };
  },

  async RemoveTargets({ Rule, EventBusName, Ids = [] }, ctx) {
    const rule = await requireRule(ctx, EventBusName, Rule);
    const missing = await ctx.transact(async (tx) => {
      const absent: string[] = [];
      for (const id of Ids) if (!(await tx.table(Targets).delete(rule.bus, rule.name, id))) absent.push(id);
      return absent;
    });
    const FailedEntries = missing.map((id) => ({
      TargetId: id,
      ErrorCode: 'ResourceNotFoundException',
      ErrorMessage: `Rule ${rule.name} does not have a target with the Id ${id}.`,
    }));
    return { FailedEntryCount: FailedEntries.length, FailedEntries };
  },

  async ListTargetsByRule({ Rule, EventBusName, NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const rule = await requireRule(ctx, EventBusName, Rule);
    const rows = await ctx.table(Targets).list({ prefix: [rule.bus, rule.name] });
    const scope = `ListTargetsByRule ${rule.bus} ${rule.name}`;
    const page = pageOf(rows, ({ id }) => [id], { scope, token: NextToken, limit: Limit ?? perPageMax });
    if (page === undefined) throw validation('NextToken is not valid.');
    return { Targets: page.items.map(describeTarget), NextToken: page.nextToken };
  },

  async ListRuleNamesByTarget({ TargetArn = '', EventBusName, NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const bus = await requireBus(ctx, EventBusName);
    const rows = (await ctx.table(Targets).byIndex('byArn', [TargetArn])).filter((row) => row.bus === bus.name);
    const names = [...new Set(rows.map(({ rule }) => rule))].sort();
    const scope = `ListRuleNamesByTarget ${bus.name} ${TargetArn}`;
    const page = pageOf(names, (name) => [name], { scope, token: NextToken, limit: Limit ?? perPageMax });
    if (page === undefined) throw validation('NextToken is not valid.');
    return { RuleNames: page.items, NextToken: page.nextToken };
  },

  TestEventPattern({ EventPattern = '', Event = '' }) {
    checkPattern(EventPattern);
    let event: unknown;
    try {
      event = JSON.parse(Event);
    } catch {
      throw validation('Parameter Event is not valid.');
    }
    const missing = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type'].find(
      (name) => (event as Record<string, unknown> | null)?.[name] === undefined,
    );
    if (missing !== undefined) throw validation('Parameter Event is not valid.');
    return { Result: compilePattern(EventPattern)(event) };
  },
};

function onRule(
  { Name, Rule, EventBusName }: { Name?: string | undefined; Rule?: string | undefined; EventBusName?: string | undefined },
  ctx: Context,
): readonly Check[] {
  return [{ resource: ruleArn(ctx, busName(ctx, EventBusName), Name ?? Rule ?? '') }];
}

export const ruleChecks: AuthorisationsOf<EventBridge> = {
  PutRule: onRule,
  DescribeRule: onRule,
  DeleteRule: onRule,
  EnableRule: onRule,
  DisableRule: onRule,
  PutTargets: (input, ctx) => {
    const roles = new Set((input.Targets ?? []).map(({ RoleArn }) => RoleArn).filter((role) => role !== undefined));
    const conditions = { 'iam:PassedToService': 'events.amazonaws.com' };
    return [...onRule(input, ctx), ...[...roles].map((resource) => ({ action: 'iam:PassRole', resource, conditions }))];
  },
  RemoveTargets: onRule,
  ListTargetsByRule: onRule,
};

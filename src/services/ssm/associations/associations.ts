/**
 * State Manager: an association applies a document to its targets when it is made, on its schedule, and to each node that comes to be among them.
 * Source: User Guide, "AWS Systems Manager State Manager", "About scheduling"; API Reference, CreateAssociation.
 */
import type { AssociationDescription, AssociationOverview, CreateAssociationRequest, SSM, Target } from '@aws-sdk/client-ssm';
import type { Millis } from '../../../base/clock.ts';
import { pageOf } from '../../../base/paging.ts';
import { parseSchedule } from '../../../base/schedule-expression.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { Authorisation, AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import { stateOf } from '../commands/rules.ts';
import { makeCommand, nodesOf } from '../commands/send.ts';
import { type CommandRow, Commands, type InvocationRow, Invocations } from '../commands/state.ts';
import { readParameters } from '../documents/content.ts';
import { requireDocument } from '../documents/documents.ts';
import { documentArn } from '../documents/names.ts';
import { invalidAssociation, invalidNextToken, validation } from '../errors.ts';
import { type AssociationRow, Associations } from './state.ts';

const pageItemsMax = 50;
const rateMillisMin = 1_800_000;

function invalidSchedule(): AwsError {
  return new AwsError('InvalidSchedule', 'The schedule is invalid. Verify your cron or rate expression and try again.');
}

/** When an association is run next by its schedule; undefined when it has none, or no more. */
function nextRun({ schedule, created }: Pick<AssociationRow, 'schedule' | 'created'>, after: Millis): Millis | undefined {
  if (schedule === undefined) return undefined;
  const at = /^at\((\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)\)$/.exec(schedule)?.[1];
  if (at === undefined) return parseSchedule(schedule)?.(after, created);
  const time = Date.parse(`${at}Z`);
  return time > after ? time : undefined;
}

/** Throws InvalidSchedule. */
function checkSchedule(schedule: string | undefined): void {
  if (schedule === undefined || /^at\(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?\)$/.test(schedule)) return;
  const parsed = parseSchedule(schedule);
  if (parsed === undefined) throw invalidSchedule();
  const first = parsed(0, 0);
  if (schedule.startsWith('rate') && first !== undefined && first < rateMillisMin) throw invalidSchedule();
}

async function scheduleNext(tx: Transaction, row: AssociationRow, after: Millis): Promise<void> {
  const due = nextRun(row, after);
  if (due === undefined) await tx.unschedule('associationDue', row.id);
  else await tx.schedule({ task: 'associationDue', key: row.id, due });
}

/** Runs an association: on all its targets, or on one node. */
async function apply(ctx: Context, id: string, only?: string): Promise<void> {
  const row = await ctx.table(Associations).get(id);
  if (row === undefined) return;
  const instances = only === undefined ? await nodesOf(ctx, row.targets) : [only];
  const document = await requireDocument(ctx, row.document, row.documentVersion);
  const input = {
    Parameters: Object.fromEntries(Object.entries(row.parameters).map(([name, values]) => [name, [...values]])),
    MaxConcurrency: row.maxConcurrency,
    MaxErrors: row.maxErrors,
    OutputS3BucketName: row.bucket?.name,
    OutputS3KeyPrefix: row.bucket?.prefix,
  };
  const command = await makeCommand(ctx, { document, input, instances, association: id });
  await ctx.transact((tx) =>
    tx.table(Associations).update([id], (now) => ({ ...now, lastExecution: command.requested, lastCommand: command.id })),
  );
}

/** An association's time has come. After a jump in time it runs once, not once for each time that went by. */
export const associationDue: Task = async ({ key: id }, ctx) => {
  await apply(ctx, id);
  await ctx.transact(async (tx) => {
    const row = await tx.table(Associations).get(id);
    if (row !== undefined) await scheduleNext(tx, row, ctx.clock.now());
  });
};

export const associationOnce: Task = ({ key: id }, ctx) => apply(ctx, id);

/** A node has reported for the first time: what it is a target of is applied to it. */
export const associationsOfNode: Task = async ({ key: instance }, ctx) => {
  for (const row of await ctx.table(Associations).list())
    if (!row.onlyAtSchedule && (await nodesOf(ctx, row.targets)).includes(instance)) await apply(ctx, row.id, instance);
};

const statusNames: Readonly<Record<string, string>> = { InProgress: 'Pending', Cancelled: 'Failed', TimedOut: 'Failed' };

function overview(
  row: AssociationRow,
  command: CommandRow | undefined,
  invocations: readonly InvocationRow[],
): AssociationOverview {
  if (row.lastCommand === undefined) return { Status: 'Pending', DetailedStatus: 'Creating' };
  const state = command === undefined ? 'Success' : stateOf(command, invocations).status;
  const Status = statusNames[state] ?? state;
  const counts: Record<string, number> = {};
  for (const { status } of invocations) counts[statusNames[status] ?? status] = (counts[statusNames[status] ?? status] ?? 0) + 1;
  return { Status, DetailedStatus: Status, AssociationStatusAggregatedCount: counts };
}

async function describe(ctx: Context, row: AssociationRow): Promise<AssociationDescription> {
  const command = row.lastCommand === undefined ? undefined : await ctx.table(Commands).get(row.lastCommand);
  const invocations = command === undefined ? [] : await ctx.table(Invocations).list({ prefix: [command.id] });
  const told = overview(row, command, invocations);
  const last = row.lastExecution === undefined ? undefined : new Date(row.lastExecution);
  return {
    Name: row.document,
    InstanceId: row.instanceId,
    AssociationVersion: '1',
    Date: new Date(row.created),
    LastUpdateAssociationDate: new Date(row.created),
    Overview: told,
    DocumentVersion: row.documentVersion ?? '$DEFAULT',
    Parameters: Object.fromEntries(Object.entries(row.parameters).map(([name, values]) => [name, [...values]])),
    AssociationId: row.id,
    Targets: [...row.targets],
    ScheduleExpression: row.schedule,
    LastExecutionDate: last,
    LastSuccessfulExecutionDate: told.Status === 'Success' ? last : undefined,
    AssociationName: row.associationName,
    MaxErrors: row.maxErrors,
    MaxConcurrency: row.maxConcurrency,
    ApplyOnlyAtCronInterval: row.onlyAtSchedule,
    ...(row.bucket === undefined
      ? {}
      : { OutputLocation: { S3Location: { OutputS3BucketName: row.bucket.name, OutputS3KeyPrefix: row.bucket.prefix } } }),
  };
}

/** The association of a request: by id, or by its document and instance. Throws AssociationDoesNotExist. */
async function requireAssociation(
  ctx: Pick<Context, 'table'>,
  input: { AssociationId?: string | undefined; Name?: string | undefined; InstanceId?: string | undefined },
): Promise<AssociationRow> {
  const rows = await ctx.table(Associations).list();
  const found = rows.find((row) =>
    input.AssociationId !== undefined
      ? row.id === input.AssociationId
      : row.instanceId !== undefined && row.instanceId === input.InstanceId && row.document === input.Name,
  );
  if (found === undefined) throw invalidAssociation();
  return found;
}

const left = [
  'AutomationTargetParameterName',
  'ComplianceSeverity',
  'SyncCompliance',
  'CalendarNames',
  'TargetLocations',
  'ScheduleOffset',
  'Duration',
  'TargetMaps',
  'Tags',
  'AlarmConfiguration',
  'AssociationDispatchAssumeRole',
] as const;

function readTargets({ InstanceId: instance, Targets: targets = [] }: CreateAssociationRequest): Target[] {
  if ((instance === undefined) === (targets.length === 0))
    throw validation('Either InstanceId or Targets must be specified, and not both.');
  return instance === undefined ? targets : [{ Key: 'InstanceIds', Values: [instance] }];
}

/** Runs of an association, newest first. */
async function runsOf(ctx: Context, id: string): Promise<CommandRow[]> {
  const rows = (await ctx.table(Commands).list()).filter(({ association }) => association === id);
  return rows.sort((a, b) => b.requested - a.requested || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
}

export const associationHandlers: HandlersOf<SSM> = {
  async CreateAssociation(input, ctx) {
    for (const name of left) if (input[name] !== undefined) throw parameterNotImplemented('CreateAssociation', name);
    const targets = readTargets(input);
    await nodesOf(ctx, targets);
    checkSchedule(input.ScheduleExpression);
    const document = await requireDocument(ctx, input.Name, input.DocumentVersion);
    if (document.type !== 'Command') throw parameterNotImplemented('CreateAssociation', 'Name of an Automation runbook');
    readParameters(document.content, input.Parameters);
    const location = input.OutputLocation?.S3Location;
    const row: AssociationRow = {
      id: ctx.uuid(),
      associationName: input.AssociationName,
      document: document.name,
      documentVersion: input.DocumentVersion,
      parameters: input.Parameters ?? {},
      targets,
      instanceId: input.InstanceId,
      schedule: input.ScheduleExpression,
      onlyAtSchedule: input.ApplyOnlyAtCronInterval ?? false,
      maxConcurrency: input.MaxConcurrency,
      maxErrors: input.MaxErrors,
      ...(location?.OutputS3BucketName === undefined
        ? {}
        : { bucket: { name: location.OutputS3BucketName, prefix: location.OutputS3KeyPrefix ?? '' } }),
      created: ctx.now,
    };
    await ctx.transact(async (tx) => {
      const twin = (await tx.table(Associations).list()).find(
        (one) => one.instanceId !== undefined && one.instanceId === row.instanceId && one.document === row.document,
      );
      if (twin !== undefined) throw new AwsError('AssociationAlreadyExists', 'The specified association already exists.');
      await tx.table(Associations).put(row);
      if (!row.onlyAtSchedule) await tx.schedule({ task: 'associationOnce', key: row.id, due: ctx.now });
      await scheduleNext(tx, row, ctx.now);
    });
    return { AssociationDescription: await describe(ctx, row) };
  },

  async DescribeAssociation(input, ctx) {
    if (input.AssociationVersion !== undefined && !['1', '$LATEST'].includes(input.AssociationVersion))
      throw new AwsError('InvalidAssociationVersion', 'The version of the association does not exist.');
    return { AssociationDescription: await describe(ctx, await requireAssociation(ctx, input)) };
  },

  async DeleteAssociation(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireAssociation(tx, input);
      await tx.table(Associations).delete(id);
      await tx.unschedule('associationDue', id);
      await tx.unschedule('associationOnce', id);
    });
    return {};
  },

  async ListAssociations(input, ctx) {
    if (input.AssociationFilterList !== undefined) throw parameterNotImplemented('ListAssociations', 'AssociationFilterList');
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const page = pageOf(await ctx.table(Associations).list(), ({ id }) => [id], {
      scope: 'ListAssociations',
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    return { Associations: await Promise.all(page.items.map((row) => describe(ctx, row))), NextToken: page.nextToken };
  },

  /** Applies associations now, whatever their schedules say. */
  async StartAssociationsOnce(input, ctx) {
    await ctx.transact(async (tx) => {
      for (const AssociationId of input.AssociationIds ?? []) {
        const { id } = await requireAssociation(tx, { AssociationId });
        await tx.schedule({ task: 'associationOnce', key: id, due: ctx.now });
      }
    });
    return {};
  },

  async DescribeAssociationExecutions(input, ctx) {
    if (input.Filters !== undefined) throw parameterNotImplemented('DescribeAssociationExecutions', 'Filters');
    const row = await requireAssociation(ctx, { AssociationId: input.AssociationId });
    const page = pageOf(await runsOf(ctx, row.id), ({ requested, id }) => [-requested, id], {
      scope: `DescribeAssociationExecutions ${row.id}`,
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    const executions = [];
    for (const command of page.items) {
      const told = overview(
        { ...row, lastCommand: command.id },
        command,
        await ctx.table(Invocations).list({ prefix: [command.id] }),
      );
      const counts = Object.entries(told.AssociationStatusAggregatedCount ?? {}).map(([status, count]) => `${status}=${count}`);
      executions.push({
        AssociationId: row.id,
        AssociationVersion: '1',
        ExecutionId: command.id,
        Status: told.Status,
        DetailedStatus: told.DetailedStatus,
        CreatedTime: new Date(command.requested),
        LastExecutionDate: new Date(command.requested),
        ResourceCountByStatus: `{${counts.join(', ')}}`,
      });
    }
    return { AssociationExecutions: executions, NextToken: page.nextToken };
  },

  async DescribeAssociationExecutionTargets(input, ctx) {
    if (input.Filters !== undefined) throw parameterNotImplemented('DescribeAssociationExecutionTargets', 'Filters');
    const row = await requireAssociation(ctx, { AssociationId: input.AssociationId });
    const id = input.ExecutionId ?? '';
    if ((await ctx.table(Commands).get(id))?.association !== row.id)
      throw new AwsError('AssociationExecutionDoesNotExist', 'The specified execution ID does not exist.');
    const page = pageOf(await ctx.table(Invocations).list({ prefix: [id] }), ({ instance }) => [instance], {
      scope: `DescribeAssociationExecutionTargets ${id}`,
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    const targets = page.items.map(({ instance, status, requested }) => ({
      AssociationId: row.id,
      AssociationVersion: '1',
      ExecutionId: id,
      ResourceId: instance,
      ResourceType: 'ManagedInstance',
      Status: statusNames[status] ?? status,
      DetailedStatus: statusNames[status] ?? status,
      LastExecutionDate: new Date(requested),
      OutputSource: { OutputSourceId: id, OutputSourceType: 'RunCommand' },
    }));
    return { AssociationExecutionTargets: targets, NextToken: page.nextToken };
  },
};

const onAssociation: Authorisation<{ AssociationId?: string | undefined }> = ({ AssociationId = '*' }, ctx) => [
  { resource: `arn:aws:ssm:${ctx.region}:${ctx.account}:association/${AssociationId}` },
];

export const associationChecks: AuthorisationsOf<SSM> = {
  CreateAssociation: ({ Name = '' }, ctx) => [{ resource: documentArn(ctx, Name), resourceAccount: ctx.account }],
  DescribeAssociation: onAssociation,
  DeleteAssociation: onAssociation,
  DescribeAssociationExecutions: onAssociation,
  DescribeAssociationExecutionTargets: onAssociation,
  StartAssociationsOnce: ({ AssociationIds = [] }, ctx) =>
    AssociationIds.map((id) => ({ resource: `arn:aws:ssm:${ctx.region}:${ctx.account}:association/${id}` })),
};

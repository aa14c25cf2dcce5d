/** SendCommand and CancelCommand. Source: API Reference; User Guide, "Run commands at scale". */
import type { SendCommandRequest, SSM, Target } from '@aws-sdk/client-ssm';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import { matchingNodes } from '../agent/information.ts';
import { factsOf, instanceArn } from '../agent/nodes.ts';
import { Nodes } from '../agent/state.ts';
import { readParameters } from '../documents/content.ts';
import { type FoundDocument, requireDocument } from '../documents/documents.ts';
import { documentArn } from '../documents/names.ts';
import { invalidCommandId, invalidInstanceId, invalidTarget, unsupportedPlatform, validation } from '../errors.ts';
import { describeCommand } from './reading.ts';
import { type CommandRow, Commands, type InvocationRow, Invocations } from './state.ts';

const instancesMax = 50;
const targetsMax = 5;
const timeoutSecondsDefault = 3600;
const timeoutSecondsMin = 30;
const timeoutSecondsMax = 2_592_000;
const keptMillis = 30 * 86_400_000;

/** Ids of the managed nodes that targets mean: all must fit. Throws InvalidTarget. */
export async function nodesOf(ctx: Context, targets: readonly Target[]): Promise<string[]> {
  const filters = targets.map(({ Key = '', Values = [] }) => {
    if (!/^(tag:.+|tag-key|InstanceIds)$/.test(Key)) throw invalidTarget(`The target key ${Key} is not supported.`);
    return { Key, Values };
  });
  if (filters.some(({ Key, Values }) => Key === 'InstanceIds' && Values.includes('*')))
    return (await ctx.table(Nodes).list()).map(({ id }) => id);
  return (await matchingNodes(ctx, filters)).map(({ id }) => id);
}

/** Throws InvalidInstanceId for instances that are no managed nodes, or not there now. */
async function checkNodes(ctx: Context, ids: readonly string[]): Promise<void> {
  const bad: string[] = [];
  for (const id of ids) if ((await ctx.table(Nodes).get(id))?.status !== 'Online') bad.push(id);
  if (bad.length > 0) throw invalidInstanceId(bad, ctx.account);
}

export interface WantedCommand {
  document: FoundDocument;
  /** As it was given: the parameters that it runs with. */
  input: Omit<SendCommandRequest, 'DocumentName'>;
  instances: readonly string[];
  association?: string | undefined;
}

/** Makes a command and its invocations. Commands of one association share its id. */
export async function makeCommand(ctx: Context, { document, input, instances, association }: WantedCommand): Promise<CommandRow> {
  const command: CommandRow = {
    id: ctx.uuid(),
    document: document.name,
    documentVersion: document.version,
    comment: input.Comment ?? '',
    parameters: input.Parameters ?? {},
    instanceIds: input.InstanceIds ?? [],
    targets: input.Targets ?? [],
    requested: ctx.now,
    timeoutSeconds: input.TimeoutSeconds ?? timeoutSecondsDefault,
    maxConcurrency: input.MaxConcurrency ?? '50',
    maxErrors: input.MaxErrors ?? '0',
    ...(input.OutputS3BucketName === undefined
      ? {}
      : { bucket: { name: input.OutputS3BucketName, prefix: input.OutputS3KeyPrefix ?? '' } }),
    ...(input.CloudWatchOutputConfig?.CloudWatchOutputEnabled === true
      ? { logGroup: input.CloudWatchOutputConfig.CloudWatchLogGroupName ?? `/aws/ssm/${document.name}` }
      : {}),
    cancelled: false,
    total: instances.length,
    association,
  };
  const invocations: InvocationRow[] = [];
  for (const instance of instances) {
    const instanceName = (await factsOf(ctx, instance))?.tags['Name'] ?? '';
    const state = { status: 'Pending', details: 'Pending', plugins: [] } as const;
    invocations.push({ command: command.id, instance, instanceName, document: document.name, requested: ctx.now, ...state });
  }
  await ctx.transact(async (tx) => {
    await tx.table(Commands).put(command);
    for (const row of invocations) await tx.table(Invocations).put(row);
    await tx.schedule({ task: 'dispatchCommand', key: command.id, due: ctx.now });
    await tx.schedule({ task: 'commandExpiry', key: command.id, due: ctx.now + command.timeoutSeconds * 1000 });
    await tx.schedule({ task: 'forgetCommand', key: command.id, due: ctx.now + keptMillis });
  });
  return command;
}

function check(input: SendCommandRequest): void {
  const refused = ['DocumentHash', 'DocumentHashType', 'ServiceRoleArn', 'NotificationConfig', 'AlarmConfiguration'] as const;
  for (const name of refused) if (input[name] !== undefined) throw parameterNotImplemented('SendCommand', name);
  const { InstanceIds: ids, Targets: targets } = input;
  const bound = /^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$/;
  new RequestCheck()
    .count('instanceIds', ids, 0, instancesMax)
    .count('targets', targets, 0, targetsMax)
    .range('timeoutSeconds', input.TimeoutSeconds, timeoutSecondsMin, timeoutSecondsMax)
    .length('comment', input.Comment, 0, 100)
    .pattern('maxConcurrency', input.MaxConcurrency, bound, '^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$')
    .pattern('maxErrors', input.MaxErrors, /^(0|[1-9][0-9]*|[1-9]?[0-9]%|100%)$/, '^([1-9][0-9]*|[0]|[1-9][0-9]%|[0-9]%|100%)$')
    .done();
  const [some, more] = [(ids ?? []).length > 0, (targets ?? []).length > 0];
  if (some === more) throw validation('Either InstanceIds or Targets must be specified, and not both.');
}

export const sendHandlers: HandlersOf<SSM> = {
  async SendCommand(input, ctx) {
    check(input);
    const document = await requireDocument(ctx, input.DocumentName, input.DocumentVersion);
    if (document.type !== 'Command') throw validation(`The document ${document.name} is not of type Command.`);
    readParameters(document.content, input.Parameters);
    const ids = [...new Set(input.InstanceIds ?? [])];
    await checkNodes(ctx, ids);
    const instances = ids.length > 0 ? ids : await nodesOf(ctx, input.Targets ?? []);
    if (instances.length > 0 && !document.platforms.includes('Linux')) throw unsupportedPlatform(document.name);
    const command = await makeCommand(ctx, { document, input, instances });
    return { Command: describeCommand(command, await ctx.table(Invocations).list({ prefix: [command.id] })) };
  },

  /** What waits is over at once, what runs is killed. What has ended stays as it is. */
  async CancelCommand(input, ctx) {
    const { CommandId: id = '', InstanceIds: only } = input;
    await ctx.transact(async (tx) => {
      const command = await tx.table(Commands).get(id);
      if (command === undefined) throw invalidCommandId();
      const all = await tx.table(Invocations).list({ prefix: [id] });
      const meant = all.filter(({ instance }) => (only ?? []).length === 0 || only?.includes(instance));
      if (meant.length < (only ?? []).length) throw invalidInstanceId(only ?? [], ctx.account);
      if (meant.length === all.length) await tx.table(Commands).put({ ...command, cancelled: true });
      for (const row of meant) {
        if (row.status === 'Pending') await tx.table(Invocations).put({ ...row, status: 'Cancelled', details: 'Cancelled' });
        if (row.status !== 'InProgress') continue;
        await tx.table(Invocations).put({ ...row, status: 'Cancelling', details: 'Cancelling' });
        await tx.schedule({ task: 'cancelInvocation', key: `${id} ${row.instance}`, due: ctx.now });
      }
    });
    return {};
  },
};

/** The check on an instance that a command goes to. */
async function onInstance(ctx: Context, id: string): Promise<Check> {
  const tags = Object.entries((await factsOf(ctx, id))?.tags ?? {}).flatMap(([key, value]) => [
    [`aws:ResourceTag/${key}`, value],
    [`ssm:resourceTag/${key}`, value],
  ]);
  return { resource: instanceArn(ctx, id), conditions: Object.fromEntries(tags) };
}

export const sendChecks: AuthorisationsOf<SSM> = {
  async SendCommand({ DocumentName = '', InstanceIds, Targets = [] }, ctx) {
    const ids = InstanceIds ?? (await nodesOf(ctx, Targets));
    const checks: Check[] = [{ resource: documentArn(ctx, DocumentName), resourceAccount: ctx.account }];
    for (const id of ids) checks.push(await onInstance(ctx, id));
    return checks;
  },
};

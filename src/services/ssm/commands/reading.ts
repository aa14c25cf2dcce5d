/** ListCommands, ListCommandInvocations and GetCommandInvocation. Source: API Reference. */
import type {
  CloudWatchOutputConfig,
  Command,
  CommandFilter,
  CommandInvocation,
  CommandPlugin,
  GetCommandInvocationResult,
  SSM,
} from '@aws-sdk/client-ssm';
import { pageOf } from '../../../base/paging.ts';
import type { Context } from '../../../kernel/context.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { invalidCommandId, invalidFilter, invalidNextToken, invalidPluginName, invocationDoesNotExist } from '../errors.ts';
import { outputFolder, stateOf } from './rules.ts';
import { type CommandRow, Commands, type InvocationRow, Invocations, type PluginRow } from './state.ts';

const pageItemsMax = 50;
/** "The output … is limited to 2,500 characters." */
const pluginOutputCharsMax = 2500;

function logOutput({ logGroup }: CommandRow): CloudWatchOutputConfig {
  return { CloudWatchLogGroupName: logGroup ?? '', CloudWatchOutputEnabled: logGroup !== undefined };
}

export function describeCommand(row: CommandRow, invocations: readonly InvocationRow[]): Command {
  const { status, details, completed, errors, deliveryTimedOut } = stateOf(row, invocations);
  return {
    CommandId: row.id,
    DocumentName: row.document,
    DocumentVersion: row.documentVersion,
    Comment: row.comment,
    ExpiresAfter: new Date(row.requested + row.timeoutSeconds * 1000 + 3_600_000),
    Parameters: Object.fromEntries(Object.entries(row.parameters).map(([name, values]) => [name, [...values]])),
    InstanceIds: [...row.instanceIds],
    Targets: [...row.targets],
    RequestedDateTime: new Date(row.requested),
    Status: status,
    StatusDetails: details,
    OutputS3BucketName: row.bucket?.name ?? '',
    OutputS3KeyPrefix: row.bucket?.prefix ?? '',
    MaxConcurrency: row.maxConcurrency,
    MaxErrors: row.maxErrors,
    TargetCount: row.total,
    CompletedCount: completed,
    ErrorCount: errors,
    DeliveryTimedOutCount: deliveryTimedOut,
    ServiceRole: '',
    CloudWatchOutputConfig: logOutput(row),
    TimeoutSeconds: row.timeoutSeconds,
  };
}

function urlsOf(ctx: Context, command: CommandRow, instance: string, plugin: PluginRow | undefined) {
  const { bucket } = command;
  if (bucket === undefined || plugin === undefined) return { StandardOutputUrl: '', StandardErrorUrl: '' };
  const prefix = bucket.prefix === '' ? '' : `${bucket.prefix}/`;
  const base = `https://s3.${ctx.region}.amazonaws.com/${bucket.name}/${prefix}${command.id}/${instance}/${outputFolder(plugin.name, plugin.action)}`;
  return { StandardOutputUrl: `${base}/stdout`, StandardErrorUrl: `${base}/stderr` };
}

function describePlugin(ctx: Context, command: CommandRow, instance: string, plugin: PluginRow): CommandPlugin {
  const { stdout, stderr } = plugin;
  const output = stderr === '' ? stdout : `${stdout}\n----------ERROR-------\n${stderr}`;
  return {
    Name: plugin.name,
    Status: plugin.status === 'Cancelling' ? 'InProgress' : plugin.status,
    StatusDetails: plugin.details,
    ResponseCode: plugin.code,
    ResponseStartDateTime: plugin.started === undefined ? undefined : new Date(plugin.started),
    ResponseFinishDateTime: plugin.ended === undefined ? undefined : new Date(plugin.ended),
    Output: output.slice(0, pluginOutputCharsMax),
    ...urlsOf(ctx, command, instance, plugin),
    OutputS3Region: ctx.region,
    OutputS3BucketName: command.bucket?.name ?? '',
    OutputS3KeyPrefix: command.bucket?.prefix ?? '',
  };
}

function describeInvocation(ctx: Context, command: CommandRow, row: InvocationRow, details: boolean): CommandInvocation {
  return {
    CommandId: row.command,
    InstanceId: row.instance,
    InstanceName: row.instanceName,
    Comment: command.comment,
    DocumentName: command.document,
    DocumentVersion: command.documentVersion,
    RequestedDateTime: new Date(row.requested),
    Status: row.status,
    StatusDetails: row.details,
    ...urlsOf(ctx, command, row.instance, row.plugins[0]),
    CommandPlugins: details ? row.plugins.map((plugin) => describePlugin(ctx, command, row.instance, plugin)) : [],
    ServiceRole: '',
    CloudWatchOutputConfig: logOutput(command),
  };
}

const isoOf = (time: number | undefined): string => (time === undefined ? '' : new Date(time).toISOString());

/** Throws InvalidFilterKey. */
function passes(
  filters: readonly CommandFilter[] | undefined,
  requested: number,
  values: Readonly<Record<string, string>>,
): boolean {
  return (filters ?? []).every(({ key = '', value = '' }) => {
    if (key === 'InvokedAfter') return requested > Date.parse(value);
    if (key === 'InvokedBefore') return requested < Date.parse(value);
    if (values[key] === undefined) throw invalidFilter(key);
    return values[key] === value;
  });
}

/** Newest first, and those of one moment by their keys, as pages are cut. */
const newestFirst = <Row extends { requested: number }>(rows: readonly Row[], keyOf: (row: Row) => string): Row[] =>
  [...rows].sort((a, b) => b.requested - a.requested || Buffer.compare(Buffer.from(keyOf(a)), Buffer.from(keyOf(b))));

export const readingCommandHandlers: HandlersOf<SSM> = {
  async ListCommands(input, ctx) {
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const shown: Command[] = [];
    for (const row of newestFirst(await ctx.table(Commands).list(), ({ id }) => id)) {
      if (row.association !== undefined || (input.CommandId !== undefined && row.id !== input.CommandId)) continue;
      const invocations = await ctx.table(Invocations).list({ prefix: [row.id] });
      if (input.InstanceId !== undefined && !invocations.some(({ instance }) => instance === input.InstanceId)) continue;
      const one = describeCommand(row, invocations);
      const values = { Status: one.Status ?? '', DocumentName: row.document };
      if (passes(input.Filters, row.requested, values)) shown.push(one);
    }
    if (input.CommandId !== undefined && shown.length === 0) throw invalidCommandId();
    const page = pageOf(shown, ({ RequestedDateTime, CommandId = '' }) => [-(RequestedDateTime?.getTime() ?? 0), CommandId], {
      scope: 'ListCommands',
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    return { Commands: page.items, NextToken: page.nextToken };
  },

  async ListCommandInvocations(input, ctx) {
    const { CommandId: id, InstanceId: instance } = input;
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const rows = await ctx.table(Invocations).list(id === undefined ? {} : { prefix: [id] });
    const shown: CommandInvocation[] = [];
    for (const row of newestFirst(rows, (row) => `${row.command} ${row.instance}`)) {
      const command = await ctx.table(Commands).get(row.command);
      if (command === undefined || command.association !== undefined || (instance !== undefined && row.instance !== instance))
        continue;
      const values = { Status: row.status, DocumentName: row.document };
      if (passes(input.Filters, row.requested, values)) shown.push(describeInvocation(ctx, command, row, input.Details === true));
    }
    const keyOf = (one: CommandInvocation) => [
      -(one.RequestedDateTime?.getTime() ?? 0),
      one.CommandId ?? '',
      one.InstanceId ?? '',
    ];
    const page = pageOf(shown, keyOf, {
      scope: 'ListCommandInvocations',
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    return { CommandInvocations: page.items, NextToken: page.nextToken };
  },

  async GetCommandInvocation(input, ctx): Promise<GetCommandInvocationResult> {
    const { CommandId: id = '', InstanceId: instance = '', PluginName: name } = input;
    const command = await ctx.table(Commands).get(id);
    const row = await ctx.table(Invocations).get(id, instance);
    if (command === undefined || row === undefined) throw invocationDoesNotExist();
    const plugin = name === undefined ? row.plugins[0] : row.plugins.find((one) => one.name === name);
    if (name !== undefined && plugin === undefined) throw invalidPluginName();
    const elapsed =
      plugin?.started !== undefined && plugin.ended !== undefined ? (plugin.ended - plugin.started) / 1000 : undefined;
    return {
      CommandId: id,
      InstanceId: instance,
      Comment: command.comment,
      DocumentName: command.document,
      DocumentVersion: command.documentVersion,
      PluginName: plugin?.name ?? '',
      ResponseCode: plugin?.code ?? -1,
      ExecutionStartDateTime: isoOf(plugin?.started),
      ExecutionElapsedTime: elapsed === undefined ? '' : `PT${elapsed}S`,
      ExecutionEndDateTime: isoOf(plugin?.ended),
      Status: name === undefined || plugin === undefined ? row.status : plugin.status,
      StatusDetails: name === undefined || plugin === undefined ? row.details : plugin.details,
      StandardOutputContent: plugin?.stdout ?? '',
      StandardErrorContent: plugin?.stderr ?? '',
      ...urlsOf(ctx, command, instance, plugin),
      CloudWatchOutputConfig: logOutput(command),
    };
  },
};

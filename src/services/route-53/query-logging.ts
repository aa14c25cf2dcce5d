/**
 * Query logs: each query that a public zone's name servers answer becomes a line in a log group of us-east-1 ("Public DNS query logging"). What a
 * resolver answers from what it kept never reaches the name servers and leaves no line.
 */
import type { QueryLoggingConfig, Route53 } from '@aws-sdk/client-route-53';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { ZoneQuery } from '../../planes/dns/hosted/types.ts';
import { resolverAddress } from '../../planes/fabric/addresses.ts';
import { error, invalidInput } from './errors.ts';
import { bareId } from './names.ts';
import { LoggedZones, QueryLogs, type QueryLogRow } from './query-log-state.ts';
import { requireZone } from './zone-lookup.ts';

const pageMax = 100;
const groupForm = /^arn:aws:logs:([a-z0-9-]+):(\d{12}):log-group:([^:*]+)(?::\*)?$/;
/** Log groups of public zones' queries are in this Region. */
const logRegion = 'us-east-1';
/** Where all of this cloud's name servers stand; AWS names an airport and a number. */
const edge = 'IAD12';
/** Lines that wait for the log service; more are lost, oldest first. */
const waitingMax = 50_000;
const linesPerCall = 5000;

function describe({ id, zone, group }: QueryLogRow): QueryLoggingConfig {
  return { Id: id, HostedZoneId: zone, CloudWatchLogsLogGroupArn: group };
}

function noSuchConfig(): AwsError {
  return error('NoSuchQueryLoggingConfig', 'The specified query logging config does not exist.', 404);
}

const groupName = (arn: string): string => groupForm.exec(arn)?.[3] ?? '';

/** The log service as Route 53 calls it on account of a zone: the account's resource policy must let it in. */
function logsOf(ctx: Context, zone: string) {
  return ctx.inScope({ region: logRegion }).onAccountOf(`arn:aws:route53:::hostedzone/${zone}`).call('cloudwatch-logs');
}

/** Makes the zone's stream, as CreateQueryLoggingConfig does. Throws NoSuchCloudWatchLogsLogGroup, InsufficientCloudWatchLogsResourcePolicy. */
async function makeStream(ctx: Context, zone: string, group: string): Promise<void> {
  const own = ctx.asService().inScope({ region: logRegion }).call('cloudwatch-logs');
  const { logGroups = [] } = await own.describeLogGroups({ logGroupNamePrefix: groupName(group) });
  if (!logGroups.some(({ logGroupName }) => logGroupName === groupName(group)))
    throw error('NoSuchCloudWatchLogsLogGroup', 'The specified CloudWatch Logs log group does not exist.', 404);
  try {
    await logsOf(ctx, zone).createLogStream({ logGroupName: groupName(group), logStreamName: `${zone}/${edge}` });
  } catch (thrown) {
    if (!(thrown instanceof AwsError)) throw thrown;
    if (thrown.code === 'ResourceAlreadyExistsException') return;
    const words = `The ARN for the CloudWatch Logs log group is ${group}, but Amazon Route 53 does not have the permissions it needs to create a log stream and to write to it: the resource policy of CloudWatch Logs must allow route53.amazonaws.com logs:CreateLogStream and logs:PutLogEvents.`;
    throw error('InsufficientCloudWatchLogsResourcePolicy', words);
  }
}

export const queryLogHandlers: HandlersOf<Route53> = {
  /** API Reference, CreateQueryLoggingConfig: one for a public zone, to a log group of the same account in us-east-1. */
  async CreateQueryLoggingConfig(input, ctx) {
    const zone = await requireZone(ctx, input.HostedZoneId);
    if (zone.vpcs !== undefined) throw invalidInput('Query logging is for public hosted zones only.');
    const group = input.CloudWatchLogsLogGroupArn ?? '';
    const [, region, account] = groupForm.exec(group) ?? [];
    if (region === undefined) throw invalidInput(`The ARN of the log group is not valid: ${group}`);
    if (region !== logRegion) throw invalidInput(`The log group must be in the Region ${logRegion}.`);
    if (account !== ctx.account) throw invalidInput('The log group must be of the same account as the hosted zone.');
    await makeStream(ctx, zone.id, group);
    const row = await ctx.transact(async (tx) => {
      await requireZone(tx, zone.id);
      if ((await tx.table(QueryLogs).firstByIndex('byZone', [zone.id])) !== undefined)
        throw error('QueryLoggingConfigAlreadyExists', 'A query logging configuration already exists for this hosted zone.', 409);
      const made: QueryLogRow = { id: ctx.uuid(), zone: zone.id, group };
      await tx.table(QueryLogs).put(made);
      await tx.table(LoggedZones).put({ zone: zone.id, account: ctx.account, group });
      tx.hint('zones', zone.id);
      return made;
    });
    return {
      QueryLoggingConfig: describe(row),
      Location: `https://route53.amazonaws.com/2013-04-01/queryloggingconfig/${row.id}`,
    };
  },

  async GetQueryLoggingConfig(input, ctx) {
    const row = await ctx.table(QueryLogs).get(input.Id ?? '');
    if (row === undefined) throw noSuchConfig();
    return { QueryLoggingConfig: describe(row) };
  },

  async ListQueryLoggingConfigs(input, ctx) {
    const limit = Math.min(Number(input.MaxResults ?? pageMax), pageMax);
    const after = input.NextToken === undefined ? undefined : parsePageToken('query-logs', input.NextToken);
    if (input.NextToken !== undefined && after === undefined)
      throw error('InvalidPaginationToken', 'The pagination token is not valid.');
    const zone = input.HostedZoneId === undefined ? undefined : await requireZone(ctx, bareId(input.HostedZoneId));
    const all = await ctx.table(QueryLogs).list(after === undefined ? {} : { after: [...after] });
    const fitting = all.filter((row) => zone === undefined || row.zone === zone.id);
    const page = fitting.slice(0, limit);
    const last = page.at(-1);
    return {
      QueryLoggingConfigs: page.map(describe),
      ...(fitting.length > page.length && last !== undefined ? { NextToken: formatPageToken('query-logs', [last.id]) } : {}),
    };
  },

  async DeleteQueryLoggingConfig(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await tx.table(QueryLogs).get(input.Id ?? '');
      if (row === undefined) throw noSuchConfig();
      await tx.table(QueryLogs).delete(row.id);
      await tx.table(LoggedZones).delete(row.zone);
      tx.hint('zones', row.zone);
    });
    return {};
  },
};

/** One line: version, time, zone, name, type, code, protocol, edge, resolver, client subnet ("Public DNS query logging", log format 1.0). */
function lineOf({ zone, name, type, status, transport, address, network, clientSubnet }: ZoneQuery, at: number): string {
  // From a network its resolver asks; the address by which the plane knows the port is nobody's.
  const resolver = network === undefined ? address : resolverAddress;
  const protocol = (transport ?? 'udp').toUpperCase();
  return `1.0 ${new Date(at).toISOString()} ${zone} ${name} ${type} ${status} ${protocol} ${edge} ${resolver} ${clientSubnet ?? '-'}`;
}

/**
 * Takes down what the name servers answer, and hands it to the log service as fast as that takes it; returns how to stop, with nothing left behind.
 * `ctx` is in no account.
 */
export function keepQueryLogs(ctx: Context): () => Promise<void> {
  let waiting: { zone: string; at: number; line: string }[] = [];
  let running: Promise<void> | undefined;
  const deliver = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, linesPerCall);
      for (const zone of new Set(batch.map((one) => one.zone))) {
        const target = await ctx.table(LoggedZones).get(zone);
        if (target === undefined) continue;
        const logEvents = batch.filter((one) => one.zone === zone).map(({ at, line }) => ({ timestamp: at, message: line }));
        const put = { logGroupName: groupName(target.group), logStreamName: `${zone}/${edge}`, logEvents };
        await logsOf(ctx.inScope({ account: target.account }), zone)
          .putLogEvents(put)
          // A group that is gone or shut takes nothing: its lines are lost, as in AWS.
          .catch(() => {});
      }
    }
    running = undefined;
  };
  const stop = ctx.part('dns').hosted.onQuery((query) => {
    if (query.transport === undefined) return;
    const at = ctx.clock.now();
    waiting.push({ zone: query.zone, at, line: lineOf(query, at) });
    if (waiting.length > waitingMax) waiting = waiting.slice(-waitingMax);
    running ??= Promise.resolve().then(deliver);
  });
  return async () => {
    stop();
    await running;
  };
}

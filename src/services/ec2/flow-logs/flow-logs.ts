/** Flow logs of VPCs, subnets and network interfaces ("Logging IP traffic using VPC Flow Logs"). */
import type { CreateFlowLogsRequest, EC2, FlowLog } from '@aws-sdk/client-ec2';
import { parseArn } from '../../../base/arn.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { Subnets, Vpcs } from '../vpc/state.ts';
import { bucketRefusal } from './bucket-permission.ts';
import { watchFlows } from './collect.ts';
import { checkFormat, defaultFormat } from './format.ts';
import { FlowLines, type FlowLogDestination, type FlowLogRow, FlowLogs } from './state.ts';

const resourceTypes = ['VPC', 'Subnet', 'NetworkInterface'] as const;
const trafficTypes = ['ACCEPT', 'REJECT', 'ALL'] as const;
const intervals = [60, 600] as const;

function invalidParameter(message: string): AwsError {
  return new AwsError('InvalidParameter', message);
}

function describeFlowLog(row: FlowLogRow): FlowLog {
  const { destination } = row;
  return {
    FlowLogId: row.id,
    FlowLogStatus: 'ACTIVE',
    ResourceId: row.resourceId,
    TrafficType: row.traffic,
    CreationTime: new Date(row.created),
    DeliverLogsStatus: row.failure === undefined ? 'SUCCESS' : 'FAILED',
    DeliverLogsErrorMessage: row.failure,
    LogDestinationType: destination.kind,
    LogDestination: row.destinationArn,
    ...(destination.kind === 'cloud-watch-logs'
      ? { LogGroupName: destination.group, DeliverLogsPermissionArn: destination.roleArn }
      : {
          DestinationOptions: {
            FileFormat: 'plain-text' as const,
            HiveCompatiblePartitions: destination.hive,
            PerHourPartition: destination.hourly,
          },
        }),
    LogFormat: row.format,
    MaxAggregationInterval: row.intervalSeconds,
    Tags: describeTags(row.tags),
  };
}

function readLogGroup(input: CreateFlowLogsRequest): FlowLogDestination {
  const { LogGroupName: name, LogDestination: arn, DeliverLogsPermissionArn: roleArn } = input;
  if (input.DestinationOptions !== undefined)
    throw invalidParameter('DestinationOptions is only supported for LogDestinationType s3.');
  if (roleArn === undefined)
    throw invalidParameter("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.");
  const group = name ?? /:log-group:([^:]+)(:\*)?$/.exec(arn ?? '')?.[1];
  if (group === undefined && arn === undefined)
    throw invalidParameter("LogGroupName can't be empty if LogDestinationType is cloud-watch-logs.");
  if (group === undefined) throw invalidParameter(`LogDestination: ${arn} is not a valid log group ARN.`);
  return { kind: 'cloud-watch-logs', group, roleArn };
}

function readBucket(input: CreateFlowLogsRequest): FlowLogDestination {
  const { LogDestination: destination, DestinationOptions: options } = input;
  if (input.LogGroupName !== undefined)
    throw invalidParameter('LogDestination type must be cloud-watch-logs if LogGroupName is provided.');
  if (destination === undefined) throw invalidParameter("LogDestination can't be empty if LogDestinationType is s3.");
  const arn = parseArn(destination);
  if (arn?.service !== 's3') throw invalidParameter(`LogDestination: ${destination} is not a valid bucket ARN.`);
  if (options?.FileFormat === 'parquet') throw parameterNotImplemented('CreateFlowLogs', 'DestinationOptions.FileFormat parquet');
  const [bucket = '', ...folders] = arn.resource.split('/').filter((part) => part !== '');
  return {
    kind: 's3',
    bucket,
    folder: folders.map((folder) => `${folder}/`).join(''),
    hive: options?.HiveCompatiblePartitions ?? false,
    hourly: options?.PerHourPartition ?? false,
  };
}

type Settings = Pick<FlowLogRow, 'resourceType' | 'traffic' | 'intervalSeconds' | 'format' | 'destination'>;

/** What a request asks for. Throws InvalidParameter. */
function readSettings(input: CreateFlowLogsRequest): Settings {
  if (input.DeliverCrossAccountRole !== undefined) throw parameterNotImplemented('CreateFlowLogs', 'DeliverCrossAccountRole');
  const resourceType = resourceTypes.find((type) => type === input.ResourceType);
  if (resourceType === undefined) throw parameterNotImplemented('CreateFlowLogs', `ResourceType ${input.ResourceType}`);
  if (input.TrafficType === undefined) throw missingParameter('TrafficType');
  const traffic = trafficTypes.find((type) => type === input.TrafficType);
  if (traffic === undefined) throw invalidParameter(`Value (${input.TrafficType}) for parameter TrafficType is invalid.`);
  const intervalSeconds = intervals.find((seconds) => seconds === (input.MaxAggregationInterval ?? 600));
  if (intervalSeconds === undefined) throw invalidParameter('Invalid Flow Log Max Aggregation Interval');
  if (input.LogGroupName !== undefined && input.LogDestination !== undefined)
    throw invalidParameter('Please only provide LogGroupName or only provide LogDestination.');
  const type = input.LogDestinationType ?? 'cloud-watch-logs';
  if (type !== 's3' && type !== 'cloud-watch-logs') throw parameterNotImplemented('CreateFlowLogs', `LogDestinationType ${type}`);
  const format = input.LogFormat ?? defaultFormat;
  checkFormat(format);
  return {
    resourceType,
    traffic,
    intervalSeconds,
    format,
    destination: type === 's3' ? readBucket(input) : readLogGroup(input),
  };
}

/** The VPC in which the resource lies. Throws `….NotFound`. */
async function vpcOf(tx: Transaction, type: FlowLogRow['resourceType'], id: string): Promise<string> {
  if (type === 'VPC') return (await requireRow(tx, Vpcs, 'vpc', id)).id;
  if (type === 'Subnet') return (await requireRow(tx, Subnets, 'subnet', id)).vpcId;
  return (await requireRow(tx, Interfaces, 'networkInterface', id)).vpcId;
}

function placeOf({ destination, destinationArn }: Pick<FlowLogRow, 'destination' | 'destinationArn'>): string {
  return destination.kind === 'cloud-watch-logs' ? `group ${destination.group}` : `bucket ${destinationArn}`;
}

async function addFlowLogs(tx: Transaction, ctx: Context, input: CreateFlowLogsRequest, settings: Settings): Promise<string[]> {
  const ids: string[] = [];
  for (const resourceId of [...new Set(input.ResourceIds)]) {
    const vpcId = await vpcOf(tx, settings.resourceType, resourceId);
    const row: FlowLogRow = {
      id: ctx.id('flowLog'),
      resourceId,
      vpcId,
      ...settings,
      destinationArn: input.LogDestination,
      created: ctx.now,
      seen: ctx.now,
      token: input.ClientToken,
      tags: tagsFor('vpc-flow-log', input.TagSpecifications),
    };
    const others = await tx.table(FlowLogs).byIndex('byVpc', [vpcId]);
    if (
      others.some((other) => other.resourceId === resourceId && other.traffic === row.traffic && placeOf(other) === placeOf(row))
    )
      throw new AwsError(
        'FlowLogAlreadyExists',
        'Error. There is an existing Flow Log with the same configuration and log destination.',
      );
    await tx.table(FlowLogs).put(row);
    await watchFlows(tx, row);
    ids.push(row.id);
  }
  return ids;
}

export const flowLogHandlers: HandlersOf<EC2> = {
  /** A bucket that is not there, or cannot be written to, makes every resource unsuccessful. Throws InvalidParameter, FlowLogAlreadyExists. */
  async CreateFlowLogs(input, ctx) {
    if ((input.ResourceIds?.length ?? 0) === 0) throw missingParameter('ResourceId');
    const settings = readSettings(input);
    const refusal = settings.destination.kind === 's3' ? await bucketRefusal(ctx, settings.destination) : undefined;
    if (refusal !== undefined)
      return {
        ClientToken: input.ClientToken,
        FlowLogIds: [],
        Unsuccessful: (input.ResourceIds ?? []).map((ResourceId) => ({ ResourceId, Error: { Code: '400', Message: refusal } })),
      };
    const ids = await ctx.transact(async (tx) => {
      const { ClientToken: token } = input;
      const earlier = token === undefined ? [] : await tx.table(FlowLogs).byIndex('byToken', [token]);
      return earlier.length > 0 ? earlier.map(({ id }) => id) : addFlowLogs(tx, ctx, input, settings);
    });
    return { ClientToken: input.ClientToken, FlowLogIds: ids, Unsuccessful: [] };
  },

  /** Ids that do not exist are left out. */
  async DescribeFlowLogs(input, ctx) {
    const ids = input.FlowLogIds ?? [];
    const rows = (await ctx.table(FlowLogs).list()).filter(({ id }) => ids.length === 0 || ids.includes(id));
    const passing = applyFilters(rows, input.Filter, {
      'deliver-log-status': ({ failure }) => (failure === undefined ? 'SUCCESS' : 'FAILED'),
      'flow-log-id': ({ id }) => id,
      'log-destination-type': ({ destination }) => destination.kind,
      'log-group-name': ({ destination }) => (destination.kind === 'cloud-watch-logs' ? destination.group : undefined),
      'resource-id': ({ resourceId }) => resourceId,
      'traffic-type': ({ traffic }) => traffic,
    });
    const found = page('DescribeFlowLogs', passing, ({ id }) => id, input, { ids, least: 1 });
    return { FlowLogs: found.rows.map(describeFlowLog), NextToken: found.nextToken };
  },

  /** What exists goes; the rest is named among the unsuccessful. */
  async DeleteFlowLogs(input, ctx) {
    const missing = await ctx.transact(async (tx) => {
      const unknown: string[] = [];
      for (const id of input.FlowLogIds ?? []) {
        const row = await tx.table(FlowLogs).get(id);
        if (row === undefined) {
          unknown.push(id);
          continue;
        }
        await tx.table(FlowLogs).delete(id);
        for (const { at } of await tx.table(FlowLines).list({ prefix: [id] })) await tx.table(FlowLines).delete(id, at);
        tx.hint('networks', row.vpcId);
      }
      return unknown;
    });
    return {
      Unsuccessful: missing.map((ResourceId) => ({
        ResourceId,
        Error: {
          Code: 'InvalidFlowLogId.NotFound',
          Message: `These flow log ids in the input list are not found: [TotalCount: ${missing.length}] ${missing.join(' ')}`,
        },
      })),
    };
  },
};

export const flowLogAuthorisations: AuthorisationsOf<EC2> = {
  CreateFlowLogs: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'vpc-flow-log', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged(input.ResourceIds ?? [], ctx)),
    ...(input.DeliverLogsPermissionArn === undefined
      ? []
      : [
          {
            action: 'iam:PassRole',
            resource: input.DeliverLogsPermissionArn,
            conditions: { 'iam:PassedToService': 'vpc-flow-logs.amazonaws.com' },
          },
        ]),
  ],
  DeleteFlowLogs: (input, ctx) => checkTagged(input.FlowLogIds ?? [], ctx),
};

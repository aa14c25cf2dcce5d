/** Which log group or stream each operation is authorised on: "Actions, resources, and condition keys for Amazon CloudWatch Logs". */
import type { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { groupArn, groupNameIn, streamArn } from './names.ts';
import { LogGroups, ResourcePolicies } from './state.ts';

type Tags = Readonly<Record<string, string>>;

async function onGroup(
  ctx: Context,
  name: string,
  request: { tags?: Tags | undefined; keys?: readonly string[] | undefined; bare?: boolean } = {},
): Promise<Check[]> {
  const row = await ctx.table(LogGroups).get(name);
  const keys = [...Object.keys(request.tags ?? {}), ...(request.keys ?? [])];
  const conditions = {
    ...Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value])),
    ...Object.fromEntries(Object.entries(request.tags ?? {}).map(([key, value]) => [`aws:RequestTag/${key}`, value])),
    'aws:TagKeys': keys.length === 0 ? undefined : keys,
  };
  // Refusals of the real service name a group as `log-group:NAME:log-stream:`, which is why policies end its ARN with `:*`; tags are on the bare ARN.
  return [{ resource: request.bare === true ? groupArn(ctx, name) : `${groupArn(ctx, name)}:log-stream:`, conditions }];
}

const onStream = (group: string, stream: string, ctx: Context): Check[] => [{ resource: streamArn(ctx, group, stream) }];

/** Writing into a stream, which the Region's resource policies open to services: all of them are one policy. */
async function onWrite(
  { logGroupName = '', logStreamName = '' }: { logGroupName: string | undefined; logStreamName: string | undefined },
  ctx: Context,
): Promise<Check[]> {
  const [check] = onStream(logGroupName, logStreamName, ctx);
  // Asked for only where it can matter, because every line of a log comes this way.
  if (check === undefined || ctx.caller.kind !== 'service') return check === undefined ? [] : [check];
  const policies = (await ctx.table(ResourcePolicies).list()).map(
    ({ document }) => JSON.parse(document) as { Statement?: unknown },
  );
  const Statement = policies.flatMap((policy) => policy.Statement ?? []);
  return [{ ...check, resourcePolicy: JSON.stringify({ Version: '2012-10-17', Statement }) }];
}

const byName = (input: { logGroupName?: string | undefined }, ctx: Context) => onGroup(ctx, input.logGroupName ?? '');

const byEither = (input: { logGroupName?: string | undefined; logGroupIdentifier?: string | undefined }, ctx: Context) =>
  onGroup(ctx, input.logGroupName ?? groupNameIn(input.logGroupIdentifier ?? '') ?? '');

const tagged = (arn: string | undefined): string => groupNameIn(arn ?? '') ?? '';

export const authorisations: AuthorisationsOf<CloudWatchLogs> = {
  CreateLogGroup: (input, ctx) => onGroup(ctx, input.logGroupName ?? '', { tags: input.tags }),
  DeleteLogGroup: byName,
  DescribeLogGroups: (_input, ctx) => onGroup(ctx, ''),
  PutRetentionPolicy: byName,
  DeleteRetentionPolicy: byName,
  PutLogGroupDeletionProtection: byEither,
  TagResource: (input, ctx) => onGroup(ctx, tagged(input.resourceArn), { tags: input.tags, bare: true }),
  UntagResource: (input, ctx) => onGroup(ctx, tagged(input.resourceArn), { keys: input.tagKeys, bare: true }),
  ListTagsForResource: (input, ctx) => onGroup(ctx, tagged(input.resourceArn), { bare: true }),
  TagLogGroup: (input, ctx) => onGroup(ctx, input.logGroupName ?? '', { tags: input.tags }),
  UntagLogGroup: (input, ctx) => onGroup(ctx, input.logGroupName ?? '', { keys: input.tags }),
  ListTagsLogGroup: byName,
  CreateLogStream: onWrite,
  DeleteLogStream: (input, ctx) => onStream(input.logGroupName ?? '', input.logStreamName ?? '', ctx),
  DescribeLogStreams: byEither,
  PutLogEvents: onWrite,
  GetLogEvents: (input, ctx) =>
    onStream(input.logGroupName ?? groupNameIn(input.logGroupIdentifier ?? '') ?? '', input.logStreamName ?? '', ctx),
  FilterLogEvents: byEither,
  PutMetricFilter: byName,
  DescribeMetricFilters: (input, ctx) => onGroup(ctx, input.logGroupName ?? ''),
  DeleteMetricFilter: byName,
  PutSubscriptionFilter: byName,
  DescribeSubscriptionFilters: byName,
  DeleteSubscriptionFilter: byName,
};

/** Which alarm or dashboard each operation is authorised on: "Actions, resources, and condition keys for Amazon CloudWatch". */
import type { CloudWatch } from '@aws-sdk/client-cloudwatch';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { alarmArn, dashboardArn } from './names.ts';
import { Alarms } from './state.ts';

interface TagsOfRequest {
  Tags?: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined;
  TagKeys?: readonly string[] | undefined;
}

async function onAlarm(ctx: Context, name: string, request: TagsOfRequest = {}, more: Check['conditions'] = {}): Promise<Check> {
  const row = await ctx.table(Alarms).get(name);
  const keys = [...(request.Tags ?? []).map(({ Key = '' }) => Key), ...(request.TagKeys ?? [])];
  const conditions = {
    ...more,
    ...Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value])),
    ...Object.fromEntries((request.Tags ?? []).map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
    'aws:TagKeys': keys.length === 0 ? undefined : keys,
  };
  return { resource: alarmArn(ctx, name), conditions };
}

const onNames = (names: readonly string[] | undefined, ctx: Context): Promise<Check[]> =>
  Promise.all((names ?? ['*']).map((name) => onAlarm(ctx, name)));

const onArn = async (arn: string | undefined, ctx: Context, request: TagsOfRequest): Promise<Check[]> => [
  { ...(await onAlarm(ctx, (arn ?? '').split(':').slice(6).join(':'), request)), resource: arn ?? '*' },
];

export const authorisations: AuthorisationsOf<CloudWatch> = {
  ListMetrics: () => [{ resource: '*' }],
  GetMetricData: () => [{ resource: '*' }],
  PutMetricData: (input) => [{ resource: '*', conditions: { 'cloudwatch:namespace': input.Namespace } }],
  PutMetricAlarm: async (input, ctx) => [
    await onAlarm(ctx, input.AlarmName ?? '', input, { 'cloudwatch:AlarmActions': input.AlarmActions }),
  ],
  PutCompositeAlarm: async (input, ctx) => [
    await onAlarm(ctx, input.AlarmName ?? '', input, { 'cloudwatch:AlarmActions': input.AlarmActions }),
  ],
  DescribeAlarms: (input, ctx) => onNames(input.AlarmNames, ctx),
  DescribeAlarmHistory: (input, ctx) => onNames(input.AlarmName === undefined ? undefined : [input.AlarmName], ctx),
  DeleteAlarms: (input, ctx) => onNames(input.AlarmNames, ctx),
  SetAlarmState: (input, ctx) => onNames([input.AlarmName ?? ''], ctx),
  EnableAlarmActions: (input, ctx) => onNames(input.AlarmNames, ctx),
  DisableAlarmActions: (input, ctx) => onNames(input.AlarmNames, ctx),
  TagResource: (input, ctx) => onArn(input.ResourceARN, ctx, input),
  UntagResource: (input, ctx) => onArn(input.ResourceARN, ctx, input),
  ListTagsForResource: (input, ctx) => onArn(input.ResourceARN, ctx, {}),
  PutDashboard: (input, ctx) => [{ resource: dashboardArn(ctx.account, input.DashboardName ?? '') }],
  GetDashboard: (input, ctx) => [{ resource: dashboardArn(ctx.account, input.DashboardName ?? '') }],
  DeleteDashboards: (input, ctx) => (input.DashboardNames ?? ['']).map((name) => ({ resource: dashboardArn(ctx.account, name) })),
};

/** Which group or launch configuration each operation is authorised on: "Actions, resources, and condition keys for Amazon EC2 Auto Scaling". */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import type { Authorisation, AuthorisationsOf, Check } from '../../kernel/service.ts';
import { Configurations, Groups, Members } from './state.ts';

interface RequestTags {
  Tags?: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined;
}

async function onGroup(ctx: Context, name: string | undefined, { Tags = [] }: RequestTags = {}): Promise<Check> {
  const row = await ctx.table(Groups).get(name ?? '');
  return {
    resource:
      row?.arn ?? `arn:aws:autoscaling:${ctx.region}:${ctx.account}:autoScalingGroup:*:autoScalingGroupName/${name ?? ''}`,
    conditions: {
      ...Object.fromEntries(
        (row?.tags ?? []).flatMap(({ key, value }) => [
          [`aws:ResourceTag/${key}`, value],
          [`autoscaling:ResourceTag/${key}`, value],
        ]),
      ),
      ...Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
      'aws:TagKeys': Tags.length === 0 ? undefined : Tags.map(({ Key = '' }) => Key),
    },
  };
}

type Named = { AutoScalingGroupName?: string | undefined } & RequestTags;
const named: Authorisation<Named> = async (input, ctx) => [await onGroup(ctx, input.AutoScalingGroupName, input)];

const ofInstance: Authorisation<{ InstanceId?: string | undefined }> = async ({ InstanceId }, ctx) => {
  const member = InstanceId === undefined ? undefined : await ctx.table(Members).firstByIndex('byInstance', [InstanceId]);
  return [await onGroup(ctx, member?.group)];
};

type Tagged = {
  Tags?: readonly { ResourceId?: string | undefined; Key?: string | undefined; Value?: string | undefined }[] | undefined;
};
const tagged: Authorisation<Tagged> = (input, ctx) =>
  Promise.all([...new Set((input.Tags ?? []).map(({ ResourceId }) => ResourceId))].map((id) => onGroup(ctx, id, input)));

const configuration: Authorisation<{ LaunchConfigurationName?: string | undefined }> = async (
  { LaunchConfigurationName: name = '' },
  ctx,
) => {
  const row = await ctx.table(Configurations).get(name);
  return [
    {
      resource:
        row?.arn ?? `arn:aws:autoscaling:${ctx.region}:${ctx.account}:launchConfiguration:*:launchConfigurationName/${name}`,
    },
  ];
};

export const authorisations: AuthorisationsOf<AutoScaling> = {
  AttachInstances: named,
  AttachLoadBalancerTargetGroups: named,
  BatchDeleteScheduledAction: named,
  BatchPutScheduledUpdateGroupAction: named,
  CancelInstanceRefresh: named,
  CompleteLifecycleAction: named,
  CreateAutoScalingGroup: named,
  CreateLaunchConfiguration: configuration,
  CreateOrUpdateTags: tagged,
  DeleteAutoScalingGroup: named,
  DeleteLaunchConfiguration: configuration,
  DeleteLifecycleHook: named,
  DeleteNotificationConfiguration: named,
  DeletePolicy: named,
  DeleteScheduledAction: named,
  DeleteTags: tagged,
  DeleteWarmPool: named,
  DetachInstances: named,
  DetachLoadBalancerTargetGroups: named,
  DisableMetricsCollection: named,
  EnableMetricsCollection: named,
  EnterStandby: named,
  ExecutePolicy: named,
  ExitStandby: named,
  PutLifecycleHook: named,
  PutNotificationConfiguration: named,
  PutScalingPolicy: named,
  PutScheduledUpdateGroupAction: named,
  PutWarmPool: named,
  RecordLifecycleActionHeartbeat: named,
  ResumeProcesses: named,
  RollbackInstanceRefresh: named,
  SetDesiredCapacity: named,
  SetInstanceHealth: ofInstance,
  SetInstanceProtection: named,
  StartInstanceRefresh: named,
  SuspendProcesses: named,
  TerminateInstanceInAutoScalingGroup: ofInstance,
  UpdateAutoScalingGroup: named,
};

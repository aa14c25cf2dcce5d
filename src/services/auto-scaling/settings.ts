/** Suspended processes, notifications and limits of groups. */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import type { HandlersOf } from '../../kernel/service.ts';
import { validationError } from './errors.ts';
import { requireGroup } from './groups.ts';
import { notificationTypes, pageFor, processes } from './lists.ts';
import { sendLater } from './notices.ts';
import { Configurations, Groups, Notifications } from './state.ts';

/** Processes as named, all when none is. Throws ValidationError for those that there are not. */
function readProcesses(names: readonly string[] | undefined): readonly string[] {
  if (names === undefined || names.length === 0) return processes;
  const wrong = names.find((name) => !(processes as readonly string[]).includes(name));
  if (wrong !== undefined) throw validationError(`${wrong} is not a valid process type.`);
  return names;
}

export const settingHandlers: HandlersOf<AutoScaling> = {
  async SuspendProcesses({ AutoScalingGroupName: name, ScalingProcesses }, ctx) {
    const wanted = readProcesses(ScalingProcesses);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      await tx
        .table(Groups)
        .put({ ...row, suspended: processes.filter((one) => row.suspended.includes(one) || wanted.includes(one)) });
    });
    return {};
  },

  async ResumeProcesses({ AutoScalingGroupName: name, ScalingProcesses }, ctx) {
    const wanted = readProcesses(ScalingProcesses);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      await tx.table(Groups).put({ ...row, suspended: row.suspended.filter((one) => !wanted.includes(one)) });
      tx.hint('groups', row.name);
    });
    return {};
  },

  /** Sends a test message to the topic at once. */
  async PutNotificationConfiguration({ AutoScalingGroupName: name, TopicARN: topic = '', NotificationTypes: types = [] }, ctx) {
    const wrong = types.find((type) => !(notificationTypes as readonly string[]).includes(type));
    if (wrong !== undefined) throw validationError(`"${wrong}" is not a valid Notification Type.`);
    if (!/^arn:aws[a-z-]*:sns:[^:]+:\d{12}:.+$/.test(topic)) throw validationError(`Invalid SNS Topic ARN: ${topic}`);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      await tx.table(Notifications).put({ group: row.name, topic, types });
      await sendLater(tx, ctx, topic, `Auto Scaling: test notification for group "${row.name}"`.slice(0, 100), {
        AccountId: ctx.account,
        RequestId: ctx.requestId,
        AutoScalingGroupARN: row.arn,
        AutoScalingGroupName: row.name,
        Service: 'AWS Auto Scaling',
        Event: 'autoscaling:TEST_NOTIFICATION',
        Time: new Date(ctx.now).toISOString(),
      });
    });
    return {};
  },

  async DeleteNotificationConfiguration({ AutoScalingGroupName: name, TopicARN: topic = '' }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      if (!(await tx.table(Notifications).delete(row.name, topic)))
        throw validationError(`Notification config is not found: ${topic}`);
    });
    return {};
  },

  async DescribeNotificationConfigurations(input, ctx) {
    const names = input.AutoScalingGroupNames ?? [];
    const rows = (await ctx.table(Notifications).list())
      .filter((row) => names.length === 0 || names.includes(row.group))
      .flatMap(({ group, topic, types }) => types.map((type) => ({ group, topic, type })));
    const page = pageFor('notifications', rows, (row) => [row.group, row.topic, row.type], input);
    const NotificationConfigurations = page.items.map((row) => ({
      AutoScalingGroupName: row.group,
      TopicARN: row.topic,
      NotificationType: row.type,
    }));
    return { NotificationConfigurations, NextToken: page.nextToken };
  },

  async DescribeAccountLimits(_input, ctx) {
    return {
      MaxNumberOfAutoScalingGroups: 500,
      MaxNumberOfLaunchConfigurations: 200,
      NumberOfAutoScalingGroups: await ctx.table(Groups).count(),
      NumberOfLaunchConfigurations: await ctx.table(Configurations).count(),
    };
  },
};

/** What a group announces: events on the bus and messages to its topics ("Amazon SNS notifications", "Event patterns", Auto Scaling User Guide). */
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Task } from '../../kernel/service.ts';
import type { Value } from '../../store/store.ts';
import type { StsApi } from '../sts/api.ts';
import { type ActivityRow, type HookAction, type HookRow, type MemberRow, Notifications, type Whereabouts } from './state.ts';

/** Asks for a message to a topic or queue once the transaction has been written; with the rights of a role when one is given. */
export async function sendLater(
  tx: Transaction,
  ctx: Context,
  target: string,
  subject: string,
  message: Value,
  roleArn?: string,
): Promise<void> {
  const payload = { target, subject, message: JSON.stringify(message), roleArn };
  await tx.schedule({ task: 'send', key: ctx.uuid(), due: ctx.now, payload });
}

async function asRole(ctx: Context, roleArn: string): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  return ctx.asIdentity(await sts.roleIdentity({ roleArn, sessionName: 'AutoScaling', service: 'autoscaling' }));
}

/** Sends what `sendLater` wrote down; a topic that is gone or closed loses the message, as in AWS. */
export const send: Task = async ({ payload }, ctx) => {
  const { target, subject, message, roleArn } = payload as { target: string; subject: string; message: string; roleArn?: string };
  const [, , service, , account, name] = target.split(':');
  try {
    const acting = roleArn === undefined ? ctx.asService() : await asRole(ctx, roleArn);
    if (service === 'sqs') {
      const { QueueUrl } = await acting.call('sqs').getQueueUrl({ QueueName: name, QueueOwnerAWSAccountId: account });
      await acting.call('sqs').sendMessage({ QueueUrl, MessageBody: message });
    } else await acting.call('sns').publish({ TopicArn: target, Subject: subject, Message: message });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`The notification to ${target} was refused: ${error.code}`);
  }
};

/** Event and notifications of an activity that has ended. */
export async function announceActivity(
  tx: Transaction,
  ctx: Context,
  row: ActivityRow,
  instanceId: string | undefined,
): Promise<void> {
  const launch = row.description.startsWith('Launching');
  const worked = row.status === 'Successful';
  if (row.status === 'Cancelled') return;
  const type = `autoscaling:EC2_INSTANCE_${launch ? 'LAUNCH' : 'TERMINATE'}${worked ? '' : '_ERROR'}`;
  const common = {
    StatusCode: worked ? 'InProgress' : 'Failed',
    Description: row.description,
    AutoScalingGroupName: row.group,
    ActivityId: row.id,
    Details: JSON.parse(row.details) as Value,
    RequestId: row.id,
    StatusMessage: row.message ?? '',
    StartTime: new Date(row.start).toISOString(),
    EndTime: new Date(row.end ?? ctx.now).toISOString(),
    EC2InstanceId: instanceId ?? '',
    Cause: row.cause,
    Origin: row.origin,
    Destination: row.destination,
  };
  await tx.emit({
    source: 'aws.autoscaling',
    detailType: `EC2 Instance ${launch ? 'Launch' : 'Terminate'} ${worked ? 'Successful' : 'Unsuccessful'}`,
    detail: common,
    resources: [
      row.groupArn,
      ...(instanceId === undefined ? [] : [`arn:aws:ec2:${ctx.region}:${ctx.account}:instance/${instanceId}`]),
    ],
  });
  for (const { topic, types } of await tx.table(Notifications).list({ prefix: [row.group] })) {
    if (!types.includes(type)) continue;
    const verb = launch ? 'launch' : 'termination';
    const subject = `Auto Scaling: ${worked ? verb : `failed ${verb}`} for group "${row.group}"`;
    await sendLater(tx, ctx, topic, subject.slice(0, 100), {
      ...common,
      Progress: 50,
      AccountId: ctx.account,
      Event: type,
      Service: 'AWS Auto Scaling',
      Time: new Date(ctx.now).toISOString(),
      AutoScalingGroupARN: row.groupArn,
    });
  }
}

/** Event, and message to the hook's target, that an instance waits for somebody ("Prepare to add a lifecycle hook"). */
export async function announceHook(
  tx: Transaction,
  ctx: Context,
  hook: HookRow,
  member: MemberRow,
  action: HookAction,
  [origin, destination]: readonly [Whereabouts, Whereabouts],
): Promise<void> {
  const launching = hook.transition === 'autoscaling:EC2_INSTANCE_LAUNCHING';
  const detail = {
    LifecycleActionToken: action.token,
    AutoScalingGroupName: hook.group,
    LifecycleHookName: hook.name,
    EC2InstanceId: member.instanceId ?? '',
    LifecycleTransition: hook.transition,
    ...(hook.metadata === undefined ? {} : { NotificationMetadata: hook.metadata }),
    Origin: origin,
    Destination: destination,
  };
  await tx.emit({
    source: 'aws.autoscaling',
    detailType: `EC2 Instance-${launching ? 'launch' : 'terminate'} Lifecycle Action`,
    detail,
    resources: [],
  });
  if (hook.targetArn !== undefined)
    await sendLater(
      tx,
      ctx,
      hook.targetArn,
      `Auto Scaling: Lifecycle action '${launching ? 'LAUNCHING' : 'TERMINATING'}' for instance ${member.instanceId}`,
      {
        ...detail,
        AccountId: ctx.account,
        RequestId: action.token,
        Service: 'AWS Auto Scaling',
        Time: new Date(ctx.now).toISOString(),
      },
      hook.roleArn,
    );
}

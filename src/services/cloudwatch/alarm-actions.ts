/**
 * What an alarm does at a change of its state: messages to topics, functions, scaling policies, and stop, terminate, reboot, recover of the instance it watches.
 * Each attempt is a line of the alarm's history. Source: CloudWatch User Guide, "Alarm actions".
 */
import { parseArn } from '../../base/arn.ts';
import { findRegion } from '../../base/regions.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Task } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import type { AlarmReceiver } from './api.ts';
import { alarmArn } from './names.ts';
import { Alarms, AlarmHistory, type AlarmRow, type AlarmState } from './state.ts';

/** What the task `act` carries. */
export type ActionPayload = {
  alarm: string;
  action: string;
  old: AlarmState;
  state: AlarmState;
  reason: string;
  at: number;
  value?: number | undefined;
  /** Points of the evaluated periods. */
  values?: readonly number[] | undefined;
  /** True for the calls of scaling policies that follow while the state stays: no line in the history. */
  again: boolean;
};

/** Actions of an alarm for a state. */
export function actionsFor(row: AlarmRow, state: AlarmState): readonly string[] {
  if (state === 'OK') return row.okActions;
  return state === 'ALARM' ? row.alarmActions : row.insufficientDataActions;
}

/** `US East (N. Virginia)`. */
function longRegion({ region }: Context): string {
  return findRegion(region)?.longName ?? region;
}

function message(ctx: Context, row: AlarmRow, payload: ActionPayload): string {
  const stat = row.kind === 'metric' ? row.queries[0]?.stat : undefined;
  const trigger =
    row.kind === 'composite'
      ? { AlarmRule: row.rule }
      : {
          Trigger: {
            MetricName: stat?.name,
            Namespace: stat?.namespace,
            StatisticType: 'Statistic',
            Statistic: stat?.stat.toUpperCase(),
            Unit: stat?.unit ?? null,
            Dimensions: Object.entries(stat?.dimensions ?? {}).map(([name, value]) => ({ value, name })),
            Period: stat?.period,
            EvaluationPeriods: row.evaluationPeriods,
            DatapointsToAlarm: row.datapointsToAlarm,
            ComparisonOperator: row.operator,
            Threshold: row.threshold,
            TreatMissingData: row.missing,
            EvaluateLowSampleCountPercentile: row.lowSamples ?? '',
          },
        };
  return JSON.stringify({
    AlarmName: row.name,
    AlarmDescription: row.description ?? null,
    AWSAccountId: ctx.account,
    AlarmConfigurationUpdatedTimestamp: stamp(row.updated),
    NewStateValue: payload.state,
    NewStateReason: payload.reason,
    StateChangeTime: stamp(payload.at),
    Region: longRegion(ctx),
    AlarmArn: alarmArn(ctx, row.name),
    OldStateValue: payload.old,
    OKActions: row.okActions,
    AlarmActions: row.alarmActions,
    InsufficientDataActions: row.insufficientDataActions,
    ...trigger,
  });
}

/** Time as alarms' JSON has it: `2026-11-21T03:20:00.000+0000`. */
export function stamp(at: number): string {
  return new Date(at).toISOString().replace('Z', '+0000');
}

async function onInstance(ctx: Context, row: AlarmRow, verb: string): Promise<void> {
  const id = row.kind === 'metric' ? row.queries.flatMap(({ stat }) => stat?.dimensions['InstanceId'] ?? [])[0] : undefined;
  if (id === undefined) throw new AwsError('ValidationError', 'The metric of the alarm has no InstanceId dimension.');
  const ec2 = ctx.asService().call('ec2');
  const InstanceIds = [id];
  if (verb === 'stop') await ec2.stopInstances({ InstanceIds });
  else if (verb === 'terminate') await ec2.terminateInstances({ InstanceIds });
  else if (verb === 'reboot') await ec2.rebootInstances({ InstanceIds });
  else if (verb === 'recover') await (await ctx.internal<Ec2Api>('ec2')).recoverInstance(id);
  else throw new AwsError('ValidationError', `Pilvi does not carry out the action ${verb}.`);
}

/** Carries out one action. Throws what the other service refuses with. */
async function perform(ctx: Context, row: AlarmRow, payload: ActionPayload): Promise<void> {
  const arn = parseArn(payload.action);
  const own = alarmArn(ctx, row.name);
  if (arn?.service === 'sns') {
    const Subject = `${payload.state}: "${row.name}" in ${longRegion(ctx)}`.slice(0, 100);
    await ctx
      .onAccountOf(own)
      .call('sns')
      .publish({ TopicArn: payload.action, Subject, Message: message(ctx, row, payload) });
    return;
  }
  if (arn?.service === 'lambda') {
    const Payload = Buffer.from(
      JSON.stringify({
        source: 'aws.cloudwatch',
        alarmArn: own,
        accountId: ctx.account,
        time: stamp(payload.at),
        region: ctx.region,
        alarmData: {
          alarmName: row.name,
          state: { value: payload.state, reason: payload.reason, timestamp: stamp(payload.at) },
          previousState: { value: payload.old },
        },
      }),
    );
    await ctx.onAccountOf(own).call('lambda').invoke({ FunctionName: payload.action, InvocationType: 'Event', Payload });
    return;
  }
  // `arn:aws:automate:us-east-1:ec2:stop` names no account.
  const verb = /^arn:aws:automate:[a-z0-9-]+:ec2:(\w+)$/.exec(payload.action)?.[1];
  if (verb !== undefined) return onInstance(ctx, row, verb);
  if (arn?.service === 'autoscaling') {
    const service = /:resource\/(?!ec2)|resource\/dynamodb|resource\/ecs/.test(payload.action)
      ? 'application-auto-scaling'
      : 'auto-scaling';
    const receiver = await ctx.internal<AlarmReceiver | undefined>(service);
    if (receiver?.onAlarm === undefined)
      throw new AwsError('NotImplemented', `Pilvi does not implement ${service}.`, { status: 501 });
    await receiver.onAlarm(ctx, {
      action: payload.action,
      alarmName: row.name,
      alarmArn: own,
      state: payload.state,
      value: payload.value,
      values: payload.values ?? [],
      threshold: row.kind === 'metric' ? row.threshold : 0,
      at: payload.at,
    });
    return;
  }
  throw new AwsError('ValidationError', `Pilvi does not carry out the action ${payload.action}.`);
}

/** Carries out one action and writes it down. */
export const act: Task = async ({ payload: given }, ctx) => {
  const payload = given as ActionPayload;
  const row = await ctx.table(Alarms).get(payload.alarm);
  if (row === undefined) return;
  let failure: string | undefined;
  try {
    await perform(ctx, row, payload);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    failure = error.message;
  }
  if (payload.again) return;
  const summary =
    failure === undefined
      ? `Successfully executed action ${payload.action}`
      : `Failed to execute action ${payload.action}. Received error: "${failure}"`;
  const data = {
    actionState: failure === undefined ? 'Succeeded' : 'Failed',
    stateUpdateTimestamp: payload.at,
    notificationResource: payload.action,
    publishedMessage: null,
    error: failure ?? null,
  };
  await ctx.transact((tx) =>
    tx.table(AlarmHistory).put({
      alarm: row.name,
      kind: row.kind,
      at: ctx.now,
      ordinal: ctx.uuid(),
      type: 'Action',
      summary,
      data: JSON.stringify(data),
    }),
  );
};

/** Lifecycle hooks: instances wait at launch or termination until somebody completes the action, or its time is over ("Lifecycle hooks", User Guide). */
import type { AutoScaling, LifecycleHook, PutLifecycleHookType } from '@aws-sdk/client-auto-scaling';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { wayIn, wayOut } from './activities.ts';
import { validationError } from './errors.ts';
import { requireGroup } from './groups.ts';
import { announceHook } from './notices.ts';
import { type HookAction, type HookRow, Hooks, Members, type MemberRow } from './state.ts';

const seconds = { least: 30, most: 7200, default: 3600, atLast: 172_800 };
const transitions = ['autoscaling:EC2_INSTANCE_LAUNCHING', 'autoscaling:EC2_INSTANCE_TERMINATING'] as const;

/** A hook as its row holds it. Throws ValidationError. */
export function readHook(input: PutLifecycleHookType, before?: HookRow): HookRow {
  const transition = transitions.find((one) => one === (input.LifecycleTransition ?? before?.transition));
  if (transition === undefined)
    throw validationError(
      'Valid requests must contain a LifecycleTransition of autoscaling:EC2_INSTANCE_LAUNCHING or autoscaling:EC2_INSTANCE_TERMINATING.',
    );
  const heartbeat = input.HeartbeatTimeout ?? before?.heartbeat ?? seconds.default;
  if (heartbeat < seconds.least || heartbeat > seconds.most)
    throw validationError(`Heartbeat Timeout must be between ${seconds.least} and ${seconds.most} seconds.`);
  const result = input.DefaultResult ?? before?.result ?? 'ABANDON';
  if (result !== 'CONTINUE' && result !== 'ABANDON')
    throw validationError(`Invalid default result: ${result}. It must be CONTINUE or ABANDON.`);
  return {
    group: input.AutoScalingGroupName ?? '',
    name: input.LifecycleHookName ?? '',
    transition,
    targetArn: input.NotificationTargetARN ?? before?.targetArn,
    roleArn: input.RoleARN ?? before?.roleArn,
    metadata: input.NotificationMetadata ?? before?.metadata,
    heartbeat,
    result,
  };
}

function describeHook(row: HookRow): LifecycleHook {
  return {
    LifecycleHookName: row.name,
    AutoScalingGroupName: row.group,
    LifecycleTransition: row.transition,
    NotificationTargetARN: row.targetArn,
    RoleARN: row.roleArn,
    NotificationMetadata: row.metadata,
    HeartbeatTimeout: row.heartbeat,
    GlobalTimeout: Math.min(seconds.atLast, row.heartbeat * 100),
    DefaultResult: row.result,
  };
}

/** Begins the waits of a member for all hooks of a transition; returns them, none when there is no hook. */
export async function beginHooks(
  tx: Transaction,
  ctx: Context,
  member: MemberRow,
  transition: HookRow['transition'],
): Promise<readonly HookAction[]> {
  const hooks = (await tx.table(Hooks).list({ prefix: [member.group] })).filter((hook) => hook.transition === transition);
  const actions: HookAction[] = [];
  for (const hook of hooks) {
    const action: HookAction = {
      hook: hook.name,
      token: ctx.uuid(),
      due: ctx.now + hook.heartbeat * 1000,
      dueAtLast: ctx.now + Math.min(seconds.atLast, hook.heartbeat * 100) * 1000,
    };
    actions.push(action);
    const way = transition === 'autoscaling:EC2_INSTANCE_LAUNCHING' ? wayIn(member) : wayOut(member);
    await announceHook(tx, ctx, hook, member, action, way);
    await tx.schedule({
      task: 'hookTimeout',
      key: `${member.group}/${member.slot}/${hook.name}`,
      due: action.due,
      payload: { group: member.group, slot: member.slot, hook: hook.name },
    });
  }
  return actions;
}

async function setAction(tx: Transaction, member: MemberRow, hook: string, change: Partial<HookAction>): Promise<void> {
  const actions = (member.actions ?? []).map((action) => (action.hook === hook ? { ...action, ...change } : action));
  await tx.table(Members).put({ ...member, actions });
  tx.hint('groups', member.group);
}

/** The time of a hook is over: its default result holds. */
export const hookTimeout: Task = async ({ payload, due }, ctx) => {
  const { group, slot, hook } = payload as { group: string; slot: string; hook: string };
  await ctx.transact(async (tx) => {
    const member = await tx.table(Members).get(group, slot);
    const action = member?.actions?.find((one) => one.hook === hook && one.result === undefined);
    if (member === undefined || action === undefined || action.due > due) return;
    const row = await tx.table(Hooks).get(group, hook);
    await setAction(tx, member, hook, { result: row?.result ?? 'ABANDON' });
  });
};

interface ActionNames {
  AutoScalingGroupName?: string | undefined;
  LifecycleHookName?: string | undefined;
  InstanceId?: string | undefined;
  LifecycleActionToken?: string | undefined;
}

/** The wait that a request names, by instance or token. Throws ValidationError when there is none. */
async function findAction(tx: Transaction, given: ActionNames): Promise<{ member: MemberRow; action: HookAction }> {
  const { InstanceId: id, LifecycleActionToken: token, LifecycleHookName: hook } = given;
  const group = await requireGroup(tx, given.AutoScalingGroupName);
  if (id === undefined && token === undefined)
    throw validationError('Either InstanceId or LifecycleActionToken must be specified.');
  for (const member of await tx.table(Members).list({ prefix: [group.name] })) {
    if (id !== undefined && member.instanceId !== id) continue;
    const action = member.actions?.find(
      (one) => one.hook === hook && one.result === undefined && (token === undefined || one.token === token),
    );
    if (action !== undefined) return { member, action };
  }
  throw validationError(
    id === undefined
      ? `No active Lifecycle Action found with token ${token}`
      : `No active Lifecycle Action found with instance ID ${id}`,
  );
}

export const hookHandlers: HandlersOf<AutoScaling> = {
  async PutLifecycleHook(input, ctx) {
    await requireGroup(ctx, input.AutoScalingGroupName);
    await ctx.transact(async (tx) => {
      const before = await tx.table(Hooks).get(input.AutoScalingGroupName ?? '', input.LifecycleHookName ?? '');
      const count = await tx.table(Hooks).count([input.AutoScalingGroupName ?? '']);
      if (before === undefined && count >= 50)
        throw validationError('The maximum number of lifecycle hooks (50) of the group has been reached.');
      await tx.table(Hooks).put(readHook(input, before));
    });
    return {};
  },

  /** Waits for the hook end at once, with its default result. */
  async DeleteLifecycleHook({ AutoScalingGroupName: group = '', LifecycleHookName: name = '' }, ctx) {
    await requireGroup(ctx, group);
    await ctx.transact(async (tx) => {
      const row = await tx.table(Hooks).get(group, name);
      if (row === undefined) throw validationError(`No Lifecycle Hook found: ${name}`);
      for (const member of await tx.table(Members).list({ prefix: [group] }))
        if (member.actions?.some((one) => one.hook === name && one.result === undefined))
          await setAction(tx, member, name, { result: row.result });
      await tx.table(Hooks).delete(group, name);
    });
    return {};
  },

  async DescribeLifecycleHooks({ AutoScalingGroupName: group, LifecycleHookNames: names = [] }, ctx) {
    await requireGroup(ctx, group);
    const rows = await ctx.table(Hooks).list({ prefix: [group ?? ''] });
    return { LifecycleHooks: rows.filter((row) => names.length === 0 || names.includes(row.name)).map(describeHook) };
  },

  async CompleteLifecycleAction({ LifecycleActionResult: result, ...names }, ctx) {
    if (result !== 'CONTINUE' && result !== 'ABANDON')
      throw validationError(`Invalid lifecycle action result: ${result}. It must be CONTINUE or ABANDON.`);
    await ctx.transact(async (tx) => {
      const { member, action } = await findAction(tx, names);
      await setAction(tx, member, action.hook, { result });
    });
    return {};
  },

  /** Begins the heartbeat again, up to the hook's global timeout. */
  async RecordLifecycleActionHeartbeat(names, ctx) {
    await ctx.transact(async (tx) => {
      const { member, action } = await findAction(tx, names);
      const hook = await tx.table(Hooks).get(member.group, action.hook);
      const due = Math.min(action.dueAtLast, ctx.now + (hook?.heartbeat ?? seconds.default) * 1000);
      await setAction(tx, member, action.hook, { due });
      await tx.schedule({
        task: 'hookTimeout',
        key: `${member.group}/${member.slot}/${action.hook}`,
        due,
        payload: { group: member.group, slot: member.slot, hook: action.hook },
      });
    });
    return {};
  },
};

/** What EC2 and the load balancers say of a group's instances, as health checks want it ("Health checks for instances in an Auto Scaling group"). */
import type { Context } from '../../kernel/context.ts';
import type { GroupRow, MemberRow } from './state.ts';
import { targetState } from './targets.ts';

export interface Sight {
  /** `running`, `terminated`…; `terminated` also for what EC2 no longer knows. */
  state: string;
  /** A status check of the host or the instance fails. */
  impaired: boolean;
}

/** Instances of these members as EC2 shows them. */
export async function observe(ctx: Context, members: readonly MemberRow[]): Promise<ReadonlyMap<string, Sight>> {
  const ids = members.flatMap(({ instanceId }) => instanceId ?? []);
  const seen = new Map<string, Sight>(ids.map((id) => [id, { state: 'terminated', impaired: false }]));
  if (ids.length === 0) return seen;
  const ec2 = ctx.call('ec2');
  const { Reservations = [] } = await ec2.describeInstances({ Filters: [{ Name: 'instance-id', Values: ids }] });
  for (const { InstanceId = '', State } of Reservations.flatMap(({ Instances = [] }) => Instances))
    seen.set(InstanceId, { state: State?.Name ?? '', impaired: false });
  const { InstanceStatuses = [] } = await ec2.describeInstanceStatus({
    Filters: [{ Name: 'system-status.status', Values: ['impaired'] }],
  });
  for (const { InstanceId = '' } of InstanceStatuses) {
    const sight = seen.get(InstanceId);
    if (sight !== undefined) seen.set(InstanceId, { ...sight, impaired: true });
  }
  return seen;
}

/** Why a member in service is unhealthy, in the words of the activity that takes it out; undefined when it is well. */
export async function illnessOf(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight): Promise<string | undefined> {
  if (!member.healthy) return member.unhealthyBecause ?? 'in response to a user health-check';
  if (sight.state !== 'running' && sight.state !== 'pending')
    return 'in response to an EC2 health check indicating it has been terminated or stopped';
  const young = ctx.now < (member.inService ?? ctx.now) + group.gracePeriod * 1000;
  if (young) return undefined;
  if (sight.impaired) return 'in response to EC2 instance status checks failure';
  if (!group.healthCheckType.split(',').includes('ELB') || member.instanceId === undefined) return undefined;
  for (const arn of member.registered)
    if ((await targetState(ctx, arn, member.instanceId)) === 'unhealthy')
      return 'in response to an ELB system health check failure';
  return undefined;
}

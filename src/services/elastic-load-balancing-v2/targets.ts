/** Targets: registered by instance id, address or load balancer ARN; drained when they go. */
import type {
  ElasticLoadBalancingV2,
  TargetDescription,
  TargetHealthDescription,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { containsAddress, parseCidr4, parseIp4 } from '../../base/cidr.ts';
import { isIdOf } from '../../base/ids.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import type { Ec2Api, InstanceFacts } from '../ec2/api.ts';
import { groupAttribute, preservesClients } from './attributes.ts';
import { invalidTarget, validationError } from './errors.ts';
import { checkFunction } from './functions.ts';
import { balancersOf, findGroup, hintUsers } from './lookup.ts';
import { scheduleChecks } from './target-groups.ts';
import { Balancers, beforeChecks, type GroupRow, type TargetRow, Targets } from './state.ts';

/** Targets of one group, and of one request ("Quotas"). */
const targetsMax = 1000;
const requestMax = 100;

const privateBlocks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'].map((block) => parseCidr4(block)!);

const within = (block: string, address: number): boolean => {
  const parsed = parseCidr4(block);
  return parsed !== undefined && containsAddress(parsed, address);
};

/** Checks a target against its group and says in which zone it stands. */
async function checkTarget(
  ctx: Context,
  group: GroupRow,
  { Id: id = '', AvailabilityZone }: TargetDescription,
): Promise<string | undefined> {
  if (group.type === 'lambda') return checkFunction(ctx, group.arn, id);
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  if (group.type === 'instance') {
    const facts = isIdOf('instance', id) ? await ec2.instanceFacts(id) : undefined;
    if (facts === undefined || facts.state === 'terminated')
      throw invalidTarget(`The following targets are not valid instances: '${id}'`);
    if (facts.state !== 'running' && facts.state !== 'pending')
      throw invalidTarget(`The following targets are not in a running state and cannot be registered: '${id}'`);
    if (facts.vpcId !== group.vpcId)
      throw invalidTarget(`The following targets are not in the target group VPC '${group.vpcId}': '${id}'`);
    return facts.zone;
  }
  if (group.type === 'alb') {
    const row = await ctx.table(Balancers).get(id);
    if (row?.type !== 'application' || row.state === 'deleting')
      throw invalidTarget(`The following target is not a valid Application Load Balancer: '${id}'`);
    if (row.vpcId !== group.vpcId)
      throw invalidTarget(`The following targets are not in the target group VPC '${group.vpcId}': '${id}'`);
    return undefined;
  }
  const address = parseIp4(id);
  if (address === undefined) throw validationError(`The IP address '${id}' is not a valid IPv4 address`);
  const vpc = await ec2.vpcFacts(group.vpcId);
  if ((vpc?.cidrs ?? []).some((block) => within(block, address)))
    return (await ec2.zoneOfAddress(group.vpcId, id)) ?? AvailabilityZone;
  if (!privateBlocks.some((block) => containsAddress(block, address)))
    throw invalidTarget(`The IP address '${id}' is not within the VPC and not within one of the permitted private ranges`);
  if (AvailabilityZone !== 'all')
    throw validationError(`You must specify an Availability Zone of 'all' for the IP address '${id}' outside the VPC`);
  // From there answers would not come back to the node.
  if (preservesClients(group))
    throw parameterNotImplemented(
      'RegisterTargets',
      `Targets=${id}, which is outside the VPC, with preserve_client_ip.enabled=true`,
    );
  return 'all';
}

function portOf(group: GroupRow, { Port, Id }: TargetDescription): number {
  if (group.type === 'lambda' && Port !== undefined)
    throw validationError(`A port cannot be specified for targets of target groups with target type 'lambda'`);
  if (Port !== undefined && (Port < 1 || Port > 65_535))
    throw validationError(`The port '${Port}' of the target '${Id}' must be between 1 and 65535`);
  if (group.type === 'alb' && Port !== undefined && Port !== group.port)
    throw validationError('The port of the target must be the port of the target group');
  return Port ?? group.port;
}

function checkList(targets: readonly TargetDescription[] | undefined): readonly TargetDescription[] {
  if (targets === undefined || targets.length === 0) throw validationError('Targets must be specified');
  if (targets.length > requestMax) throw validationError(`At most ${requestMax} targets can be specified in a request`);
  for (const { Id, QuicServerId } of targets) {
    if (Id === undefined || Id === '') throw validationError('A target ID must be specified');
    if (QuicServerId !== undefined) throw parameterNotImplemented('RegisterTargets', 'QuicServerId');
  }
  return targets;
}

/** Time between two looks at what is still under way on draining targets. */
const lookMillis = 1000;

/** Takes a target out, once its delay is over. */
export const finishDraining: Task = async (job, ctx) => {
  const { group, id, port } = job.payload as { group: string; id: string; port: number };
  await ctx.transact(async (tx) => {
    const row = await tx.table(Targets).get(group, id, port);
    if (row?.state !== 'draining') return;
    await tx.table(Targets).delete(group, id, port);
    await hintUsers(tx, group);
  });
};

/**
 * Ends the draining of a group's targets on which nothing is under way any more ("Deregistration delay": a target without requests in flight and
 * connections need not wait for it). Looks every second of the cloud's time while there are any. `key` is the group.
 */
export const lookAtDraining: Task = async ({ key: arn }, ctx) => {
  const rows = (await ctx.table(Targets).list({ prefix: [arn] })).filter(({ state }) => state === 'draining');
  if (rows.length === 0) return;
  const proxy = ctx.part('proxy');
  const balancers = await Promise.all((await balancersOf(ctx, arn)).map((balancer) => ctx.table(Balancers).get(balancer)));
  const nodes = balancers.flatMap((row) => row?.nodes ?? []);
  const seen = await Promise.all(nodes.map(({ interfaceId }) => proxy.draining(interfaceId)));
  // A node that does not know of the draining yet may send something still; one that is gone has nothing.
  const isDone = ({ id, port }: TargetRow): boolean =>
    seen.every((targets) => {
      if (targets === undefined) return true;
      const own = targets.filter(({ pool, target }) => pool === arn && target.split('@')[0] === `${id}:${port}`);
      return own.length > 0 && own.every(({ underWay }) => underWay === 0);
    });
  await ctx.transact(async (tx) => {
    let left = 0;
    for (const row of rows) {
      const latest = await tx.table(Targets).get(row.group, row.id, row.port);
      if (latest?.state !== 'draining') continue;
      left += 1;
      if (!isDone(row)) continue;
      left -= 1;
      await tx.table(Targets).delete(row.group, row.id, row.port);
      await tx.unschedule('finishDraining', `${row.group} ${row.id} ${row.port}`);
    }
    if (left < rows.length) await hintUsers(tx, arn);
    if (left > 0) await tx.schedule({ task: 'lookAtDraining', key: arn, due: ctx.clock.now() + lookMillis });
  });
};

/** An instance that stops or is terminated leaves or rests without being asked; one that comes back is looked at again. */
export async function onInstanceChange(ctx: Context, instanceId: string, state: string): Promise<void> {
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(Targets).byIndex('byId', [instanceId])) {
      if (state === 'terminated') await tx.table(Targets).delete(row.group, row.id, row.port);
      else await scheduleChecks(tx, ctx, row.group);
      await hintUsers(tx, row.group);
    }
  });
}

/** State and reason as the API words them ("Target health status", "Health check reason codes"). */
function describeHealth(
  row: TargetRow,
  group: GroupRow,
  used: boolean,
  instance: InstanceFacts | undefined,
): TargetHealthDescription['TargetHealth'] {
  if (row.state === 'draining')
    return { State: 'draining', Reason: 'Target.DeregistrationInProgress', Description: 'Target deregistration is in progress' };
  if (!used)
    return {
      State: 'unused',
      Reason: 'Target.NotInUse',
      Description: 'Target group is not configured to receive traffic from the load balancer',
    };
  if (!group.check.enabled)
    return {
      State: 'unavailable',
      Reason: 'Target.HealthCheckDisabled',
      Description: 'Health checks are not enabled for this target',
    };
  if (group.type === 'instance' && instance?.state !== 'running' && instance?.state !== 'pending')
    return { State: 'unused', Reason: 'Target.InvalidState', Description: 'Target is in the stopped state' };
  return {
    State: row.state,
    Reason: row.reason as NonNullable<TargetHealthDescription['TargetHealth']>['Reason'],
    Description: row.description,
  };
}

function checkPort({ type, check }: GroupRow, { port }: TargetRow): string | undefined {
  if (type === 'lambda') return undefined;
  return check.port === 'traffic-port' ? String(port) : check.port;
}

export const targetHandlers: HandlersOf<ElasticLoadBalancingV2> = {
  /** Throws InvalidTarget for what is not of the group's kind or VPC, TooManyTargets. */
  async RegisterTargets(input, ctx) {
    const group = await findGroup(ctx, input.TargetGroupArn);
    const targets = checkList(input.Targets);
    const wanted: { id: string; port: number; zone: string | undefined }[] = [];
    for (const target of targets)
      wanted.push({ id: target.Id ?? '', port: portOf(group, target), zone: await checkTarget(ctx, group, target) });
    await ctx.transact(async (tx) => {
      await findGroup(tx, group.arn);
      const known = await tx.table(Targets).list({ prefix: [group.arn] });
      const fresh = wanted.filter(({ id, port }) => !known.some((row) => row.id === id && row.port === port));
      if (known.length + fresh.length > (group.type === 'alb' || group.type === 'lambda' ? 1 : targetsMax))
        throw new AwsError('TooManyTargets', `The maximum number of targets for target group '${group.arn}' has been reached`);
      for (const { id, port, zone } of wanted) {
        const row = known.find((each) => each.id === id && each.port === port);
        if (row !== undefined && row.state !== 'draining') continue;
        await tx.unschedule('finishDraining', `${group.arn} ${id} ${port}`);
        await tx.table(Targets).put({
          ...{ group: group.arn, id, port, zone, ...beforeChecks, registered: ctx.now },
        });
      }
      await scheduleChecks(tx, ctx, group.arn);
      await hintUsers(tx, group.arn);
    });
    return {};
  },

  /** Succeeds for targets that are not registered. */
  async DeregisterTargets(input, ctx) {
    const group = await findGroup(ctx, input.TargetGroupArn);
    const targets = checkList(input.Targets);
    const delay = Number(groupAttribute(group, 'deregistration_delay.timeout_seconds')) * 1000;
    await ctx.transact(async (tx) => {
      const used = (await balancersOf(tx, group.arn)).length > 0;
      const rows = await tx.table(Targets).list({ prefix: [group.arn] });
      const gone = rows.filter((row) =>
        targets.some(({ Id, Port }) => Id === row.id && (Port === undefined || Port === row.port)),
      );
      for (const row of gone) {
        if (row.state === 'draining') continue;
        // Nothing can be under way on a target that no load balancer sends to; calls of a function that goes fail ("Deregister the Lambda function").
        if (delay === 0 || !used || group.type === 'lambda') await tx.table(Targets).delete(row.group, row.id, row.port);
        else {
          await tx.table(Targets).put({ ...row, state: 'draining', reason: undefined, description: undefined });
          const { group: arn, id, port } = row;
          const payload = { group: arn, id, port };
          await tx.schedule({ task: 'finishDraining', key: `${arn} ${id} ${port}`, due: ctx.now + delay, payload });
          await tx.schedule({ task: 'lookAtDraining', key: arn, due: ctx.now + lookMillis });
        }
      }
      await hintUsers(tx, group.arn);
    });
    return {};
  },

  async DescribeTargetHealth(input, ctx) {
    if ((input.Include?.length ?? 0) > 0) throw parameterNotImplemented('DescribeTargetHealth', 'Include');
    const group = await findGroup(ctx, input.TargetGroupArn);
    const ec2 = await ctx.internal<Ec2Api>('ec2');
    const used = (await balancersOf(ctx, group.arn)).length > 0;
    const rows = await ctx.table(Targets).list({ prefix: [group.arn] });
    const asked = input.Targets ?? [];
    const found: TargetHealthDescription[] = [];
    for (const row of rows) {
      if (asked.length > 0 && !asked.some(({ Id, Port }) => Id === row.id && (Port ?? group.port) === row.port)) continue;
      const instance = group.type === 'instance' ? await ec2.instanceFacts(row.id) : undefined;
      found.push({
        Target: {
          Id: row.id,
          Port: group.type === 'lambda' ? undefined : row.port,
          AvailabilityZone: group.type === 'instance' ? undefined : row.zone,
        },
        HealthCheckPort: checkPort(group, row),
        TargetHealth: describeHealth(row, group, used, instance),
      });
    }
    for (const { Id, Port } of asked)
      if (!found.some(({ Target }) => Target?.Id === Id && Target?.Port === (Port ?? group.port)))
        found.push({
          Target: { Id, Port: group.type === 'lambda' ? undefined : (Port ?? group.port) },
          TargetHealth: {
            State: 'unused',
            Reason: 'Target.NotRegistered',
            Description: 'Target is not registered to the target group',
          },
        });
    return { TargetHealthDescriptions: found };
  },
};

/** Traffic mirror targets and sessions ("Traffic Mirroring"): copies of an interface's packets to another, within a VPC. */
import type { CreateTrafficMirrorSessionRequest, EC2, TrafficMirrorSession, TrafficMirrorTarget } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { MirrorFilters, type MirrorSessionRow, MirrorSessions, type MirrorTargetRow, MirrorTargets } from './state.ts';

const numberMax = 32_766;
/** VXLAN network identifiers have 24 bits. */
const virtualNetworkMax = 2 ** 24 - 1;
/** Sessions on one interface ("Traffic Mirroring quotas": 3 sessions per source). */
const sessionsPerSourceMax = 3;

function describeTarget(ctx: Context, row: MirrorTargetRow): TrafficMirrorTarget {
  return {
    TrafficMirrorTargetId: row.id,
    NetworkInterfaceId: row.interfaceId,
    Type: 'network-interface',
    Description: row.description,
    OwnerId: ctx.account,
    Tags: describeTags(row.tags),
  };
}

function describeSession(ctx: Context, row: MirrorSessionRow): TrafficMirrorSession {
  return {
    TrafficMirrorSessionId: row.id,
    TrafficMirrorTargetId: row.targetId,
    TrafficMirrorFilterId: row.filterId,
    NetworkInterfaceId: row.interfaceId,
    OwnerId: ctx.account,
    SessionNumber: row.number,
    VirtualNetworkId: row.virtualNetworkId,
    Description: row.description,
    Tags: describeTags(row.tags),
  };
}

function checkSession(input: CreateTrafficMirrorSessionRequest): void {
  const { SessionNumber: number, VirtualNetworkId: identifier } = input;
  if (input.PacketLength !== undefined) throw parameterNotImplemented('CreateTrafficMirrorSession', 'PacketLength');
  if (number === undefined) throw missingParameter('SessionNumber');
  if (number < 1 || number > numberMax)
    throw invalidParameterValue(`Value (${number}) for parameter SessionNumber is invalid. Valid values are 1-${numberMax}.`);
  if (identifier !== undefined && (identifier < 0 || identifier > virtualNetworkMax))
    throw invalidParameterValue(`Value (${identifier}) for parameter VirtualNetworkId is invalid.`);
}

export const mirrorSessionHandlers: HandlersOf<EC2> = {
  async CreateTrafficMirrorTarget(input, ctx) {
    if (input.NetworkLoadBalancerArn !== undefined)
      throw parameterNotImplemented('CreateTrafficMirrorTarget', 'NetworkLoadBalancerArn');
    if (input.GatewayLoadBalancerEndpointId !== undefined)
      throw parameterNotImplemented('CreateTrafficMirrorTarget', 'GatewayLoadBalancerEndpointId');
    if (input.NetworkInterfaceId === undefined) throw missingParameter('NetworkInterfaceId');
    const row = await ctx.transact(async (tx) => {
      const card = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      if ((await tx.table(MirrorTargets).firstByIndex('byInterface', [card.id])) !== undefined)
        throw new AwsError('TrafficMirrorTargetAlreadyExists', `A traffic mirror target for ${card.id} already exists.`);
      const made: MirrorTargetRow = {
        id: ctx.id('mirrorTarget'),
        interfaceId: card.id,
        description: input.Description,
        tags: tagsFor('traffic-mirror-target', input.TagSpecifications),
      };
      await tx.table(MirrorTargets).put(made);
      return made;
    });
    return { TrafficMirrorTarget: describeTarget(ctx, row), ClientToken: input.ClientToken };
  },

  async DescribeTrafficMirrorTargets(input, ctx) {
    const rows = await rowsByIds(ctx, MirrorTargets, 'mirrorTarget', input.TrafficMirrorTargetIds);
    const passing = applyFilters(rows, input.Filters, {
      'traffic-mirror-target-id': ({ id }) => id,
      'network-interface-id': ({ interfaceId }) => interfaceId,
      'owner-id': () => ctx.account,
      description: ({ description }) => description,
    });
    const found = page('DescribeTrafficMirrorTargets', passing, ({ id }) => id, input, { ids: input.TrafficMirrorTargetIds });
    return { TrafficMirrorTargets: found.rows.map((row) => describeTarget(ctx, row)), NextToken: found.nextToken };
  },

  /** Throws TrafficMirrorTargetInUse while a session sends to it. */
  async DeleteTrafficMirrorTarget(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, MirrorTargets, 'mirrorTarget', input.TrafficMirrorTargetId);
      if ((await tx.table(MirrorSessions).firstByIndex('byTarget', [row.id])) !== undefined)
        throw new AwsError('TrafficMirrorTargetInUse', `Traffic mirror target ${row.id} is in use.`);
      await tx.table(MirrorTargets).delete(row.id);
    });
    return { TrafficMirrorTargetId: input.TrafficMirrorTargetId };
  },

  /** Throws ….NotFound for what it names, InvalidParameterValue, TrafficMirrorSessionsPerInterfaceLimitExceeded. */
  async CreateTrafficMirrorSession(input, ctx) {
    checkSession(input);
    const row = await ctx.transact(async (tx) => {
      const card = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      const target = await requireRow(tx, MirrorTargets, 'mirrorTarget', input.TrafficMirrorTargetId);
      const filter = await requireRow(tx, MirrorFilters, 'mirrorFilter', input.TrafficMirrorFilterId);
      const receiver = await tx.table(Interfaces).get(target.interfaceId);
      if (receiver?.vpcId !== card.vpcId) throw parameterNotImplemented('CreateTrafficMirrorSession', 'a target in another VPC');
      const others = (await tx.table(MirrorSessions).byIndex('byVpc', [card.vpcId])).filter((one) => one.interfaceId === card.id);
      if (others.some(({ number }) => number === input.SessionNumber))
        throw invalidParameterValue(`Session number ${input.SessionNumber} is already in use for ${card.id}.`);
      if (others.length >= sessionsPerSourceMax)
        throw new AwsError(
          'TrafficMirrorSessionsPerInterfaceLimitExceeded',
          `The maximum number of sessions (${sessionsPerSourceMax}) of ${card.id} has been reached.`,
        );
      const made: MirrorSessionRow = {
        id: ctx.id('mirrorSession'),
        targetId: target.id,
        filterId: filter.id,
        interfaceId: card.id,
        vpcId: card.vpcId,
        number: input.SessionNumber!,
        // "If you do not specify a VirtualNetworkId, an account-wide unique ID is chosen at random."
        virtualNetworkId: input.VirtualNetworkId ?? Buffer.from(ctx.bytes(3)).readUIntBE(0, 3),
        description: input.Description,
        tags: tagsFor('traffic-mirror-session', input.TagSpecifications),
      };
      await tx.table(MirrorSessions).put(made);
      tx.hint('networks', card.vpcId);
      return made;
    });
    return { TrafficMirrorSession: describeSession(ctx, row), ClientToken: input.ClientToken };
  },

  async DescribeTrafficMirrorSessions(input, ctx) {
    const rows = await rowsByIds(ctx, MirrorSessions, 'mirrorSession', input.TrafficMirrorSessionIds);
    const passing = applyFilters(rows, input.Filters, {
      'traffic-mirror-session-id': ({ id }) => id,
      'traffic-mirror-target-id': ({ targetId }) => targetId,
      'traffic-mirror-filter-id': ({ filterId }) => filterId,
      'network-interface-id': ({ interfaceId }) => interfaceId,
      'session-number': ({ number }) => number,
      'virtual-network-id': ({ virtualNetworkId }) => virtualNetworkId,
      'owner-id': () => ctx.account,
      description: ({ description }) => description,
    });
    const found = page('DescribeTrafficMirrorSessions', passing, ({ id }) => id, input, { ids: input.TrafficMirrorSessionIds });
    return { TrafficMirrorSessions: found.rows.map((row) => describeSession(ctx, row)), NextToken: found.nextToken };
  },

  async DeleteTrafficMirrorSession(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, MirrorSessions, 'mirrorSession', input.TrafficMirrorSessionId);
      await tx.table(MirrorSessions).delete(row.id);
      tx.hint('networks', row.vpcId);
    });
    return { TrafficMirrorSessionId: input.TrafficMirrorSessionId };
  },
};

export const mirrorSessionAuthorisations: AuthorisationsOf<EC2> = {
  CreateTrafficMirrorTarget: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'traffic-mirror-target', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged([input.NetworkInterfaceId ?? ''], ctx)),
  ],
  DeleteTrafficMirrorTarget: (input, ctx) => checkTagged([input.TrafficMirrorTargetId ?? ''], ctx),
  CreateTrafficMirrorSession: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'traffic-mirror-session', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged(
      [input.NetworkInterfaceId ?? '', input.TrafficMirrorTargetId ?? '', input.TrafficMirrorFilterId ?? ''],
      ctx,
    )),
  ],
  DeleteTrafficMirrorSession: (input, ctx) => checkTagged([input.TrafficMirrorSessionId ?? ''], ctx),
};

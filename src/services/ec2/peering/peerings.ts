/**
 * VPC peering connections: asked for by one side, accepted by the other, which may be another account or Region ("VPC peering connection lifecycle",
 * VPC Peering Guide). The connection itself belongs to neither; each side has a row of its own with its tags.
 */
import type { EC2, VpcPeeringConnection, VpcPeeringConnectionVpcInfo } from '@aws-sdk/client-ec2';
import { overlaps, parseCidr4 } from '../../../base/cidr.ts';
import { findRegion } from '../../../base/regions.ts';
import type { Context, Scope, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import { invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { Vpcs } from '../vpc/state.ts';
import { type PeeringEnd, type PeeringRow, PeeringSides, type PeeringSideRow, type PeeringStatus, Peerings } from './state.ts';

const hour = 3_600_000;
/** A request that nobody accepts lapses after a week; ended connections stay visible for a while ("lifecycle"). */
const pendingMillis = 7 * 24 * hour;
const shownMillis: Readonly<Record<Exclude<PeeringStatus, 'active' | 'pending-acceptance'>, number>> = {
  failed: 2 * hour,
  rejected: 2 * hour,
  deleted: 2 * hour,
  expired: 48 * hour,
};

const messages: Readonly<Record<PeeringStatus, (row: Pick<PeeringRow, 'accepter'>, by?: string) => string>> = {
  'pending-acceptance': ({ accepter }) => `Pending Acceptance by ${accepter.account}`,
  active: () => 'Active',
  deleted: (_row, by) => `Deleted by ${by}`,
  rejected: (_row, by) => `Rejected by ${by}`,
  failed: () => 'VPC Peering Connection failed due to incorrect VPC-ID, Account-ID, or overlapping CIDR range',
  expired: () => 'Expired',
};

/** A side with the connection. */
type Found = PeeringSideRow & { peering: PeeringRow };

async function describeEnd(ctx: Context, end: PeeringEnd, visible: boolean): Promise<VpcPeeringConnectionVpcInfo> {
  const vpc = visible ? await ctx.tableIn(end, Vpcs).get(end.vpcId) : undefined;
  return {
    OwnerId: end.account,
    Region: end.region,
    VpcId: end.vpcId,
    CidrBlock: vpc?.cidrs[0]?.cidr,
    CidrBlockSet: vpc?.cidrs.map(({ cidr }) => ({ CidrBlock: cidr })),
    PeeringOptions: visible
      ? {
          AllowDnsResolutionFromRemoteVpc: end.remoteDns,
          AllowEgressFromLocalClassicLinkToRemoteVpc: false,
          AllowEgressFromLocalVpcToRemoteClassicLink: false,
        }
      : undefined,
  };
}

/** The other end's blocks show once it has accepted. */
async function describePeering(ctx: Context, { peering, tags }: Found): Promise<VpcPeeringConnection> {
  return {
    VpcPeeringConnectionId: peering.id,
    Status: { Code: peering.status, Message: peering.message },
    RequesterVpcInfo: await describeEnd(ctx, peering.requester, true),
    AccepterVpcInfo: await describeEnd(ctx, peering.accepter, peering.status === 'active'),
    ExpirationTime: peering.status === 'pending-acceptance' ? new Date(peering.expires) : undefined,
    Tags: describeTags(tags),
  };
}

/** The side of this account and Region; of two, the accepter's when `role` says so. Throws InvalidVpcPeeringConnectionID.NotFound. */
async function requireSide(
  source: Pick<Context | Transaction, 'table'>,
  id: string | undefined,
  role?: PeeringSideRow['role'],
): Promise<Found> {
  const sides = await source.table(PeeringSides).byIndex('byId', [id ?? '']);
  const side = sides.find((one) => one.role === role) ?? sides[0];
  const peering = await source.table(Peerings).get(id ?? '');
  if (side === undefined || peering === undefined) throw notFound('vpcPeering', id ?? '');
  return { ...side, peering };
}

function refuseTransition(id: string, from: PeeringStatus, to: string): AwsError {
  return new AwsError(
    'InvalidStateTransition',
    `Invalid state transition for ${id}, attempted to transition from ${from} to ${to}`,
  );
}

/** Wakes the networks of both ends: each in its own scope. */
async function wakeNetworks(ctx: Context, { requester, accepter }: PeeringRow): Promise<void> {
  for (const end of [requester, accepter]) await ctx.inScope(scopeOf(end)).transact(async (tx) => tx.hint('networks', end.vpcId));
}

function scopeOf({ account, region }: PeeringEnd): Scope {
  return { account, region };
}

async function endPeering(
  tx: Transaction,
  ctx: Context,
  row: PeeringRow,
  status: Exclude<PeeringStatus, 'active' | 'pending-acceptance'>,
): Promise<PeeringRow> {
  const ended = { ...row, status, message: messages[status](row, ctx.account) };
  await tx.table(Peerings).put(ended);
  await tx.schedule({ task: 'forgetPeering', key: row.id, due: ctx.now + shownMillis[status] });
  return ended;
}

/** Why a request can only fail: the other VPC does not exist, or blocks of the two overlap. */
async function isHopeless(tx: Transaction, requester: PeeringEnd, accepter: PeeringEnd): Promise<boolean> {
  const [own, other] = [
    await tx.tableIn(scopeOf(requester), Vpcs).get(requester.vpcId),
    await tx.tableIn(scopeOf(accepter), Vpcs).get(accepter.vpcId),
  ];
  if (own === undefined || other === undefined) return true;
  return own.cidrs.some((a) => other.cidrs.some((b) => overlaps(parseCidr4(a.cidr)!, parseCidr4(b.cidr)!)));
}

async function checkNew(tx: Transaction, requester: PeeringEnd, accepter: PeeringEnd): Promise<void> {
  const sides = await tx.table(PeeringSides).byIndex('byVpc', [requester.vpcId]);
  const same = (a: PeeringEnd, b: PeeringEnd) => a.account === b.account && a.region === b.region && a.vpcId === b.vpcId;
  for (const { id } of sides) {
    const row = await tx.table(Peerings).get(id);
    if (row === undefined || (row.status !== 'active' && row.status !== 'pending-acceptance')) continue;
    if ([row.requester, row.accepter].some((end) => same(end, accepter)))
      throw new AwsError('VpcPeeringConnectionAlreadyExists', `A VPC peering connection between the VPCs already exists: ${id}`);
  }
  let waiting = 0;
  for (const { id, role } of await tx.table(PeeringSides).list())
    if (role === 'requester' && (await tx.table(Peerings).get(id))?.status === 'pending-acceptance') waiting += 1;
  if (waiting >= (await quotaOf(tx, quotas.outstandingPeerings)))
    throw new AwsError(
      'OutstandingVpcPeeringConnectionLimitExceeded',
      'You have reached the limit of outstanding VPC peering connection requests.',
    );
}

async function checkActiveQuota(tx: Transaction, { requester, accepter }: PeeringRow): Promise<void> {
  for (const end of [requester, accepter]) {
    let active = 0;
    for (const { id } of await tx.tableIn(scopeOf(end), PeeringSides).byIndex('byVpc', [end.vpcId]))
      if ((await tx.table(Peerings).get(id))?.status === 'active') active += 1;
    if (active >= (await quotaOf({ table: (table) => tx.tableIn(scopeOf(end), table) }, quotas.peeringsPerVpc)))
      throw new AwsError(
        'VpcPeeringConnectionsPerVpcLimitExceeded',
        `You have reached the limit of active VPC peering connections for ${end.vpcId}.`,
      );
  }
}

export const peeringHandlers: HandlersOf<EC2> = {
  /** A hopeless request is answered all the same and shows as `failed` (PEER-002). Throws InvalidVpcID.NotFound, VpcPeeringConnectionAlreadyExists. */
  async CreateVpcPeeringConnection(input, ctx) {
    if (input.VpcId === undefined) throw missingParameter('vpcId');
    if (input.PeerVpcId === undefined) throw missingParameter('peerVpcId');
    if (input.PeerOwnerId !== undefined && !/^\d{12}$/.test(input.PeerOwnerId))
      throw invalidParameterValue(`Value (${input.PeerOwnerId}) for parameter peerOwnerId is invalid.`);
    if (input.PeerRegion !== undefined && findRegion(input.PeerRegion) === undefined)
      throw invalidParameterValue(`Value (${input.PeerRegion}) for parameter peerRegion is invalid.`);
    const tags = tagsFor('vpc-peering-connection', input.TagSpecifications);
    const requester: PeeringEnd = { account: ctx.account, region: ctx.region, vpcId: input.VpcId, remoteDns: false };
    const accepter: PeeringEnd = {
      account: input.PeerOwnerId ?? ctx.account,
      region: input.PeerRegion ?? ctx.region,
      vpcId: input.PeerVpcId,
      remoteDns: false,
    };
    const found = await ctx.transact(async (tx): Promise<Found> => {
      await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      await checkNew(tx, requester, accepter);
      const status = 'pending-acceptance';
      const message = messages[status]({ accepter });
      const id = ctx.id('vpcPeering');
      const row: PeeringRow = { id, requester, accepter, status, message, expires: ctx.now + pendingMillis };
      const side: PeeringSideRow = { id, role: 'requester', vpcId: requester.vpcId, tags };
      await tx.table(PeeringSides).put(side);
      if (await isHopeless(tx, requester, accepter)) return { ...side, peering: await endPeering(tx, ctx, row, 'failed') };
      await tx.table(Peerings).put(row);
      await tx.tableIn(scopeOf(accepter), PeeringSides).put({ id, role: 'accepter', vpcId: accepter.vpcId, tags: {} });
      await tx.schedule({ task: 'expirePeering', key: id, due: row.expires });
      return { ...side, peering: row };
    });
    const shown = await describePeering(ctx, found);
    return {
      VpcPeeringConnection: {
        ...shown,
        Status: { Code: 'initiating-request', Message: `Initiating Request to ${accepter.account}` },
        ExpirationTime: new Date(found.peering.expires),
      },
    };
  },

  async DescribeVpcPeeringConnections(input, ctx) {
    const sides = await ctx.table(PeeringSides).list();
    const byId = new Map<string, Found>();
    for (const side of sides) {
      const peering = await ctx.table(Peerings).get(side.id);
      if (peering !== undefined && (!byId.has(side.id) || side.role === 'requester')) byId.set(side.id, { ...side, peering });
    }
    const wanted = input.VpcPeeringConnectionIds;
    const missing = (wanted ?? []).filter((id) => !byId.has(id));
    if (missing.length > 0) throw notFound('vpcPeering', ...missing);
    const rows = [...byId.values()].filter(({ id }) => wanted === undefined || wanted.length === 0 || wanted.includes(id));
    const full = await Promise.all(rows.map(async (row) => ({ ...row, shown: await describePeering(ctx, row) })));
    const passing = applyFilters(full, input.Filters, {
      'vpc-peering-connection-id': (row) => row.id,
      'status-code': (row) => row.peering.status,
      'status-message': (row) => row.peering.message,
      'expiration-time': (row) => row.shown.ExpirationTime?.toISOString(),
      'accepter-vpc-info.cidr-block': (row) => row.shown.AccepterVpcInfo?.CidrBlock,
      'accepter-vpc-info.owner-id': (row) => row.peering.accepter.account,
      'accepter-vpc-info.vpc-id': (row) => row.peering.accepter.vpcId,
      'requester-vpc-info.cidr-block': (row) => row.shown.RequesterVpcInfo?.CidrBlock,
      'requester-vpc-info.owner-id': (row) => row.peering.requester.account,
      'requester-vpc-info.vpc-id': (row) => row.peering.requester.vpcId,
    });
    const found = page('DescribeVpcPeeringConnections', passing, (row) => row.id, input, { ids: wanted });
    return { VpcPeeringConnections: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },

  /** Only the accepter's side may, in its Region, while the request waits. */
  async AcceptVpcPeeringConnection(input, ctx) {
    const found = await ctx.transact(async (tx) => {
      const side = await requireSide(tx, input.VpcPeeringConnectionId, 'accepter');
      const { peering } = side;
      if (side.role !== 'accepter') throw notYours(ctx, peering);
      if (peering.status !== 'pending-acceptance') throw refuseTransition(peering.id, peering.status, 'provisioning');
      if (await isHopeless(tx, peering.requester, peering.accepter))
        return { ...side, peering: await endPeering(tx, ctx, peering, 'failed') };
      await checkActiveQuota(tx, peering);
      const active: PeeringRow = { ...peering, status: 'active', message: messages.active(peering) };
      await tx.table(Peerings).put(active);
      return { ...side, peering: active };
    });
    await wakeNetworks(ctx, found.peering);
    const shown = await describePeering(ctx, found);
    const provisioning = { Code: 'provisioning', Message: 'Provisioning' } as const;
    return { VpcPeeringConnection: found.peering.status === 'active' ? { ...shown, Status: provisioning } : shown };
  },

  async RejectVpcPeeringConnection(input, ctx) {
    await ctx.transact(async (tx) => {
      const { role, peering } = await requireSide(tx, input.VpcPeeringConnectionId, 'accepter');
      if (role !== 'accepter') throw notYours(ctx, peering);
      if (peering.status !== 'pending-acceptance') throw refuseTransition(peering.id, peering.status, 'rejected');
      await endPeering(tx, ctx, peering, 'rejected');
    });
    return { Return: true };
  },

  /** Either side ends an active connection; a request that waits is its requester's to take back. Routes stay as black holes. */
  async DeleteVpcPeeringConnection(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const { role, peering } = await requireSide(tx, input.VpcPeeringConnectionId);
      if (peering.status === 'deleted') return peering;
      if (peering.status !== 'active' && !(peering.status === 'pending-acceptance' && role === 'requester'))
        throw refuseTransition(peering.id, peering.status, 'deleting');
      return endPeering(tx, ctx, peering, 'deleted');
    });
    await wakeNetworks(ctx, row);
    return { Return: true };
  },

  /** Each side sets its own options, while the connection is active. */
  async ModifyVpcPeeringConnectionOptions(input, ctx) {
    const { RequesterPeeringConnectionOptions: requester, AccepterPeeringConnectionOptions: accepter } = input;
    if (requester === undefined && accepter === undefined) throw missingParameter('accepterPeeringConnectionOptions');
    const ends = await ctx.transact(async (tx) => {
      const { peering } = await requireSide(tx, input.VpcPeeringConnectionId);
      if (peering.status !== 'active')
        throw new AwsError('OperationNotPermitted', `VPC peering connection ${peering.id} is not active.`);
      const changed = {
        ...peering,
        requester: changeEnd(ctx, peering.requester, requester),
        accepter: changeEnd(ctx, peering.accepter, accepter),
      };
      await tx.table(Peerings).put(changed);
      return changed;
    });
    const shown = (given: typeof requester, end: PeeringEnd) =>
      given === undefined ? undefined : { AllowDnsResolutionFromRemoteVpc: end.remoteDns };
    return {
      RequesterPeeringConnectionOptions: shown(requester, ends.requester),
      AccepterPeeringConnectionOptions: shown(accepter, ends.accepter),
    };
  },
};

interface OptionsInput {
  AllowDnsResolutionFromRemoteVpc?: boolean | undefined;
  AllowEgressFromLocalClassicLinkToRemoteVpc?: boolean | undefined;
  AllowEgressFromLocalVpcToRemoteClassicLink?: boolean | undefined;
}

/** EC2-Classic is gone: its options can only be off. */
function changeEnd(ctx: Context, end: PeeringEnd, options: OptionsInput | undefined): PeeringEnd {
  if (options === undefined) return end;
  if (end.account !== ctx.account || end.region !== ctx.region)
    throw new AwsError('OperationNotPermitted', `User ${ctx.account} cannot modify the options of ${end.vpcId} in ${end.region}`);
  if (options.AllowEgressFromLocalClassicLinkToRemoteVpc === true || options.AllowEgressFromLocalVpcToRemoteClassicLink === true)
    throw invalidParameterValue('ClassicLink is not supported.');
  return { ...end, remoteDns: options.AllowDnsResolutionFromRemoteVpc ?? end.remoteDns };
}

function notYours(ctx: Context, { id, accepter }: PeeringRow): AwsError {
  if (accepter.account === ctx.account)
    return new AwsError(
      'OperationNotPermitted',
      `Incorrect region (${ctx.region}) specified for this request. VPC peering connection ${id} must be accepted in region ${accepter.region}`,
    );
  return new AwsError('OperationNotPermitted', `User ${ctx.account} cannot accept peering ${id}`);
}

const checkPeering = (input: { VpcPeeringConnectionId?: string | undefined }, ctx: Context) =>
  checkTagged([input.VpcPeeringConnectionId ?? ''], ctx);

export const peeringAuthorisations: AuthorisationsOf<EC2> = {
  CreateVpcPeeringConnection: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'vpc-peering-connection', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged([input.VpcId ?? ''], ctx)),
  ],
  AcceptVpcPeeringConnection: checkPeering,
  RejectVpcPeeringConnection: checkPeering,
  DeleteVpcPeeringConnection: checkPeering,
  ModifyVpcPeeringConnectionOptions: checkPeering,
};

/** Ends what a VPC that goes was joined by; the other ends' routes become black holes. */
export async function endPeeringsOf(tx: Transaction, ctx: Context, vpcId: string): Promise<void> {
  for (const { id } of await tx.table(PeeringSides).byIndex('byVpc', [vpcId])) {
    const row = await tx.table(Peerings).get(id);
    if (row?.status === 'active' || row?.status === 'pending-acceptance') await endPeering(tx, ctx, row, 'deleted');
  }
}

/** A request that nobody accepted in a week. */
export const expirePeering: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Peerings).get(job.key);
    if (row?.status === 'pending-acceptance') await endPeering(tx, ctx, row, 'expired');
  });
};

/** Drops what has been over for long enough. */
export const forgetPeering: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Peerings).get(job.key);
    if (row === undefined || row.status === 'active' || row.status === 'pending-acceptance') return;
    await tx.tableIn(scopeOf(row.requester), PeeringSides).delete(row.id, 'requester');
    await tx.tableIn(scopeOf(row.accepter), PeeringSides).delete(row.id, 'accepter');
    await tx.table(Peerings).delete(row.id);
  });
};

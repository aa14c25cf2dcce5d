/** What an instance can read of itself: a tree of categories ("Instance metadata categories"). Leaves are text, read when asked for. */
import type { Context } from '../../../kernel/context.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import type { InstanceRow } from '../instances/state.ts';
import { activeKeys } from '../key-pairs/pushed-keys.ts';
import { KeyPairs } from '../key-pairs/state.ts';
import { privateDnsName, publicDnsName } from '../names.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { Subnets, Vpcs } from '../vpc/state.ts';
import type { RoleCredentials } from './credentials.ts';

export type MetadataNode = string | { readonly [name: string]: MetadataNode | undefined };

/** Path to text, a listing for a folder, or undefined. Folders are listed with or without the final slash, their subfolders with one. */
export function readNode(root: MetadataNode, path: string): string | undefined {
  let node: MetadataNode | undefined = root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    if (typeof node !== 'object') return undefined;
    node = Object.hasOwn(node, name) ? node[name] : undefined;
    if (node === undefined) return undefined;
  }
  if (typeof node === 'string') return node;
  return Object.entries(node)
    .filter(([, child]) => child !== undefined)
    .map(([name, child]) => (typeof child === 'string' ? name : `${name}/`))
    .join('\n');
}

async function groupNames(ctx: Context, card: InterfaceRow): Promise<string> {
  const names = await Promise.all(card.groups.map(async (id) => (await ctx.table(SecurityGroups).get(id))?.name ?? ''));
  return names.join('\n');
}

function publicIps(card: InterfaceRow): string[] {
  return card.addresses.flatMap(({ elastic }, index) => elastic?.publicIp ?? (index === 0 ? (card.autoPublicIp ?? []) : []));
}

async function cardNode(ctx: Context, card: InterfaceRow): Promise<MetadataNode> {
  const subnet = await ctx.table(Subnets).get(card.subnetId);
  const vpc = await ctx.table(Vpcs).get(card.vpcId);
  const addresses = card.addresses.map(({ address }) => address);
  const shown = publicIps(card);
  return {
    'device-number': String(card.attachment?.deviceIndex ?? 0),
    'interface-id': card.id,
    'local-hostname': privateDnsName(ctx, addresses[0] ?? ''),
    'local-ipv4s': addresses.join('\n'),
    mac: card.mac,
    'owner-id': ctx.account,
    'public-hostname': shown[0] === undefined ? undefined : publicDnsName(ctx, shown[0]),
    'public-ipv4s': shown.length === 0 ? undefined : shown.join('\n'),
    'security-group-ids': card.groups.join('\n'),
    'security-groups': await groupNames(ctx, card),
    'subnet-id': card.subnetId,
    'subnet-ipv4-cidr-block': subnet?.cidr,
    'vpc-id': card.vpcId,
    'vpc-ipv4-cidr-block': vpc?.cidrs[0]?.cidr,
    'vpc-ipv4-cidr-blocks': vpc?.cidrs.map(({ cidr }) => cidr).join('\n'),
  };
}

function iamNode(row: InstanceRow, role: RoleCredentials | undefined): MetadataNode | undefined {
  if (role === undefined) return undefined;
  const info = {
    Code: 'Success',
    LastUpdated: role.issued,
    InstanceProfileArn: row.profileArn,
    InstanceProfileId: role.profileId,
  };
  const credentials = {
    Code: 'Success',
    LastUpdated: role.issued,
    Type: 'AWS-HMAC',
    AccessKeyId: role.accessKeyId,
    SecretAccessKey: role.secretAccessKey,
    Token: role.sessionToken,
    Expiration: role.expiration,
  };
  return {
    info: JSON.stringify(info, undefined, 2),
    'security-credentials': { [role.roleName]: JSON.stringify(credentials, undefined, 2) },
  };
}

/** The notice of an interruption ("spot/instance-action", "spot/termination-time"); nothing before it. */
function spotNode({ spot }: InstanceRow): MetadataNode | undefined {
  if (spot?.notice === undefined) return undefined;
  const time = `${new Date(spot.notice.at).toISOString().slice(0, 19)}Z`;
  return {
    'instance-action': JSON.stringify({ action: spot.behaviour, time }),
    'termination-time': spot.behaviour === 'terminate' ? time : undefined,
  };
}

/** The recommendation to rebalance ("events/recommendations/rebalance"); nothing before it. */
function eventsNode({ spot }: InstanceRow): MetadataNode | undefined {
  if (spot?.recommendedAt === undefined) return undefined;
  const noticeTime = `${new Date(spot.recommendedAt).toISOString().slice(0, 19)}Z`;
  return { recommendations: { rebalance: JSON.stringify({ noticeTime }) } };
}

/** Everything under /latest for one instance. */
export async function metadataTree(ctx: Context, row: InstanceRow, role: RoleCredentials | undefined): Promise<MetadataNode> {
  const cards = await ctx.table(Interfaces).byIndex('byInstance', [row.id]);
  const [primary] = cards;
  const localIp = primary?.addresses[0]?.address ?? '';
  const publicIp = primary === undefined ? undefined : publicIps(primary)[0];
  const key = row.keyName === undefined ? undefined : await ctx.table(KeyPairs).get(row.keyName);
  const zoneId = (await ctx.table(Subnets).get(row.subnetId))?.zoneId;
  const macs = Object.fromEntries(await Promise.all(cards.map(async (card) => [card.mac, await cardNode(ctx, card)] as const)));
  const pushed = await activeKeys(ctx, row.id);
  const identity = {
    accountId: ctx.account,
    architecture: 'x86_64',
    availabilityZone: row.zone,
    imageId: row.imageId,
    instanceId: row.id,
    instanceType: row.type,
    pendingTime: new Date(row.launchedAt).toISOString(),
    privateIp: localIp,
    region: ctx.region,
    version: '2017-09-30',
  };
  return {
    dynamic: { 'instance-identity': { document: JSON.stringify(identity, undefined, 2) } },
    'meta-data': {
      'ami-id': row.imageId,
      'ami-launch-index': String(row.launchIndex),
      'block-device-mapping': { ami: row.rootDeviceName, root: row.rootDeviceName },
      events: eventsNode(row),
      hostname: privateDnsName(ctx, localIp),
      iam: iamNode(row, role),
      'instance-action': 'none',
      'instance-id': row.id,
      'instance-life-cycle': row.spot === undefined ? 'on-demand' : 'spot',
      'instance-type': row.type,
      'local-hostname': privateDnsName(ctx, localIp),
      'local-ipv4': localIp,
      mac: primary?.mac,
      'managed-ssh-keys': Object.keys(pushed).length === 0 ? undefined : { 'active-keys': pushed },
      network: { interfaces: { macs } },
      placement: {
        'availability-zone': row.zone,
        'availability-zone-id': zoneId,
        'group-name': row.placement.groupName,
        'host-id': row.placement.hostId,
        'partition-number': row.placement.partition === undefined ? undefined : String(row.placement.partition),
        region: ctx.region,
      },
      profile: 'default-hvm',
      'public-hostname': publicIp === undefined ? undefined : publicDnsName(ctx, publicIp),
      'public-ipv4': publicIp,
      'public-keys':
        key === undefined
          ? undefined
          : { [`0=${key.name}`]: { 'openssh-key': key.publicKey }, 0: { 'openssh-key': key.publicKey } },
      'reservation-id': row.reservationId,
      'security-groups': primary === undefined ? undefined : await groupNames(ctx, primary),
      services: { domain: 'amazonaws.com', partition: 'aws' },
      spot: spotNode(row),
      tags: row.metadata.tags === 'enabled' ? { instance: { ...row.tags } } : undefined,
    },
    'user-data': row.userData === undefined ? undefined : Buffer.from(row.userData, 'base64').toString('latin1'),
  };
}

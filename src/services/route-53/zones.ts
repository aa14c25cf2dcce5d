/** Hosted zones: made with their SOA and NS records, listed, commented, deleted when nothing else is left in them. */
import type { CreateHostedZoneRequest, Route53, VPC } from '@aws-sdk/client-route-53';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import {
  error,
  hostedZoneAlreadyExists,
  hostedZoneNotEmpty,
  invalidDomainName,
  invalidInput,
  noSuchDelegationSet,
} from './errors.ts';
import { bareId, nameProblem, normalName, reversedName } from './names.ts';
import { drawNameServers, slotOf, soaText } from './name-servers.ts';
import { Changes, type ChangeRow, DelegationSets, RecordSets, Tags, ZoneOwners, type ZoneRow, Zones } from './state.ts';
import { LoggedZones, QueryLogs } from './query-log-state.ts';
import { checkVpc } from './vpcs.ts';
import { describeChange, describeDelegation, describeZone, requireZone } from './zone-lookup.ts';

export const zonesMax = 500;
export const recordSetsMax = 10_000;
const slots = 16;
/** Of the zones of one name, as many as there are addresses that differ. */
const sameNameMax = slots;
export const pageMax = 100;

/** Servers that private zones name; nobody answers there, the VPCs' resolvers do. */
const privateServers = ['ns-1536.awsdns-00.co.uk', 'ns-0.awsdns-00.com', 'ns-1024.awsdns-00.org', 'ns-512.awsdns-00.net'];

/** Writes a change that is on its way to the name servers, and wakes those who carry it. */
export async function addChange(ctx: Context, tx: Transaction, zone: string | undefined, comment?: string): Promise<ChangeRow> {
  const row: ChangeRow = {
    id: ctx.id('dnsChange'),
    zone,
    status: zone === undefined ? 'INSYNC' : 'PENDING',
    submitted: ctx.now,
    comment,
  };
  await tx.table(Changes).put(row);
  if (zone !== undefined) tx.hint('zones', zone);
  return row;
}

async function chooseServers(
  ctx: Context,
  tx: Transaction,
  input: CreateHostedZoneRequest,
  name: string,
): Promise<readonly string[]> {
  if (input.VPC !== undefined) {
    if (input.DelegationSetId !== undefined) throw invalidInput('A private hosted zone cannot have a reusable delegation set.');
    return privateServers;
  }
  const same = await tx.table(ZoneOwners).byIndex('byName', [name]);
  const taken = new Set(same.map(({ nameServers }) => slotOf(nameServers)));
  if (input.DelegationSetId !== undefined) {
    const set = await tx.table(DelegationSets).get(bareId(input.DelegationSetId));
    if (set === undefined) throw noSuchDelegationSet(bareId(input.DelegationSetId));
    if (taken.has(slotOf(set.nameServers)))
      throw error('ConflictingDomainExists', `The domain ${name} conflicts with a zone that the delegation set already serves.`);
    return set.nameServers;
  }
  if (taken.size >= sameNameMax)
    throw error('DelegationSetNotAvailable', `There are too many hosted zones with the name ${name}.`);
  const bytes = ctx.bytes(9);
  let slot = (bytes[8] ?? 0) % slots;
  while (taken.has(slot)) slot = (slot + 1) % slots;
  return drawNameServers(bytes, slot);
}

function checkCreate(input: CreateHostedZoneRequest): string {
  const { Name: text = '', CallerReference, HostedZoneConfig: config, VPC: vpc } = input;
  new RequestCheck('InvalidInput')
    .length('callerReference', CallerReference, 1, 128)
    .length('name', text, 0, 1024)
    .length('hostedZoneConfig.comment', config?.Comment, 0, 256)
    .done();
  if (nameProblem(text) !== undefined || text.includes('*')) throw invalidDomainName(text);
  if (vpc === undefined && config?.PrivateZone === true)
    throw invalidInput(
      "When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId and VPCRegion.",
    );
  return normalName(text);
}

export const zoneHandlers: HandlersOf<Route53> = {
  /** API Reference, CreateHostedZone. A zone without VPC is public and gets four name servers; all get SOA (900 s) and NS (172,800 s). */
  async CreateHostedZone(input, ctx) {
    const name = checkCreate(input);
    const vpc = input.VPC === undefined ? undefined : await checkVpc(ctx, input.VPC);
    const made = await ctx.transact(async (tx) => {
      if ((await tx.table(Zones).firstByIndex('byReference', [input.CallerReference ?? ''])) !== undefined)
        throw hostedZoneAlreadyExists();
      if ((await tx.table(Zones).count()) >= zonesMax)
        throw error('TooManyHostedZones', 'Limits Exceeded: MAX_HOSTED_ZONES_BY_OWNER.');
      const nameServers = await chooseServers(ctx, tx, input, name);
      const zone: ZoneRow = {
        ...{
          id: ctx.id('hostedZone'),
          name,
          callerReference: input.CallerReference ?? '',
          comment: input.HostedZoneConfig?.Comment,
        },
        ...{ vpcs: vpc === undefined ? undefined : [vpc], nameServers, created: ctx.now, authorized: [], recordCount: 2 },
        delegationSet: input.DelegationSetId === undefined ? undefined : bareId(input.DelegationSetId),
      };
      if (vpc !== undefined) await refuseSameName(tx, zone.name, vpc.id);
      await tx.table(Zones).put(zone);
      await tx
        .table(ZoneOwners)
        .put({ id: zone.id, account: ctx.account, name, created: ctx.now, nameServers: vpc === undefined ? nameServers : [] });
      const base = { zone: zone.id, name, setIdentifier: '', routing: {} };
      await tx.table(RecordSets).put({ ...base, type: 'NS', ttl: 172_800, values: nameServers.map((server) => `${server}.`) });
      await tx.table(RecordSets).put({ ...base, type: 'SOA', ttl: 900, values: [soaText(nameServers)] });
      return { zone, change: await addChange(ctx, tx, zone.id) };
    });
    return {
      HostedZone: describeZone(made.zone),
      ChangeInfo: describeChange(made.change),
      DelegationSet: describeDelegation(made.zone),
      ...(vpc === undefined ? {} : { VPC: input.VPC as VPC }),
      Location: `https://route53.amazonaws.com/2013-04-01/hostedzone/${made.zone.id}`,
    };
  },

  async GetHostedZone(input, ctx) {
    const zone = await requireZone(ctx, input.Id);
    if (zone.vpcs === undefined) return { HostedZone: describeZone(zone), DelegationSet: describeDelegation(zone) };
    return {
      HostedZone: describeZone(zone),
      VPCs: zone.vpcs.map(({ id, region }) => ({ VPCId: id, VPCRegion: region as VPC['VPCRegion'] })),
    };
  },

  async GetHostedZoneCount(_input, ctx) {
    return { HostedZoneCount: await ctx.table(Zones).count() };
  },

  /** In the order of their ids; at most 100 in an answer. */
  async ListHostedZones(input, ctx) {
    const limit = Math.min(input.MaxItems ?? pageMax, pageMax);
    if (input.HostedZoneType !== undefined && input.HostedZoneType !== 'PrivateHostedZone')
      throw invalidInput(`The hosted zone type ${input.HostedZoneType} is not valid.`);
    const after = input.Marker === undefined ? undefined : parsePageToken('zones', input.Marker);
    if (input.Marker !== undefined && after === undefined) throw invalidInput('The specified marker is not valid.');
    const set = input.DelegationSetId === undefined ? undefined : bareId(input.DelegationSetId);
    if (set !== undefined && (await ctx.table(DelegationSets).get(set)) === undefined) throw noSuchDelegationSet(set);
    const all = await ctx.table(Zones).list(after === undefined ? {} : { after: [...after] });
    const fitting = all.filter(
      (zone) =>
        (set === undefined || zone.delegationSet === set) && (input.HostedZoneType === undefined || zone.vpcs !== undefined),
    );
    const page = fitting.slice(0, limit);
    const more = fitting.length > page.length;
    return {
      HostedZones: page.map(describeZone),
      Marker: input.Marker ?? '',
      IsTruncated: more,
      MaxItems: limit,
      ...(more ? { NextMarker: formatPageToken('zones', [page.at(-1)!.id]) } : {}),
    };
  },

  /** In the order of their names by labels from the right, then of their ids. */
  async ListHostedZonesByName(input, ctx) {
    const limit = Math.min(input.MaxItems ?? pageMax, pageMax);
    if (input.HostedZoneId !== undefined && input.DNSName === undefined)
      throw invalidInput('A hosted zone ID can only be specified together with a DNS name.');
    if (input.DNSName !== undefined && nameProblem(input.DNSName) !== undefined) throw invalidDomainName(input.DNSName);
    const from = input.DNSName === undefined ? '' : reversedName(normalName(input.DNSName));
    const fromId = bareId(input.HostedZoneId);
    const all = await ctx.table(Zones).byIndex('byName', []);
    const fitting = all.filter((zone) => {
      const order = reversedName(zone.name);
      return order > from || (order === from && zone.id >= fromId);
    });
    const next = fitting[limit];
    return {
      HostedZones: fitting.slice(0, limit).map(describeZone),
      ...(input.DNSName === undefined ? {} : { DNSName: normalName(input.DNSName) }),
      ...(input.HostedZoneId === undefined ? {} : { HostedZoneId: fromId }),
      IsTruncated: next !== undefined,
      MaxItems: limit,
      ...(next === undefined ? {} : { NextDNSName: next.name, NextHostedZoneId: next.id }),
    };
  },

  async UpdateHostedZoneComment(input, ctx) {
    new RequestCheck('InvalidInput').length('comment', input.Comment, 0, 256).done();
    return ctx.transact(async (tx) => {
      const zone: ZoneRow = { ...(await requireZone(tx, input.Id)), comment: input.Comment };
      await tx.table(Zones).put(zone);
      return { HostedZone: describeZone(zone) };
    });
  },

  /** Refused while records other than the zone's own SOA and NS are in it. */
  async DeleteHostedZone(input, ctx) {
    const change = await ctx.transact(async (tx) => {
      const zone = await requireZone(tx, input.Id);
      if (zone.recordCount > 2) throw hostedZoneNotEmpty();
      for (const set of await tx.table(RecordSets).list({ prefix: [zone.id] }))
        await tx.table(RecordSets).delete(...tx.table(RecordSets).keyOf(set));
      await tx.table(Zones).delete(zone.id);
      await tx.table(ZoneOwners).delete(zone.id);
      await tx.table(Tags).delete('hostedzone', zone.id);
      for (const { id } of await tx.table(QueryLogs).byIndex('byZone', [zone.id])) await tx.table(QueryLogs).delete(id);
      await tx.table(LoggedZones).delete(zone.id);
      return addChange(ctx, tx, zone.id);
    });
    return { ChangeInfo: describeChange(change) };
  },
};

/** A VPC sees one private zone of a name only. Throws ConflictingDomainExists. */
export async function refuseSameName(tx: Transaction, name: string, vpcId: string): Promise<void> {
  for (const { id, account } of await tx.table(ZoneOwners).byIndex('byName', [name])) {
    const zone = await tx.tableIn({ account, region: '' }, Zones).get(id);
    const held = zone?.vpcs?.find((vpc) => vpc.id === vpcId);
    if (held === undefined) continue;
    const words = `The VPC ${vpcId} in region ${held.region} has already been associated with the hosted zone ${id} with the same domain name.`;
    throw error('ConflictingDomainExists', words);
  }
}

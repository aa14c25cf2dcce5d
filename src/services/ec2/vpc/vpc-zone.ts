/**
 * What a VPC's resolver knows of EC2 ("DNS attributes for your VPC", "Amazon DNS" in the VPC User Guide): private names of interfaces, public names,
 * which mean the private address inside their VPC, and the names of addresses. Names of other VPCs' private addresses do not exist for an asker.
 */
import { formatIp4, parseIp4 } from '../../../base/cidr.ts';
import type { Context, Scope } from '../../../kernel/context.ts';
import { answerAddress } from '../../../planes/dns/platform-names.ts';
import type { DnsAsker, DnsQuestion, ZoneAnswer, ZoneSource } from '../../../planes/dns/types.ts';
import { PublicIps } from '../addresses/state.ts';
import { Interfaces } from '../interfaces/state.ts';
import { privateDnsName, publicDnsName } from '../names.ts';
import { activePeers } from '../peering/lookup.ts';
import { metadataName } from './dhcp-rules.ts';
import { type VpcRow, Vpcs } from './state.ts';

const ttlSeconds = 60;
const privateForm = /^ip-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.(ec2\.internal|([a-z0-9-]+)\.compute\.internal)$/;
/** The real cloud's public names, and the form that works from the host. */
const publicForm =
  /^ec2-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.(compute-1\.amazonaws\.com|([a-z0-9-]+)\.compute\.(?:amazonaws\.com|localhost))$/;
const reverseForm = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;
const reverseApex = 'in-addr.arpa';

interface AskerVpc {
  own: Context;
  vpc: VpcRow;
}

/** The source of EC2's names. `ctx` is in no account: the asker's network tells whose rows count. */
export function vpcZone(ctx: Context): ZoneSource {
  /** Where a network's rows are: a cache, filled when a network first asks. */
  const scopes = new Map<string, Scope>();
  const vpcOf = async (asker: DnsAsker): Promise<AskerVpc | undefined> => {
    if (asker.network === undefined) return undefined;
    const known = scopes.get(asker.network);
    const vpc = known === undefined ? undefined : await ctx.inScope(known).table(Vpcs).get(asker.network);
    if (known !== undefined && vpc !== undefined) return { own: ctx.inScope(known), vpc };
    const found = (await ctx.everywhere(Vpcs)).find(({ row }) => row.id === asker.network);
    if (found === undefined) return undefined;
    scopes.set(asker.network, found.scope);
    return { own: ctx.inScope(found.scope), vpc: found.row };
  };
  return {
    name: 'ec2',
    mayAnswer: (name) =>
      name.endsWith('.internal') || publicForm.test(name) || name === reverseApex || name.endsWith(`.${reverseApex}`),
    async answer(question, asker) {
      const { name } = question;
      if (name.endsWith('.internal')) return answerPrivate(question, await vpcOf(asker));
      const open = publicForm.exec(name);
      if (open !== null) return answerPublic(ctx, question, open, await vpcOf(asker));
      if (name === reverseApex || name.endsWith(`.${reverseApex}`)) return answerReverse(ctx, question, await vpcOf(asker));
      return undefined;
    },
  };
}

/** `1-2-3-4` of a name as an address; undefined when it is none. */
function addressOf(parts: RegExpExecArray): string | undefined {
  const address = parseIp4(parts.slice(1, 5).join('.'));
  return address === undefined ? undefined : formatIp4(address);
}

const nothing = (apex: string, name: string): ZoneAnswer => ({ apex, records: [], exists: name === apex });

async function answerPrivate(question: DnsQuestion, asker: AskerVpc | undefined): Promise<ZoneAnswer | undefined> {
  if (asker === undefined) return undefined;
  const { own, vpc } = asker;
  const apex = privateDnsName(own, '').replace(/^ip-\./, '');
  if (question.name !== apex && !question.name.endsWith(`.${apex}`)) return undefined;
  if (question.name === metadataName) return answerAddress(question, apex, '169.254.169.254');
  const parts = privateForm.exec(question.name);
  const address = parts === null ? undefined : addressOf(parts);
  if (address === undefined || privateDnsName(own, address) !== question.name) return nothing(apex, question.name);
  const holder = await own.table(Interfaces).firstByIndex('byAddress', [vpc.id, address]);
  return holder === undefined ? nothing(apex, question.name) : answerAddress(question, apex, address);
}

/** In the VPC that holds the address, with both DNS attributes on, its private address; elsewhere the public one. */
async function answerPublic(
  ctx: Context,
  question: DnsQuestion,
  parts: RegExpExecArray,
  asker: AskerVpc | undefined,
): Promise<ZoneAnswer | undefined> {
  const address = addressOf(parts);
  const apex = parts[5]!;
  const holder = address === undefined ? undefined : await ctx.table(PublicIps).get(address);
  if (address === undefined || holder === undefined || holder.region !== (parts[6] ?? 'us-east-1'))
    return nothing(apex, question.name);
  const inner = asker?.vpc.dnsHostnames === true ? await privateAddressOf(asker, address) : undefined;
  return answerAddress(question, apex, inner ?? address);
}

/** The private address behind a public one, when an interface has it in the asker's VPC, or in a peered one that lets its names be asked so. */
async function privateAddressOf({ own, vpc }: AskerVpc, publicIp: string): Promise<string | undefined> {
  const near = await addressIn(own, vpc.id, publicIp);
  if (near !== undefined) return near;
  for (const { other } of await activePeers(own, vpc.id)) {
    const far = other.remoteDns ? await addressIn(own.inScope(other), other.vpcId, publicIp) : undefined;
    if (far !== undefined) return far;
  }
  return undefined;
}

async function addressIn(own: Context, vpcId: string, publicIp: string): Promise<string | undefined> {
  for (const card of await own.table(Interfaces).byIndex('byVpc', [vpcId]))
    for (const [index, { address, elastic }] of card.addresses.entries())
      if ((elastic?.publicIp ?? (index === 0 ? card.autoPublicIp : undefined)) === publicIp) return address;
  return undefined;
}

async function answerReverse(ctx: Context, question: DnsQuestion, asker: AskerVpc | undefined): Promise<ZoneAnswer | undefined> {
  const { name, type } = question;
  const parts = reverseForm.exec(name);
  const number = parts === null ? undefined : parseIp4(parts.slice(1, 5).reverse().join('.'));
  if (number === undefined) return nothing(reverseApex, name);
  const target = await nameOf(ctx, formatIp4(number), asker);
  if (target === undefined) return nothing(reverseApex, name);
  const wanted = type === 'PTR' || type === 'ANY';
  return {
    apex: reverseApex,
    records: wanted ? [{ name, type: 'PTR', ttl: ttlSeconds, data: target }] : [],
    exists: true,
  };
}

async function nameOf(ctx: Context, address: string, asker: AskerVpc | undefined): Promise<string | undefined> {
  if (asker !== undefined) {
    const card = await asker.own.table(Interfaces).firstByIndex('byAddress', [asker.vpc.id, address]);
    if (card !== undefined) return privateDnsName(asker.own, address);
  }
  const holder = await ctx.table(PublicIps).get(address);
  return holder === undefined ? undefined : publicDnsName({ region: holder.region }, address);
}

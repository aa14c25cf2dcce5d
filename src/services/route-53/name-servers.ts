/**
 * Name servers: four for each delegation set, one under each of four top-level domains, as the real cloud names them. A server's number says at which
 * of the kept addresses it answers; servers of one address hold the zones of all their sets.
 */
import { formatIp4, parseCidr4 } from '../../base/cidr.ts';
import type { DnsQuestion, SoaData, ZoneAnswer, ZoneSource } from '../../planes/dns/types.ts';
import { nameServerBlock } from '../../planes/fabric/addresses.ts';

const suffixes = ['com', 'net', 'org', 'co.uk'] as const;
const serversPerSuffix = 512;
const addressesPerSuffix = 16;
const form = /^ns-(\d{1,4})\.(awsdns-(\d\d)\.(com|net|org|co\.uk))$/;
const ttlSeconds = 172_800;
const block = parseCidr4(nameServerBlock)!;

/** Times of SOA records, seconds, as new zones have them. */
const soaTimes = '1 7200 900 1209600 86400';

/** Four server names from four random bytes pairs; `slot` (0 to 15) picks the addresses. */
export function drawNameServers(bytes: Uint8Array, slot: number): string[] {
  return suffixes.map((suffix, index) => {
    const row = (bytes[index] ?? 0) % (serversPerSuffix / addressesPerSuffix);
    const number = index * serversPerSuffix + row * addressesPerSuffix + (slot % addressesPerSuffix);
    return `ns-${number}.awsdns-${String((bytes[index + 4] ?? 0) % 64).padStart(2, '0')}.${suffix}`;
  });
}

/** Which slot a set of servers took. */
export function slotOf(nameServers: readonly string[]): number {
  return Number(form.exec(nameServers[0] ?? '')?.[1] ?? 0) % addressesPerSuffix;
}

/** Address of a server of ours; undefined for other names. */
export function serverAddress(name: string): string | undefined {
  const found = form.exec(name);
  if (found === null) return undefined;
  const number = Number(found[1]);
  const suffix = suffixes.indexOf(found[4] as (typeof suffixes)[number]);
  if (Math.floor(number / serversPerSuffix) !== suffix) return undefined;
  return formatIp4(block.base + suffix * addressesPerSuffix + (number % addressesPerSuffix));
}

/** Text of a SOA record of a new zone. */
export function soaText(nameServers: readonly string[]): string {
  return `${nameServers[0]}. awsdns-hostmaster.amazon.com. ${soaTimes}`;
}

/** A SOA record's text as data; AWS lets users change its numbers. */
export function parseSoa(text: string): SoaData {
  const [mname = '', rname = '', serial = '1', refresh = '7200', retry = '900', expire = '1209600', minimum = '86400'] =
    text.split(/\s+/);
  return {
    mname: mname.replace(/\.$/, ''),
    rname: rname.replace(/\.$/, ''),
    serial: Number(serial),
    refresh: Number(refresh),
    retry: Number(retry),
    expire: Number(expire),
    minimum: Number(minimum),
  };
}

/** The servers' own names. */
export const nameServerNames: ZoneSource = {
  name: 'name-servers',
  mayAnswer: (name) => form.test(name),
  answer({ name, type }: DnsQuestion): ZoneAnswer | undefined {
    const apex = form.exec(name)?.[2];
    const address = serverAddress(name);
    if (apex === undefined || address === undefined) return undefined;
    const records = type === 'A' || type === 'ANY' ? [{ name, type: 'A' as const, ttl: ttlSeconds, data: address }] : [];
    return { apex, records, exists: true };
  },
};

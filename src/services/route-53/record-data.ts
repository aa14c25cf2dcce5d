/**
 * Values of records: from the text of the API to data for DNS, or what is wrong with them in the service's words ("Supported DNS record types").
 * Every type refuses what cannot be carried, because a bad value would make the name server mute.
 */
import { parseIp4, parseIp6 } from '../../base/cidr.ts';
import type { RecordData } from '../../planes/dns/hosted/types.ts';
import { dnsName, nameProblem, normalName } from './names.ts';
import { parseSoa } from './name-servers.ts';
import { parseServiceBinding } from './service-binding.ts';

export const recordTypes = [
  ...[
    'SOA',
    'A',
    'TXT',
    'NS',
    'CNAME',
    'MX',
    'NAPTR',
    'PTR',
    'SRV',
    'SPF',
    'AAAA',
    'CAA',
    'DS',
    'TLSA',
    'SSHFP',
    'SVCB',
    'HTTPS',
  ],
] as const;

/** Types that the codec has no name for. */
const numbered: Readonly<Record<string, string>> = { SVCB: 'UNKNOWN_64', HTTPS: 'UNKNOWN_65' };

/** The type as the plane's codec names it. */
export function planeType(type: string): string {
  return numbered[type] ?? type;
}

class Problem extends Error {}

function fatal(kind: string, words: string, value: string): Problem {
  return new Problem(`FATAL problem: ${kind} (${words}) encountered with '${value}'`);
}

type Parser = (value: string) => unknown;

function hostName(text: string): string {
  const problem = nameProblem(text);
  if (problem !== undefined) throw new Problem(problem);
  return dnsName(normalName(text));
}

/** Fields between blanks, exactly so many. */
function fields(type: string, value: string, count: number, word: string): string[] {
  const parts = value.trim().split(/\s+/);
  if (parts.length !== count) throw fatal(`${type}RRDATANot${word}Fields`, `${type} record doesn't have ${count} fields`, value);
  return parts;
}

function integer(text: string | undefined, max: number, kind: string, value: string): number {
  const number = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || number > max)
    throw fatal(kind, `Value is not a number from 0 to ${max}`, value);
  return number;
}

function hexBytes(text: string | undefined, kind: string, value: string): Buffer {
  if (text === undefined || text === '' || text.length % 2 === 1 || !/^[0-9a-f]+$/i.test(text))
    throw fatal(kind, 'Value is not in hexadecimal', value);
  return Buffer.from(text, 'hex');
}

/** Quoted strings, `"a" "b\"c"`, of at most 255 bytes each. */
function characterStrings(value: string): Buffer[] {
  const text = value.trim();
  if (!/^"/.test(text)) throw fatal('InvalidCharacterString', 'Value should be enclosed in quotation marks', value);
  const found: Buffer[] = [];
  const string = /\s*"((?:[^"\\]|\\\d{3}|\\.)*)"/y;
  let at = 0;
  while (at < text.length) {
    string.lastIndex = at;
    const match = string.exec(text);
    if (match === null) throw fatal('InvalidCharacterString', 'Value should be enclosed in quotation marks', value);
    at = string.lastIndex;
    const raw = (match[1] ?? '').replace(/\\(\d{3})|\\(.)/g, (_all, octal?: string, letter?: string) =>
      octal === undefined ? (letter ?? '') : String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const bytes = Buffer.from(raw, 'latin1');
    if (bytes.length > 255) throw fatal('CharacterStringTooLong', 'Value is too long', value);
    found.push(bytes);
  }
  if (found.reduce((sum, { length }) => sum + length, 0) > 4000) throw fatal('TXTRDATATooLong', 'Value is too long', value);
  return found;
}

function unquote(text: string): string {
  return text.replace(/^"(.*)"$/s, '$1');
}

const digestBytes: Readonly<Record<number, number>> = { 1: 20, 2: 32, 4: 48 };
const fingerprintBytes: Readonly<Record<number, number>> = { 1: 20, 2: 32 };

const parsers: Readonly<Record<string, Parser>> = {
  A(value) {
    if (parseIp4(value) === undefined) throw fatal('ARRDATAIllegalIPv4Address', 'Value is not a valid IPv4 address', value);
    return value;
  },
  AAAA(value) {
    if (parseIp6(value) === undefined) throw fatal('AAAARRDATAIllegalIPv6Address', 'Value is not a valid IPv6 address', value);
    return value;
  },
  CNAME: hostName,
  NS: hostName,
  PTR: hostName,
  TXT: characterStrings,
  SPF: (value) => Buffer.concat(characterStrings(value).flatMap((bytes) => [Buffer.from([bytes.length]), bytes])),
  MX(value) {
    const [preference, exchange = ''] = fields('MX', value, 2, 'Two');
    return { preference: integer(preference, 65_535, 'MXRRDATAInvalidPriority', value), exchange: hostName(exchange) };
  },
  SRV(value) {
    const [priority, weight, port, target = ''] = fields('SRV', value, 4, 'Four');
    const number = (text: string | undefined): number => integer(text, 65_535, 'SRVRRDATAInvalidNumber', value);
    return {
      priority: number(priority),
      weight: number(weight),
      port: number(port),
      target: target === '.' ? '.' : hostName(target),
    };
  },
  CAA(value) {
    const parts = /^(\d+)\s+([a-z0-9]+)\s+"((?:[^"\\]|\\.)*)"$/i.exec(value.trim());
    if (parts === null) throw fatal('CAARRDATANotThreeFields', "CAA record doesn't have 3 fields", value);
    return { flags: integer(parts[1], 255, 'CAARRDATAInvalidFlags', value), tag: parts[2], value: parts[3] };
  },
  NAPTR(value) {
    const parts = /^(\d+)\s+(\d+)\s+("[^"]*")\s+("[^"]*")\s+("[^"]*")\s+(\S+)$/.exec(value.trim());
    if (parts === null) throw fatal('NAPTRRRDATANotSixFields', "NAPTR record doesn't have 6 fields", value);
    const [order, preference, flags = '', services = '', regexp = '', replacement = ''] = parts.slice(1);
    return {
      order: integer(order, 65_535, 'NAPTRRRDATAInvalidOrder', value),
      preference: integer(preference, 65_535, 'NAPTRRRDATAInvalidPreference', value),
      ...{ flags: unquote(flags), services: unquote(services), regexp: unquote(regexp) },
      replacement: replacement === '.' ? '.' : hostName(replacement),
    };
  },
  DS(value) {
    const [keyTag, algorithm, digestType, digest] = fields('DS', value, 4, 'Four');
    const type = integer(digestType, 255, 'DSRRDATAInvalidDigestType', value);
    const bytes = hexBytes(digest, 'DSRRDATAInvalidDigest', value);
    if ((digestBytes[type] ?? bytes.length) !== bytes.length)
      throw fatal('DSRRDATAInvalidDigest', 'Digest has a wrong length', value);
    return {
      keyTag: integer(keyTag, 65_535, 'DSRRDATAInvalidKeyTag', value),
      algorithm: integer(algorithm, 255, 'DSRRDATAInvalidAlgorithm', value),
      digestType: type,
      digest: bytes,
    };
  },
  SSHFP(value) {
    const [algorithm, hash, fingerprint = ''] = fields('SSHFP', value, 3, 'Three');
    const kind = integer(hash, 255, 'SSHFPRRDATAInvalidHashType', value);
    const bytes = hexBytes(fingerprint, 'SSHFPRRDATAInvalidFingerprint', value);
    if (fingerprintBytes[kind] !== bytes.length)
      throw fatal('SSHFPRRDATAInvalidFingerprint', 'Fingerprint does not fit its type', value);
    return { algorithm: integer(algorithm, 255, 'SSHFPRRDATAInvalidAlgorithm', value), hash: kind, fingerprint };
  },
  TLSA(value) {
    const [usage, selector, matching, certificate] = fields('TLSA', value, 4, 'Four');
    const number = (text: string | undefined): number => integer(text, 255, 'TLSARRDATAInvalidNumber', value);
    return {
      usage: number(usage),
      selector: number(selector),
      matchingType: number(matching),
      certificate: hexBytes(certificate, 'TLSARRDATAInvalidCertificate', value),
    };
  },
  SOA(value) {
    const parts = fields('SOA', value, 7, 'Seven');
    for (const number of parts.slice(2)) integer(number, 2 ** 32 - 1, 'SOARRDATAInvalidNumber', value);
    hostName(parts[0] ?? '');
    hostName(parts[1] ?? '');
    return parseSoa(value);
  },
  SVCB: (value) => serviceBinding('SVCB', value),
  HTTPS: (value) => serviceBinding('HTTPS', value),
};

function serviceBinding(type: string, value: string): Buffer {
  const bytes = parseServiceBinding(value);
  if (bytes === undefined) throw fatal(`${type}RRDATAInvalid`, `Value is not a valid ${type} record`, value);
  return bytes;
}

/** A value as data, or the problem as the service words it. */
export function parseValue(type: string, value: string): { data: RecordData } | { problem: string } {
  try {
    return { data: { type: planeType(type), data: parsers[type]?.(value) } as unknown as RecordData };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { problem: `Invalid Resource Record: '${error.message}'` };
  }
}

/** DHCP options and what machines read of them ("DHCP option sets in Amazon VPC"). Pure. */
import type { NewDhcpConfiguration } from '@aws-sdk/client-ec2';
import { addressAt, formatIp4, parseCidr4, parseIp4, parseIp6 } from '../../../base/cidr.ts';
import { invalidParameterValue, missingParameter } from '../errors.ts';

/** The resolver of the VPC, as an option names it. */
const amazonDns = 'AmazonProvidedDNS';
/** Name of the metadata service. */
export const metadataName = 'instance-data.ec2.internal';

const domainForm = /^(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$/;
const isAddress = (text: string): boolean => parseIp4(text) !== undefined || parseIp6(text) !== undefined;

/** For each option: how many values it takes, and which. */
const rules: Readonly<Record<string, { most: number; good: (value: string) => boolean }>> = {
  'domain-name-servers': { most: 4, good: (value) => value === amazonDns || isAddress(value) },
  'domain-name': { most: 1, good: (value) => value.length <= 253 && value.split(' ').every((word) => domainForm.test(word)) },
  'ntp-servers': { most: 4, good: isAddress },
  'netbios-name-servers': { most: 4, good: isAddress },
  'netbios-node-type': { most: 1, good: (value) => ['1', '2', '4', '8'].includes(value) },
  'ipv6-address-preferred-lease-time': { most: 1, good: (value) => /^\d{1,10}$/.test(value) },
};

/** Options of a request. Throws MissingParameter without any, InvalidParameterValue for names and values that DHCP options do not have. */
export function parseDhcpOptions(given: readonly NewDhcpConfiguration[] | undefined): Record<string, readonly string[]> {
  if (given === undefined || given.length === 0) throw missingParameter('dhcpConfiguration');
  const options: Record<string, readonly string[]> = {};
  for (const { Key: key = '', Values: values = [] } of given) {
    const rule = rules[key];
    if (rule === undefined) throw invalidParameterValue(`Value (${key}) for parameter name is invalid. Unknown DHCP option`);
    // Several servers may come as one value with commas, as the console's field writes them.
    const list = values.flatMap((value) => value.split(',').map((part) => part.trim()));
    if (list.length === 0) throw missingParameter('value');
    if (list.length > rule.most) throw invalidParameterValue(`The maximum number of values for ${key} is ${rule.most}.`);
    const bad = list.find((value) => !rule.good(value));
    if (bad !== undefined)
      throw invalidParameterValue(`Value (${bad}) for parameter value is invalid. Invalid DHCP option value`);
    options[key] = list;
  }
  return options;
}

/** What a machine of a VPC asks for names. Without options it knows no server, as with the set `default`. */
export function resolverOf(
  cidr: string,
  options: Readonly<Record<string, readonly string[]>>,
): { servers: string[]; search: string[] } {
  const own = formatIp4(addressAt(parseCidr4(cidr)!, 2));
  return {
    servers: (options['domain-name-servers'] ?? []).map((server) => (server === amazonDns ? own : server)),
    search: (options['domain-name'] ?? []).flatMap((value) => value.split(' ')),
  };
}

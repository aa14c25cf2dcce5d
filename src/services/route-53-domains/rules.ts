/** What names, contacts and name servers must be ("Domain name format", "RegisterDomain", "UpdateDomainNameservers"), and the service's errors. */
import type { ContactDetail, Nameserver } from '@aws-sdk/client-route-53-domains';
import { parseIp4, parseIp6 } from '../../base/cidr.ts';
import { AwsError } from '../../kernel/errors.ts';
import { topLevelOf, type TopLevel } from './top-levels.ts';

export function invalidInput(message: string): AwsError {
  return new AwsError('InvalidInput', message);
}

export function unsupportedTld(tld: string): AwsError {
  return new AwsError('UnsupportedTLD', `Amazon Route 53 does not support the ${tld} TLD.`);
}

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const hostForm = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const serversMax = 13;

/** A name as rows hold it. Throws InvalidInput for what is no name, UnsupportedTLD for what is not sold. */
export function readName(text: string | undefined): { name: string; top: TopLevel } {
  const name = (text ?? '').toLowerCase().replace(/\.$/, '');
  const [first = '', ...rest] = name.split('.');
  if (rest.length === 0 || name.length > 255 || !label.test(first) || !rest.every((part) => label.test(part)))
    throw invalidInput(`The domain name ${text} is not valid.`);
  const top = topLevelOf(name);
  if (top === undefined) throw unsupportedTld(rest.join('.'));
  return { name, top };
}

/** Throws InvalidInput for a contact that a registry would refuse. */
export function checkContact(kind: string, contact: ContactDetail): ContactDetail {
  const needed = ['FirstName', 'LastName', 'AddressLine1', 'City', 'CountryCode', 'PhoneNumber', 'Email'] as const;
  for (const member of needed) if ((contact[member] ?? '') === '') throw invalidInput(`The ${kind} contact needs ${member}.`);
  if (!/^\+\d{1,3}\.\d{3,26}$/.test(contact.PhoneNumber ?? ''))
    throw invalidInput(`The phone number of the ${kind} contact must have the form +999.12345678.`);
  if (!/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(contact.Email ?? ''))
    throw invalidInput(`The email address of the ${kind} contact is not valid.`);
  return contact;
}

/** Name servers in small letters. Throws InvalidInput: no server, too many, no host names, glue where none belongs or none where one must be. */
export function checkServers(domain: string, servers: readonly Nameserver[]): Nameserver[] {
  if (servers.length === 0 || servers.length > serversMax)
    throw invalidInput(`A domain needs between 1 and ${serversMax} name servers.`);
  return servers.map(({ Name = '', GlueIps: glue = [] }) => {
    const name = Name.toLowerCase().replace(/\.$/, '');
    if (!hostForm.test(name)) throw invalidInput(`The name server ${Name} is not valid.`);
    if (glue.some((ip) => parseIp4(ip) === undefined && parseIp6(ip) === undefined))
      throw invalidInput(`A glue address of the name server ${Name} is not valid.`);
    const within = name.endsWith(`.${domain}`);
    if (within !== glue.length > 0)
      throw invalidInput(
        within
          ? `The name server ${Name} is in the domain itself and needs glue records.`
          : `The name server ${Name} is outside the domain and cannot have glue records.`,
      );
    return { Name: name, ...(glue.length === 0 ? {} : { GlueIps: [...glue] }) };
  });
}

/** The end of so many years, by the calendar. */
export function addYears(at: number, years: number): number {
  const date = new Date(at);
  date.setUTCFullYear(date.getUTCFullYear() + years);
  return date.getTime();
}

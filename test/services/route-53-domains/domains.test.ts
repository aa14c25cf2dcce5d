/** Registered domains, and the walk from the root down to the servers that a registrar has named, as an instance walks it. */
import type { Instance } from '@aws-sdk/client-ec2';
import { type ContactDetail, Route53Domains } from '@aws-sdk/client-route-53-domains';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  advanceClock,
  eventually,
  freshAccount,
  machinesRefused,
  type OwnCloud,
  refused,
  startOwnCloud,
} from '../../support/cloud.ts';
import { Lab } from '../ec2/support.ts';
import { digRefused, parseDig, ZoneLab } from '../route-53/support.ts';

const person: ContactDetail = {
  FirstName: 'Ada',
  LastName: 'Lovelace',
  ContactType: 'PERSON',
  AddressLine1: '1 Main Street',
  City: 'Helsinki',
  CountryCode: 'FI',
  ZipCode: '00100',
  PhoneNumber: '+358.401234567',
  Email: 'ada@example.com',
};
const contacts = { AdminContact: person, RegistrantContact: person, TechContact: person };
const dayMillis = 86_400_000;

/** A name server that is none of the cloud's: every A question gets one address, with authority; its own name its own. */
const outsideServer = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', 53))
while True:
    m, a = s.recvfrom(4096)
    i = 12
    while m[i]: i += m[i] + 1
    q = m[12:i + 5]
    yes = q[-4:-2] == b'\\0\\1'
    head = m[:2] + b'\\x84\\0\\0\\1\\0' + (b'\\1' if yes else b'\\0') + b'\\0\\0\\0\\0'
    s.sendto(head + q + (b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\5\\0\\4' + socket.inet_aton(sys.argv[1] if q[1:4] == b'ns1' else '192.0.2.66') if yes else b''), a)
`;

describe('domains', () => {
  let cloud: OwnCloud;
  let lab: Lab;
  let client: Instance;
  let outside: Instance;
  let domains: Route53Domains;
  let account: ReturnType<typeof freshAccount>;
  const unique = () => `d${freshAccount('').id}.com`;

  beforeEach((context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    context.skip(digRefused !== undefined, digRefused);
  });
  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud({ args: [] });
    lab = new Lab(cloud.endpoint);
    account = freshAccount(cloud.endpoint);
    domains = new Route53Domains(account.config());
    const network = await lab.network('10.95');
    await lab.allow(network.groupId, 'udp', 53, 53, '0.0.0.0/0');
    const launch = () => lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
    [client, outside] = (await Promise.all([launch(), launch()])) as [Instance, Instance];
    const text = Buffer.from(outsideServer).toString('base64');
    await lab.run(
      outside.PublicIpAddress!,
      `echo ${text} | base64 -d > /dns.py; (python3 /dns.py ${outside.PublicIpAddress!} > /dev/null 2>&1 &)`,
    );
  }, 90_000);
  afterAll(async () => void (await cloud?.stop()));

  const dig = (words: string) => lab.run(client.PublicIpAddress!, `dig +time=2 +tries=2 ${words} || true`);
  const ask = async (words: string) => parseDig(await dig(words));
  /** Servers that answered on the way down, and what was said at the end. */
  const trace = async (name: string) => {
    const text = await dig(`+trace ${name}`);
    return { from: [...text.matchAll(/from (\S+?)#53\((\S+)\)/g)].map((match) => match[2]!), text };
  };
  const done = (id: string | undefined, as = domains) =>
    eventually(
      async () => {
        const found = await as.getOperationDetail({ OperationId: id! });
        expect(found.Status).not.toBe('IN_PROGRESS');
        return found;
      },
      { why: 'the operation ends' },
    );
  const register = async (name: string, more = {}) => {
    const made = await domains.registerDomain({ DomainName: name, DurationInYears: 1, ...contacts, ...more });
    expect(await done(made.OperationId)).toMatchObject({ Status: 'SUCCESSFUL', Type: 'REGISTER_DOMAIN', DomainName: name });
  };
  const zoneOf = async (name: string) => {
    const zone = new ZoneLab(cloud.endpoint);
    Object.assign(zone, {
      account,
      client: new (zone.client.constructor as new (config: object) => typeof zone.client)(account.config()),
    });
    const found = await zone.client.listHostedZonesByName({ DNSName: name });
    zone.zone = found.HostedZones![0]!;
    zone.nameServers = (await zone.client.getHostedZone({ Id: zone.id })).DelegationSet!.NameServers!;
    return zone;
  };

  test('R53-007 a resolver walks from the root to the top-level zone to the four servers, and each of them answers', async () => {
    const zone = await new ZoneLab(cloud.endpoint).open(unique());
    await zone.put(zone.record('www', 'A', ['192.0.2.7']));
    const name = zone.name('www');
    const { from, text } = await trace(name);
    expect(from.slice(1, 3)).toEqual(['a.root-servers.net', 'a.gtld-servers.net']);
    expect(zone.nameServers).toContain(from[3]);
    expect(text).toMatch(/^\.\s+\d+\s+IN\s+NS\s+a\.root-servers\.net\.$/m);
    expect(text).toMatch(/^com\.\s+172800\s+IN\s+NS\s+a\.gtld-servers\.net\.$/m);
    for (const server of zone.nameServers) expect(text).toContain(`NS\t${server}.`);
    expect(text).toMatch(/IN\s+A\s+192\.0\.2\.7$/m);
    for (const server of zone.nameServers) {
      const { answer, flags } = await ask(`@${server} ${name}`);
      expect([answer[0]?.data, flags.includes('aa')], server).toEqual(['192.0.2.7', true]);
    }
    expect((await ask(name)).answer[0]?.data).toBe('192.0.2.7');
    expect((await ask('@198.18.0.49 nobody-has-this-one.com')).status).toBe('NXDOMAIN');
    expect((await ask('@198.18.0.48 nobody-has-this-one.nosuchtop')).status).toBe('NXDOMAIN');
  });

  test('R53-073 registering a domain makes its zone, and the parent delegates to it', async () => {
    const name = unique();
    expect((await domains.checkDomainAvailability({ DomainName: name })).Availability).toBe('AVAILABLE');
    await register(name);
    expect((await domains.checkDomainAvailability({ DomainName: name })).Availability).toBe('UNAVAILABLE');
    const zone = await zoneOf(name);
    expect(zone.zone).toMatchObject({ Name: `${name}.`, Config: { Comment: 'HostedZone created by Route53 Registrar' } });
    const detail = await domains.getDomainDetail({ DomainName: name });
    expect(detail.Nameservers!.map(({ Name }) => Name)).toEqual(zone.nameServers);
    expect(detail).toMatchObject({ AutoRenew: true, RegistrantContact: person, StatusList: ['clientTransferProhibited'] });
    expect(detail.ExpirationDate!.getUTCFullYear() - detail.CreationDate!.getUTCFullYear()).toBe(1);
    const referral = await ask(`@198.18.0.49 +norecurse www.${name}`);
    expect(referral.authority.map(({ type, data }) => `${type} ${data}`)).toEqual(
      zone.nameServers.map((server) => `NS ${server}.`),
    );
    await refused(
      domains.registerDomain({ DomainName: name, DurationInYears: 1, ...contacts }),
      'InvalidInput',
      `The domain ${name} is not available.`,
    );
    await refused(
      domains.registerDomain({ DomainName: 'a.nosuchtop', DurationInYears: 1, ...contacts }),
      'UnsupportedTLD',
      'Amazon Route 53 does not support the nosuchtop TLD.',
    );
    await refused(domains.registerDomain({ DomainName: unique(), DurationInYears: 11, ...contacts }), 'InvalidInput');
    const bad = { ...contacts, TechContact: { ...person, PhoneNumber: '040' } };
    await refused(
      domains.registerDomain({ DomainName: unique(), DurationInYears: 1, ...bad }),
      'InvalidInput',
      'The phone number of the tech contact must have the form +999.12345678.',
    );
    await refused(domains.getDomainDetail({ DomainName: unique() }), 'InvalidInput', /not found in the account/);
    await refused(domains.getOperationDetail({ OperationId: 'none' }), 'InvalidInput', 'Operation none not found.');
  });

  test('R53-074 a domain is transferred in with its code, and not without', async () => {
    const name = unique();
    await register(name);
    const taker = new Route53Domains(freshAccount(cloud.endpoint).config());
    const transfer = async (AuthCode: string) => {
      const begun = await taker.transferDomain({ DomainName: name, DurationInYears: 1, AuthCode, ...contacts });
      return done(begun.OperationId, taker);
    };
    await refused(domains.retrieveDomainAuthCode({ DomainName: name }), 'InvalidInput', /disable its transfer lock first/);
    expect((await taker.checkDomainTransferability({ DomainName: name })).Transferability?.Transferable).toBe('UNTRANSFERABLE');
    expect((await transfer('any')).Message).toMatch(/^The domain is locked/);
    await domains.disableDomainTransferLock({ DomainName: name });
    const { AuthCode } = await domains.retrieveDomainAuthCode({ DomainName: name });
    expect(await transfer('wrong')).toMatchObject({ Status: 'FAILED', Message: 'The authorization code is not valid.' });
    expect((await taker.listDomains({})).Domains).toEqual([]);
    expect(await transfer(AuthCode!)).toMatchObject({ Status: 'SUCCESSFUL', Type: 'TRANSFER_IN_DOMAIN' });
    expect((await taker.listDomains({})).Domains).toMatchObject([{ DomainName: name, TransferLock: true }]);
    await refused(domains.getDomainDetail({ DomainName: name }), 'InvalidInput');
    await refused(
      taker.transferDomain({ DomainName: unique(), AuthCode: 'x', ...contacts }),
      'InvalidInput',
      /is not registered\.$/,
    );
  });

  test('R53-016 R53-075 R53-076 registrar and DNS service are apart: the parent leads where the registrar says', async () => {
    const unregistered = await new ZoneLab(cloud.endpoint).open(unique());
    await unregistered.put(unregistered.record('www', 'A', ['192.0.2.75']));
    expect((await ask(`@${unregistered.nameServers[0]} ${unregistered.name('www')}`)).answer[0]?.data).toBe('192.0.2.75');
    // Registered by somebody else, served by servers of their own.
    const name = unique();
    await register(name);
    const Nameservers = [{ Name: `ns1.${name}`, GlueIps: [outside.PublicIpAddress!] }];
    await refused(
      domains.updateDomainNameservers({ DomainName: name, Nameservers: [{ Name: `ns1.${name}` }] }),
      'InvalidInput',
      `The name server ns1.${name} is in the domain itself and needs glue records.`,
    );
    await domains.updateDomainNameservers({ DomainName: name, Nameservers });
    await eventually(
      async () => {
        const referral = await ask(`@198.18.0.49 +norecurse www.${name}`);
        expect(referral.authority).toMatchObject([{ type: 'NS', data: `ns1.${name}.` }]);
      },
      { why: 'the parent refers to the outside server' },
    );
    expect((await ask(`www.${name}`)).answer[0]?.data).toBe('192.0.2.66');
    expect((await trace(`www.${name}`)).from.at(-1)).toBe(`ns1.${name}`);
    // A CNAME leads there, and a resolver on to the address.
    await unregistered.put(unregistered.record('shop', 'CNAME', [`www.${name}`]));
    const direct = await ask(`@${unregistered.nameServers[0]} ${unregistered.name('shop')}`);
    expect(direct.answer).toMatchObject([{ type: 'CNAME', data: `www.${name}.` }]);
    expect((await ask(unregistered.name('shop'))).answer).toMatchObject([
      { type: 'CNAME', data: `www.${name}.` },
      { type: 'A', data: '192.0.2.66' },
    ]);
    // A zone in another account, which nobody is led to until the registrar names its servers.
    const zone = await new ZoneLab(cloud.endpoint).open(name);
    await zone.put(zone.record('www', 'A', ['192.0.2.76']));
    expect((await ask(`www.${name}`)).answer[0]?.data).toBe('192.0.2.66');
    await domains.updateDomainNameservers({ DomainName: name, Nameservers: zone.nameServers.map((Name) => ({ Name })) });
    await eventually(async () => expect(zone.nameServers).toContain((await trace(`www.${name}`)).from.at(-1)), {
      why: 'the walk ends at Route 53',
    });
    await advanceClock(cloud.endpoint, 10_000);
    expect((await ask(`www.${name}`)).answer[0]?.data).toBe('192.0.2.76');
  });

  test('domains end, are renewed or given up, by the clock', async () => {
    const [kept, lost] = [unique(), unique()];
    await register(kept);
    await register(lost, { AutoRenew: false });
    const first = (await domains.getDomainDetail({ DomainName: kept })).ExpirationDate!;
    await refused(
      domains.renewDomain({ DomainName: kept, DurationInYears: 1, CurrentExpiryYear: 2000 }),
      'InvalidInput',
      'The domain does not expire in 2000.',
    );
    const zone = await zoneOf(lost);
    await zone.client.changeResourceRecordSets({
      HostedZoneId: zone.id,
      ChangeBatch: { Changes: [{ Action: 'UPSERT', ResourceRecordSet: zone.record('www', 'A', ['192.0.2.1'], { TTL: 1 }) }] },
    });
    await eventually(async () => expect((await ask(`www.${lost}`)).answer).toHaveLength(1), { why: 'it resolves' });
    await advanceClock(cloud.endpoint, 366 * dayMillis);
    const second = (await domains.getDomainDetail({ DomainName: kept })).ExpirationDate!;
    expect(second.getUTCFullYear() - first.getUTCFullYear()).toBe(1);
    await eventually(async () => expect((await ask(`www.${lost}`)).status).toBe('NXDOMAIN'), { why: 'it resolves no more' });
    expect((await domains.getDomainDetail({ DomainName: lost })).StatusList).toContain('clientHold');
    await advanceClock(cloud.endpoint, 45 * dayMillis);
    expect((await domains.checkDomainAvailability({ DomainName: lost })).Availability).toBe('AVAILABLE');
    const { Prices } = await domains.listPrices({ Tld: 'com' });
    expect(Prices).toMatchObject([{ Name: 'com', RegistrationPrice: { Currency: 'USD' } }]);
    await refused(domains.listPrices({ Tld: 'nosuchtop' }), 'UnsupportedTLD');
  }, 60_000);
});

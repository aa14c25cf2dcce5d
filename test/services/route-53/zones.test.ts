/** Hosted zones: made, listed, changed in batches, deleted; and what their name servers say over DNS. */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { Route53 } from '@aws-sdk/client-route-53';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { dig, digRefused, ZoneLab } from './support.ts';

describe('hosted zones', () => {
  const lab = new ZoneLab();
  beforeAll(async () => void (await lab.open()));
  beforeEach((context) => context.skip(digRefused !== undefined, digRefused));

  test('R53-001 a zone answers with the address and TTL its owner set, and is the same from every Region', async () => {
    await lab.put(lab.record('www', 'A', ['192.0.2.10'], { TTL: 123 }));
    expect((await lab.dig('www')).answer).toEqual([{ name: lab.name('www'), ttl: 123, type: 'A', data: '192.0.2.10' }]);
    const other = new Route53(lab.account.config({ region: 'ap-northeast-2' }));
    expect((await other.listHostedZones({})).HostedZones?.map(({ Id }) => Id)).toEqual([lab.zone.Id]);
  });

  test('R53-002 a zone holds the records of its domain and subdomains, and goes only when they are gone', async () => {
    const own = await new ZoneLab().open();
    await own.put(own.record('', 'A', ['192.0.2.1']), own.record('a.b', 'A', ['192.0.2.2']));
    expect((await own.client.listHostedZones({})).HostedZones).toMatchObject([
      { Name: own.name(), ResourceRecordSetCount: 4, Config: { PrivateZone: false } },
    ]);
    const outside = { ...own.record('', 'A', ['192.0.2.1']), Name: 'www.elsewhere.example.' };
    await refused(
      own.change({ Action: 'CREATE', ResourceRecordSet: outside }),
      'InvalidChangeBatch',
      `[RRSet with DNS name www.elsewhere.example. is not permitted in zone ${own.name()}]`,
    );
    await refused(
      own.client.deleteHostedZone({ Id: own.id }),
      'HostedZoneNotEmpty',
      'The specified hosted zone contains non-required resource record sets and so cannot be deleted.',
    );
    await own.change(
      { Action: 'DELETE', ResourceRecordSet: own.record('', 'A', ['192.0.2.1']) },
      { Action: 'DELETE', ResourceRecordSet: own.record('a.b', 'A', ['192.0.2.2']) },
    );
    const { ChangeInfo } = await own.client.deleteHostedZone({ Id: own.id });
    await own.synced(ChangeInfo!);
    await refused(own.client.getHostedZone({ Id: own.id }), 'NoSuchHostedZone', `No hosted zone found with ID: ${own.id}`, 404);
    expect((await own.dig('')).status).toBe('REFUSED');
  });

  test('R53-003 a new zone has four name servers in its NS record and one SOA, which stay', async () => {
    expect(lab.nameServers).toHaveLength(4);
    expect(lab.nameServers.map((name) => name.replace(/^ns-\d+\.awsdns-\d\d\./, ''))).toEqual(['com', 'net', 'org', 'co.uk']);
    const { ResourceRecordSets: sets = [] } = await lab.client.listResourceRecordSets({ HostedZoneId: lab.id });
    const [ns, soa] = ['NS', 'SOA'].map((type) => sets.find(({ Type, Name }) => Type === type && Name === lab.name())!);
    expect(ns).toMatchObject({ TTL: 172_800, ResourceRecords: lab.nameServers.map((name) => ({ Value: `${name}.` })) });
    expect(soa!.TTL).toBe(900);
    await refused(
      lab.change({ Action: 'DELETE', ResourceRecordSet: soa! }),
      'InvalidChangeBatch',
      '[A HostedZone must contain exactly one SOA record.]',
    );
    await refused(
      lab.change({ Action: 'DELETE', ResourceRecordSet: ns! }),
      'InvalidChangeBatch',
      /must contain at least one NS record for the zone itself/,
    );
  });

  test('R53-004 a change goes from PENDING to INSYNC, a batch with one bad change does nothing', async () => {
    const { ChangeInfo } = await lab.change({ Action: 'UPSERT', ResourceRecordSet: lab.record('sync', 'A', ['192.0.2.20']) });
    expect(ChangeInfo?.Status).toBe('PENDING');
    await lab.synced(ChangeInfo!);
    expect((await lab.dig('sync')).answer[0]?.data).toBe('192.0.2.20');
    await refused(
      lab.change(
        { Action: 'CREATE', ResourceRecordSet: lab.record('half', 'A', ['192.0.2.21']) },
        { Action: 'CREATE', ResourceRecordSet: lab.record('sync', 'A', ['192.0.2.22']) },
        { Action: 'DELETE', ResourceRecordSet: lab.record('none', 'A', ['192.0.2.22']) },
      ),
      'InvalidChangeBatch',
      `[Tried to create resource record set [name='${lab.name('sync')}', type='A'] but it already exists, Tried to delete resource record set [name='${lab.name('none')}', type='A'] but it was not found]`,
    );
    expect((await lab.dig('half')).status).toBe('NXDOMAIN');
    await refused(
      lab.change({ Action: 'DELETE', ResourceRecordSet: lab.record('sync', 'A', ['192.0.2.99']) }),
      'InvalidChangeBatch',
      `[Tried to delete resource record set [name='${lab.name('sync')}', type='A'] but the values provided do not match the current values]`,
    );
    await refused(lab.client.getChange({ Id: 'C123' }), 'NoSuchChange', undefined, 404);
  });

  test('R53-005 name servers answer with authority, without recursion, for their zones only', async () => {
    const { flags, status } = await lab.dig('', 'SOA', '+recurse');
    expect([status, flags.includes('aa'), flags.includes('ra')]).toEqual(['NOERROR', true, false]);
    expect((await dig(lab.port, 'www.nobody-has-this.example.')).status).toBe('REFUSED');
  });

  test('a name that does not exist, one without the type, wildcards, chains and delegations', async () => {
    await lab.put(
      lab.record('deep.er', 'A', ['192.0.2.1']),
      lab.record('*.wild', 'A', ['192.0.2.2']),
      lab.record('real.wild', 'TXT', ['"x"']),
      lab.record('c1', 'CNAME', [lab.name('c2')]),
      lab.record('c2', 'CNAME', [lab.name('deep.er')]),
      lab.record('sub', 'NS', ['ns.other.example.']),
    );
    const none = await lab.dig('nothing');
    expect([none.status, none.authority[0]?.type, none.authority[0]?.ttl]).toEqual(['NXDOMAIN', 'SOA', 900]);
    for (const label of ['er', 'real.wild']) expect((await lab.dig(label)).status, label).toBe('NOERROR');
    expect((await lab.dig('a.b.wild')).answer[0]).toMatchObject({ name: lab.name('a.b.wild'), data: '192.0.2.2' });
    expect((await lab.dig('real.wild')).answer).toEqual([]);
    expect((await lab.dig('c1')).answer.map(({ type }) => type)).toEqual(['CNAME', 'CNAME', 'A']);
    const handed = await lab.dig('www.sub');
    expect([handed.flags.includes('aa'), handed.answer, handed.authority[0]?.data]).toEqual([false, [], 'ns.other.example.']);
    const { ResourceRecordSets: sets = [] } = await lab.client.listResourceRecordSets({
      HostedZoneId: lab.id,
      StartRecordName: lab.name('wild'),
    });
    expect(sets[0]?.Name).toBe(`\\052.wild.${lab.name()}`);
  });

  test('an answer that is too large for UDP is cut and comes whole over TCP; garbage disturbs nobody', async () => {
    const values = Array.from({ length: 100 }, (_one, index) => `192.0.2.${index}`);
    await lab.put(lab.record('many', 'A', values));
    const cut = await lab.dig('many', 'A', '+ignore', '+noedns');
    expect([cut.flags.includes('tc'), cut.answer]).toEqual([true, []]);
    expect((await lab.dig('many')).answer).toHaveLength(100);
    const socket = createSocket('udp4');
    for (let i = 0; i < 200; i += 1) socket.send(randomBytes(1 + (i % 60)), lab.port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.close(resolve));
    expect((await lab.dig('many', 'A', '+tcp')).answer).toHaveLength(100);
  });

  test('records are listed in DNS order, page by page', async () => {
    const own = await new ZoneLab().open();
    await own.put(...['b', 'a', 'x.a', 'c'].map((label) => own.record(label, 'A', ['192.0.2.1'])));
    const names: string[] = [];
    let start: object = {};
    for (;;) {
      const page = await own.client.listResourceRecordSets({ HostedZoneId: own.id, MaxItems: 2, ...start });
      names.push(...page.ResourceRecordSets!.map(({ Name, Type }) => `${Name?.replace(own.name(), '')}${Type}`));
      if (!page.IsTruncated) break;
      start = { StartRecordName: page.NextRecordName, StartRecordType: page.NextRecordType };
    }
    expect(names).toEqual(['NS', 'SOA', 'a.A', 'x.a.A', 'b.A', 'c.A']);
    await refused(own.client.listResourceRecordSets({ HostedZoneId: own.id, StartRecordType: 'A' }), 'InvalidInput');
  });

  test('names, references, tags and delegation sets are held to their rules', async () => {
    const { client } = new ZoneLab();
    const make = (Name: string, CallerReference: string, more = {}) =>
      client.createHostedZone({ Name, CallerReference, ...more });
    await refused(make('a..example', 'r1'), 'InvalidDomainName', 'a..example is not a valid domain name');
    const { HostedZone } = await make('first.example', 'r1', { HostedZoneConfig: { Comment: 'one' } });
    await refused(
      make('second.example', 'r1'),
      'HostedZoneAlreadyExists',
      'A hosted zone has already been created with the specified caller reference.',
      409,
    );
    const { DelegationSet } = await client.createReusableDelegationSet({ CallerReference: 's1' });
    const reused = await make('third.example', 'r3', { DelegationSetId: DelegationSet!.Id });
    expect(reused.DelegationSet?.NameServers).toEqual(DelegationSet?.NameServers);
    await refused(client.deleteReusableDelegationSet({ Id: DelegationSet!.Id }), 'DelegationSetInUse');
    await refused(make('third.example', 'r4', { DelegationSetId: DelegationSet!.Id }), 'ConflictingDomainExists');
    const id = HostedZone!.Id!.split('/').at(-1)!;
    await client.changeTagsForResource({ ResourceType: 'hostedzone', ResourceId: id, AddTags: [{ Key: 'team', Value: 'dns' }] });
    expect((await client.listTagsForResource({ ResourceType: 'hostedzone', ResourceId: id })).ResourceTagSet?.Tags).toEqual([
      { Key: 'team', Value: 'dns' },
    ]);
    await refused(client.listTagsForResource({ ResourceType: 'hostedzone', ResourceId: 'Z1' }), 'NoSuchHostedZone');
    const byName = await client.listHostedZonesByName({ DNSName: 'second.example' });
    expect(byName.HostedZones?.map(({ Name }) => Name)).toEqual(['third.example.']);
  });

  test('another account neither sees nor changes a zone', async () => {
    const stranger = new Route53(freshAccount().config());
    await refused(stranger.getHostedZone({ Id: lab.id }), 'NoSuchHostedZone');
    await refused(
      stranger.changeResourceRecordSets({
        HostedZoneId: lab.id,
        ChangeBatch: { Changes: [{ Action: 'UPSERT', ResourceRecordSet: lab.record('www', 'A', ['192.0.2.66']) }] },
      }),
      'NoSuchHostedZone',
    );
  });
});

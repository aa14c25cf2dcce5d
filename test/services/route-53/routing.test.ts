/** Routing policies as DNS answers show them, with clients placed by EDNS client subnet. */
import type { ResourceRecordSet } from '@aws-sdk/client-route-53';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { admin, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { digRefused, ZoneLab } from './support.ts';
import { askMany } from './many.ts';

/** Documentation blocks as the places of clients; the table is the cloud's, so this file has a cloud of its own. */
const places = [
  { cidr: '203.0.113.0/28', continent: 'NA', country: 'US', subdivision: 'CA', latitude: 37.4, longitude: -122 },
  { cidr: '203.0.113.16/28', continent: 'NA', country: 'US', subdivision: 'TX', latitude: 32.8, longitude: -96.8 },
  { cidr: '203.0.113.32/28', continent: 'NA', country: 'CA', latitude: 45.5, longitude: -73.6 },
  { cidr: '203.0.113.48/28', continent: 'AS', country: 'KR', latitude: 37.6, longitude: 127 },
  { cidr: '203.0.113.64/28', continent: 'NA', country: 'US', subdivision: 'NV', latitude: 36.2, longitude: -115.1 },
  { cidr: '203.0.113.80/28', continent: 'NA', country: 'US', subdivision: 'OH', latitude: 40, longitude: -83 },
  { cidr: '203.0.113.96/28', continent: 'EU', country: 'DE', latitude: 50.1, longitude: 8.7 },
  { cidr: '203.0.113.112/28', continent: 'NA', country: 'US', subdivision: 'KS', latitude: 38.5, longitude: -98 },
];
const from = {
  california: '203.0.113.1',
  texas: '203.0.113.17',
  canada: '203.0.113.33',
  korea: '203.0.113.49',
  nevada: '203.0.113.65',
  ohio: '203.0.113.81',
  germany: '203.0.113.97',
  kansas: '203.0.113.113',
};

describe('routing policies', () => {
  let cloud: OwnCloud;
  let lab: ZoneLab;
  beforeEach((context) => context.skip(digRefused !== undefined, digRefused));
  beforeAll(async () => {
    cloud = await startOwnCloud();
    lab = await new ZoneLab(cloud.endpoint).open();
    await admin('POST', 'places', { places }, cloud.endpoint);
  });
  afterAll(async () => void (await cloud.stop()));

  const set = (label: string, id: string, value: string, more: Partial<ResourceRecordSet>) =>
    lab.record(label, 'A', [value], { SetIdentifier: id, ...more });
  const create = (...sets: ResourceRecordSet[]) =>
    lab.change(...sets.map((ResourceRecordSet) => ({ Action: 'CREATE' as const, ResourceRecordSet })));
  /** Address that a client in this place gets. */
  const seen = async (label: string, client: string): Promise<string | undefined> =>
    (await lab.dig(label, 'A', `+subnet=${client}/32`)).answer[0]?.data;
  /** How often each address came first. */
  const counts = (label: string, times: number) => askMany(lab.port, lab.name(label), times);

  test('a simple record gives all its values, each first about equally often', async () => {
    await lab.put(lab.record('three', 'A', ['192.0.2.1', '192.0.2.2', '192.0.2.3']));
    expect((await lab.dig('three')).answer.map(({ data }) => data).sort()).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
    const first = await counts('three', 600);
    for (const value of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) expect(first.get(value)).toBeGreaterThan(140);
  });

  test('R53-037 weights share the answers in proportion', async () => {
    await lab.put(
      set('w', 'a', '192.0.2.1', { Weight: 70 }),
      set('w', 'b', '192.0.2.2', { Weight: 20 }),
      set('w', 'c', '192.0.2.3', { Weight: 10 }),
    );
    const first = await counts('w', 1000);
    expect(first.get('192.0.2.1')).toBeGreaterThan(640);
    expect(first.get('192.0.2.1')).toBeLessThan(760);
    expect(first.get('192.0.2.2')).toBeGreaterThan(150);
    expect(first.get('192.0.2.2')).toBeLessThan(255);
    await lab.put(set('w2', 'a', '192.0.2.1', { Weight: 3 }), set('w2', 'b', '192.0.2.2', { Weight: 1 }));
    const second = await counts('w2', 1000);
    expect(second.get('192.0.2.1')).toBeGreaterThan(690);
    expect(second.get('192.0.2.1')).toBeLessThan(810);
  });

  test('R53-038 a weight is from 0 to 255', async () => {
    await lab.put(set('wl', 'a', '192.0.2.1', { Weight: 0 }), set('wl', 'b', '192.0.2.2', { Weight: 255 }));
    const words = (value: number, must: string) =>
      `1 validation error detected: Value '${value}' at 'changeBatch.changes.1.member.resourceRecordSet.weight' failed to satisfy constraint: Member must have value ${must}`;
    await refused(create(set('wl', 'c', '192.0.2.3', { Weight: 256 })), 'InvalidInput', words(256, 'less than or equal to 255'));
    await refused(create(set('wl', 'c', '192.0.2.3', { Weight: -1 })), 'InvalidInput', words(-1, 'greater than or equal to 0'));
  });

  test('R53-039 weight 0 stops traffic to a record, its weight brings it back', async () => {
    await lab.put(set('w0', 'a', '192.0.2.1', { Weight: 0 }), set('w0', 'b', '192.0.2.2', { Weight: 10 }));
    expect([...(await counts('w0', 200)).keys()]).toEqual(['192.0.2.2']);
    await lab.put(set('w0', 'a', '192.0.2.1', { Weight: 10 }));
    expect((await counts('w0', 200)).get('192.0.2.1')).toBeGreaterThan(50);
  });

  test('R53-040 when all weights are 0 all records are answered equally', async () => {
    await lab.put(...['1', '2', '3'].map((n) => set('wz', n, `192.0.2.${n}`, { Weight: 0 })));
    const first = await counts('wz', 900);
    for (const n of ['1', '2', '3']) expect(first.get(`192.0.2.${n}`)).toBeGreaterThan(220);
  });

  test('R53-042 latency routing answers with the nearest Region', async () => {
    await lab.put(
      set('lat', 'us', '192.0.2.1', { Region: 'us-east-1' }),
      set('lat', 'kr', '192.0.2.2', { Region: 'ap-northeast-2' }),
    );
    expect([await seen('lat', from.texas), await seen('lat', from.korea)]).toEqual(['192.0.2.1', '192.0.2.2']);
    await refused(
      create(set('lat', 'more', '192.0.2.3', { Region: 'us-east-1' })),
      'InvalidChangeBatch',
      /SetIdentifier more, region us-east-1 cannot be created/,
    );
  });

  test('R53-046 geolocation answers by the most precise place', async () => {
    await lab.put(
      set('geo', 'na', '192.0.2.1', { GeoLocation: { ContinentCode: 'NA' } }),
      set('geo', 'us', '192.0.2.2', { GeoLocation: { CountryCode: 'US' } }),
      set('geo', 'ca', '192.0.2.3', { GeoLocation: { CountryCode: 'US', SubdivisionCode: 'CA' } }),
    );
    expect([await seen('geo', from.canada), await seen('geo', from.texas), await seen('geo', from.california)]).toEqual([
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.3',
    ]);
    await refused(
      create(set('geo', 'us2', '192.0.2.4', { GeoLocation: { CountryCode: 'US' } })),
      'InvalidChangeBatch',
      /geolocation US cannot be created/,
    );
    await refused(create(set('geo', 'xx', '192.0.2.4', { GeoLocation: { ContinentCode: 'XX' } })), 'InvalidInput');
  });

  test('R53-047 without a match the default answers, and without a default nobody', async () => {
    await lab.put(set('gd', 'us', '192.0.2.2', { GeoLocation: { CountryCode: 'US' } }));
    const without = await lab.dig('gd', 'A', `+subnet=${from.germany}/32`);
    expect([without.status, without.answer]).toEqual(['NOERROR', []]);
    await lab.put(set('gd', 'rest', '192.0.2.9', { GeoLocation: { CountryCode: '*' } }));
    expect(await seen('gd', from.germany)).toBe('192.0.2.9');
  });

  test('R53-049 geoproximity answers by distance', async () => {
    const near = (AWSRegion: string) => ({ GeoProximityLocation: { AWSRegion, Bias: 0 } });
    await lab.put(set('near', 'w', '192.0.2.1', near('us-west-1')), set('near', 'e', '192.0.2.2', near('us-east-1')));
    expect([await seen('near', from.nevada), await seen('near', from.ohio)]).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test('R53-050 a bias makes an area larger or smaller', async () => {
    const near = (AWSRegion: string, Bias: number) => ({ GeoProximityLocation: { AWSRegion, Bias } });
    const put = (west: number, east: number) =>
      lab.put(set('bias', 'w', '192.0.2.1', near('us-west-1', west)), set('bias', 'e', '192.0.2.2', near('us-east-1', east)));
    await put(0, 0);
    expect(await seen('bias', from.kansas)).toBe('192.0.2.2');
    await put(50, 0);
    expect(await seen('bias', from.kansas)).toBe('192.0.2.1');
    await put(0, 0);
    expect(await seen('bias', from.kansas)).toBe('192.0.2.2');
    await put(0, -50);
    expect(await seen('bias', from.kansas)).toBe('192.0.2.1');
    await put(99, -99);
    // The western area covers nearly all, then nearly nothing.
    expect(await seen('bias', from.ohio)).toBe('192.0.2.1');
    await put(-99, 99);
    expect(await seen('bias', from.nevada)).toBe('192.0.2.2');
    for (const bias of [100, -100])
      await refused(create(set('bias', 'x', '192.0.2.3', near('us-east-2', bias))), 'InvalidInput', /geoProximityLocation\.bias/);
  });

  test('R53-052 a traffic policy holds a tree of rules, geoproximity with bias among them', async () => {
    const { client } = lab;
    const endpoint = (Value: string) => ({ Type: 'value', Value });
    const text = (bias: string, more: object = {}) =>
      JSON.stringify({
        AWSPolicyFormatVersion: '2015-10-01',
        RecordType: 'A',
        StartRule: 'near',
        Endpoints: { w: endpoint('192.0.2.1'), e1: endpoint('192.0.2.2'), e2: endpoint('192.0.2.3') },
        Rules: {
          near: {
            RuleType: 'geoproximity',
            GeoproximityLocations: [
              { EndpointReference: 'w', Region: 'aws:route53:us-west-1', Bias: bias },
              { RuleReference: 'east', Region: 'aws:route53:us-east-1', Bias: '0' },
            ],
          },
          east: {
            RuleType: 'weighted',
            Items: [
              { EndpointReference: 'e1', Weight: '1' },
              { EndpointReference: 'e2', Weight: '0' },
            ],
          },
        },
        ...more,
      });
    const make = (Document: string, Name = `policy-${Math.random()}`) => client.createTrafficPolicy({ Name, Document });
    const { TrafficPolicy: policy } = await make(text('0'), 'tree');
    expect(policy).toMatchObject({ Name: 'tree', Version: 1, Type: 'A' });
    const at = { HostedZoneId: lab.id, Name: lab.name('flow'), TTL: 60, TrafficPolicyId: policy!.Id! };
    const made = await client.createTrafficPolicyInstance({ ...at, TrafficPolicyVersion: 1 });
    const { Id } = made.TrafficPolicyInstance!;
    const applied = () =>
      eventually(
        async () => expect((await client.getTrafficPolicyInstance({ Id })).TrafficPolicyInstance?.State).toBe('Applied'),
        { why: 'the instance is applied' },
      );
    await applied();
    const all = async () => [await seen('flow', from.nevada), await seen('flow', from.kansas), await seen('flow', from.ohio)];
    expect(await all()).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.2']);
    await client.createTrafficPolicyVersion({ Id: policy!.Id!, Document: text('50') });
    await client.updateTrafficPolicyInstance({ Id, TTL: 60, TrafficPolicyId: policy!.Id!, TrafficPolicyVersion: 2 });
    await applied();
    expect(await all()).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.2']);
    const { ResourceRecordSets: sets = [] } = await client.listResourceRecordSets({ HostedZoneId: lab.id });
    expect(sets.find(({ Name }) => Name === lab.name('flow'))).toMatchObject({ TTL: 60, TrafficPolicyInstanceId: Id });
    await refused(make(text('0'), 'tree'), 'TrafficPolicyAlreadyExists', undefined, 409);
    await refused(make('{'), 'InvalidTrafficPolicyDocument', 'The document is not valid JSON.');
    await refused(make(text('0', { StartRule: 'none' })), 'InvalidTrafficPolicyDocument', 'There is no rule none.');
    const circle = { RuleType: 'failover', Primary: { RuleReference: 'near' } };
    await refused(make(text('0', { Rules: { near: circle } })), 'InvalidTrafficPolicyDocument', /in a circle/);
    await refused(client.createTrafficPolicyInstance({ ...at, TrafficPolicyVersion: 1 }), 'TrafficPolicyInstanceAlreadyExists');
    await refused(client.createTrafficPolicyInstance({ ...at, TrafficPolicyVersion: 9 }), 'NoSuchTrafficPolicy', undefined, 404);
    await refused(client.deleteTrafficPolicy({ Id: policy!.Id!, Version: 2 }), 'TrafficPolicyInUse');
    await refused(
      lab.change({ Action: 'UPSERT', ResourceRecordSet: lab.record('flow', 'A', ['192.0.2.9']) }),
      'InvalidChangeBatch',
      /belongs to the traffic policy instance/,
    );
    await client.deleteTrafficPolicyInstance({ Id });
    await eventually(async () => expect((await lab.dig('flow')).status).toBe('NXDOMAIN'), { why: 'the name is gone' });
    await refused(client.getTrafficPolicyInstance({ Id }), 'NoSuchTrafficPolicyInstance', undefined, 404);
  });

  test('R53-051 a geoproximity place is a Region, a Local Zone Group or coordinates', async () => {
    const seoul = { GeoProximityLocation: { Coordinates: { Latitude: '37.57', Longitude: '126.98' } } };
    await lab.put(
      set('where', 'seoul', '192.0.2.1', seoul),
      set('where', 'boston', '192.0.2.2', { GeoProximityLocation: { LocalZoneGroup: 'us-east-1-bos-1' } }),
      set('where', 'paris', '192.0.2.3', { GeoProximityLocation: { AWSRegion: 'eu-west-3' } }),
    );
    expect([await seen('where', from.korea), await seen('where', from.canada), await seen('where', from.germany)]).toEqual([
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.3',
    ]);
    const bad = (GeoProximityLocation: NonNullable<ResourceRecordSet['GeoProximityLocation']>) =>
      create(set('where', 'bad', '192.0.2.4', { GeoProximityLocation }));
    await refused(bad({ Coordinates: { Latitude: '91', Longitude: '0' } }), 'InvalidInput', /The coordinates are not valid/);
    await refused(
      bad({ AWSRegion: 'us-east-1', LocalZoneGroup: 'us-east-1-bos-1' }),
      'InvalidInput',
      /Expected exactly one of \[AWSRegion, LocalZoneGroup, or Coordinates\], but found more than one/,
    );
    await refused(bad({}), 'InvalidInput', /but found none/);
  });

  test("R53-053 R53-054 IP-based routing answers by the client's block, /24 and /48 at most", async () => {
    const { client } = lab;
    const { Collection } = await client.createCidrCollection({ Name: 'offices', CallerReference: 'c1' });
    const Id = Collection!.Id!;
    const change = (LocationName: string, ...CidrList: string[]) =>
      client.changeCidrCollection({ Id, Changes: [{ LocationName, Action: 'PUT', CidrList }] });
    await change('one', '198.51.100.0/24', '2001:db8:1::/48');
    await change('two', '192.0.2.0/24');
    await refused(
      change('two', '203.0.113.0/25'),
      'InvalidInput',
      'The CIDR block 203.0.113.0/25 is not valid: the prefix length must not be greater than 24.',
    );
    await refused(change('two', '2001:db8:2::/49'), 'InvalidInput');
    const at = (LocationName: string) => ({ CidrRoutingConfig: { CollectionId: Id, LocationName } });
    await lab.put(
      set('ip', '1', '10.0.0.1', at('one')),
      set('ip', '2', '10.0.0.2', at('two')),
      set('ip', '*', '10.0.0.3', at('*')),
    );
    expect([await seen('ip', '198.51.100.7'), await seen('ip', '192.0.2.7'), await seen('ip', '203.0.113.7')]).toEqual([
      '10.0.0.1',
      '10.0.0.2',
      '10.0.0.3',
    ]);
    expect((await lab.dig('ip', 'A', '+subnet=2001:db8:1::/48')).answer[0]?.data).toBe('10.0.0.1');
    await refused(create(set('ip', '4', '10.0.0.4', at('none'))), 'InvalidChangeBatch', /The CIDR location none does not exist/);
    await refused(client.deleteCidrCollection({ Id }), 'CidrCollectionInUseException');
  });

  test('R53-055 a multivalue answer has up to eight records, others each time', async () => {
    await lab.put(...Array.from({ length: 10 }, (_one, n) => set('mv', String(n), `192.0.2.${n}`, { MultiValueAnswer: true })));
    const all = new Set<string>();
    for (let i = 0; i < 12; i += 1) {
      const { answer } = await lab.dig('mv');
      expect(new Set(answer.map(({ data }) => data)).size).toBe(8);
      for (const { data } of answer) all.add(data);
    }
    expect(all.size).toBe(10);
    await lab.put(...['1', '2', '3'].map((n) => set('mv3', n, `192.0.2.${n}`, { MultiValueAnswer: true })));
    expect((await lab.dig('mv3')).answer).toHaveLength(3);
  });

  test('R53-057 a multivalue answer record is no alias', async () => {
    const alias = { HostedZoneId: lab.id, DNSName: lab.name('mv3'), EvaluateTargetHealth: false };
    const bad = { Name: lab.name('mva'), Type: 'A' as const, SetIdentifier: 'x', MultiValueAnswer: true, AliasTarget: alias };
    await refused(create(bad), 'InvalidInput', /MultiValueAnswer cannot be used together with AliasTarget/);
  });

  test('R53-032 eight policies; one name and type has one of them, with distinct identifiers', async () => {
    const check = (
      await lab.client.createHealthCheck({ CallerReference: 'f', HealthCheckConfig: { Type: 'CALCULATED', HealthThreshold: 0 } })
    ).HealthCheck!.Id!;
    const { Collection } = await lab.client.createCidrCollection({ Name: 'all', CallerReference: 'c2' });
    await lab.put(
      lab.record('p0', 'A', ['192.0.2.1']),
      set('p1', 'a', '192.0.2.1', { Weight: 1 }),
      set('p2', 'a', '192.0.2.1', { Failover: 'PRIMARY', HealthCheckId: check }),
      set('p3', 'a', '192.0.2.1', { Region: 'us-east-1' }),
      set('p4', 'a', '192.0.2.1', { GeoLocation: { CountryCode: '*' } }),
      set('p5', 'a', '192.0.2.1', { GeoProximityLocation: { AWSRegion: 'us-east-1' } }),
      set('p6', 'a', '192.0.2.1', { CidrRoutingConfig: { CollectionId: Collection!.Id!, LocationName: '*' } }),
      set('p7', 'a', '192.0.2.1', { MultiValueAnswer: true }),
    );
    for (let i = 0; i < 8; i += 1) expect((await lab.dig(`p${i}`)).answer[0]?.data, `p${i}`).toBe('192.0.2.1');
    await refused(
      create(set('p1', 'b', '192.0.2.2', { Region: 'us-east-1' })),
      'InvalidChangeBatch',
      /cannot be created because a non latency rrset exists with the same name and type/,
    );
    await refused(
      create(lab.record('p1', 'A', ['192.0.2.2'])),
      'InvalidChangeBatch',
      /cannot be created as other RRSets exist with the same name and type/,
    );
    await refused(
      create(set('p1', 'a', '192.0.2.2', { Weight: 2 })),
      'InvalidChangeBatch',
      `[Tried to create resource record set [name='${lab.name('p1')}', type='A', set-identifier='a'] but it already exists]`,
    );
    await refused(create(lab.record('p1', 'A', ['192.0.2.2'], { Weight: 2 })), 'InvalidInput', /Missing field 'SetIdentifier'/);
    await refused(create(set('p8', 'a', '192.0.2.2', {})), 'InvalidInput', /but found none/);
    await refused(
      create(set('p8', 'a', '192.0.2.2', { Weight: 1, Region: 'us-east-1' })),
      'InvalidInput',
      /but found more than one/,
    );
  });

  test('R53-012 records are listed with the members of their policy', async () => {
    const { ResourceRecordSets: sets = [] } = await lab.client.listResourceRecordSets({ HostedZoneId: lab.id });
    const at = (label: string) => sets.find(({ Name }) => Name === lab.name(label));
    const base = { Type: 'A', TTL: 300, ResourceRecords: [{ Value: '192.0.2.1' }] };
    expect(at('p0')).toEqual({ ...base, Name: lab.name('p0') });
    const own = { ...base, SetIdentifier: 'a' };
    expect(at('p1')).toEqual({ ...own, Name: lab.name('p1'), Weight: 1 });
    expect(at('p2')).toMatchObject({ ...own, Failover: 'PRIMARY' });
    expect(at('p3')).toEqual({ ...own, Name: lab.name('p3'), Region: 'us-east-1' });
    expect(at('p4')).toEqual({ ...own, Name: lab.name('p4'), GeoLocation: { CountryCode: '*' } });
    expect(at('p5')).toMatchObject({ ...own, GeoProximityLocation: { AWSRegion: 'us-east-1' } });
    expect(at('p6')).toMatchObject({ ...own, CidrRoutingConfig: { LocationName: '*' } });
    expect(at('p7')).toEqual({ ...own, Name: lab.name('p7'), MultiValueAnswer: true });
  });
});

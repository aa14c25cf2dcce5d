/** One name for servers around the world: by latency, place, distance and address, with sites in two Regions of which one is lost. */
import { type Change, type GeoProximityLocation, type ResourceRecordSet, Route53 } from '@aws-sdk/client-route-53';
import { EC2, type Instance } from '@aws-sdk/client-ec2';
import { ElasticLoadBalancingV2, type LoadBalancer } from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../support/cloud.ts';
import { fetchInside } from '../support/inside.ts';
import { agentAtEachBoot, Lab } from '../services/ec2/support.ts';
import { digRefused, ZoneLab } from '../services/route-53/support.ts';

const refusal = machinesRefused() ?? digRefused;
/** Fifty clients over the United States, from the Pacific to the Atlantic. */
const states = Array.from({ length: 50 }, (_, at) => ({
  cidr: `203.0.113.${at + 100}/32`,
  continent: 'NA',
  country: 'US',
  latitude: 33 + (at % 10) * 1.3,
  longitude: -123 + at,
}));
const places = [
  { cidr: '203.0.113.0/28', continent: 'EU', country: 'DE', latitude: 50.1, longitude: 8.7 },
  { cidr: '203.0.113.16/28', continent: 'EU', country: 'FR', latitude: 48.9, longitude: 2.4 },
  { cidr: '203.0.113.32/28', continent: 'EU', country: 'ES', latitude: 40.4, longitude: -3.7 },
  { cidr: '203.0.113.48/28', continent: 'NA', country: 'US', subdivision: 'VA', latitude: 38.9, longitude: -77.4 },
  ...states,
];
const from = { germany: '203.0.113.1', france: '203.0.113.17', spain: '203.0.113.33', virginia: '203.0.113.49' };
const interval = 10_000;
const threshold = 3;

let cloud: OwnCloud;
let zone: ZoneLab;
let east: Site;
let ireland: Site;
let third: Instance;

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  cloud = await startOwnCloud();
  await admin('POST', 'places', { places }, cloud.endpoint);
  zone = await new ZoneLab(cloud.endpoint).open();
  [east, ireland] = await Promise.all([openSite('us-east-1'), openSite('eu-west-1')]);
  third = await serverIn(east.lab, 'third');
}, 90_000);
afterAll(async () => void (await cloud?.stop()));

/** A load balancer in the default VPC of a Region, with one server. */
interface Site {
  lab: Lab;
  server: Instance;
  balancer: LoadBalancer;
}

async function serverIn(lab: Lab, page: string): Promise<Instance> {
  const server = await lab.launchAgent({}, agentAtEachBoot);
  await lab.run(server.PublicIpAddress!, `echo ${page} > /page`);
  return server;
}

async function openSite(region: string): Promise<Site> {
  const lab = new Lab(cloud.endpoint, zone.account);
  const config = { ...lab.account.config(), region };
  Object.assign(lab, { ec2: new EC2(config) });
  const elb = new ElasticLoadBalancingV2(config);
  const { Subnets = [] } = await new EC2(config).describeSubnets({});
  const { SecurityGroups = [] } = await new EC2(config).describeSecurityGroups({});
  await lab.allow(SecurityGroups[0]!.GroupId!, 'tcp', 80, 80, '0.0.0.0/0');
  const made = await elb.createLoadBalancer({ Name: 'site', Subnets: Subnets.slice(0, 2).map(({ SubnetId }) => SubnetId!) });
  const { TargetGroups: [group] = [] } = await elb.createTargetGroup({
    Name: 'site',
    Protocol: 'HTTP',
    Port: 80,
    VpcId: Subnets[0]!.VpcId,
    HealthCheckPath: '/?true',
    HealthCheckIntervalSeconds: 5,
    HealthCheckTimeoutSeconds: 2,
    HealthyThresholdCount: 2,
  });
  const TargetGroupArn = group!.TargetGroupArn!;
  const balancer = made.LoadBalancers![0]!;
  const LoadBalancerArn = balancer.LoadBalancerArn!;
  const server = await serverIn(lab, region);
  await elb.registerTargets({ TargetGroupArn, Targets: [{ Id: server.InstanceId! }] });
  await elb.createListener({
    ...{ LoadBalancerArn, Protocol: 'HTTP', Port: 80 },
    DefaultActions: [{ Type: 'forward', TargetGroupArn }],
  });
  await eventually(
    async () => {
      const { TargetHealthDescriptions = [] } = await elb.describeTargetHealth({ TargetGroupArn });
      expect(TargetHealthDescriptions[0]?.TargetHealth?.State).toBe('healthy');
    },
    { timeoutMs: 40_000, why: `the site of ${region} is up` },
  );
  return { lab, server, balancer };
}

/** The address that clients of a place get. */
const address = async (label: string, client: string, bits = 32): Promise<string> =>
  (await zone.dig(label, 'A', `+subnet=${client}/${bits}`)).answer[0]?.data ?? 'none';
/** The page that they see. */
async function page(label: string, client: string, bits = 32): Promise<string> {
  const answer = await fetchInside(await address(label, client, bits), 80, '/?cat%20/page', cloud.endpoint);
  return typeof answer === 'string' ? answer : `${answer.status} ${answer.body.trim()}`;
}
const set = (label: string, id: string, value: string, more: Partial<ResourceRecordSet>) =>
  zone.record(label, 'A', [value], { SetIdentifier: id, ...more });
const alias = (label: string, id: string, { balancer }: Site, more: Partial<ResourceRecordSet>): ResourceRecordSet => ({
  ...{ Name: zone.name(label), Type: 'A', SetIdentifier: id },
  AliasTarget: { HostedZoneId: balancer.CanonicalHostedZoneId, DNSName: balancer.DNSName, EvaluateTargetHealth: false },
  ...more,
});

/** A check of a site's load balancer by its name. */
async function check({ balancer }: Site, reference: string): Promise<string> {
  const made = await zone.client.createHealthCheck({
    CallerReference: reference,
    HealthCheckConfig: {
      Type: 'HTTP',
      FullyQualifiedDomainName: balancer.DNSName,
      ResourcePath: '/?true',
      RequestInterval: interval / 1000,
      FailureThreshold: threshold,
      Regions: ['us-west-2', 'eu-west-1', 'sa-east-1'],
    },
  });
  return made.HealthCheck!.Id!;
}

/** Cloud time passes, one round of checks after another, until it is so; how long that took. */
async function until(most: number, so: () => Promise<void>): Promise<number> {
  for (let passed = 0; ; passed += interval) {
    try {
      await so();
      return passed;
    } catch (failure) {
      if (passed >= most) throw failure;
      await advanceClock(cloud.endpoint, interval);
    }
  }
}

test('SCN-048 latency records with checks lead to the nearest of two Regions, and away from one whose servers are gone', async () => {
  const [one, two] = [await check(east, 'east'), await check(ireland, 'ireland')];
  await zone.put(
    alias('near', 'east', east, { Region: 'us-east-1', HealthCheckId: one }),
    alias('near', 'ireland', ireland, { Region: 'eu-west-1', HealthCheckId: two }),
  );
  const both = async () => [await page('near', from.virginia), await page('near', from.germany)];
  await until(60_000, async () => expect(await both()).toEqual(['200 us-east-1', '200 eu-west-1']));
  const ids = { InstanceIds: [east.server.InstanceId!] };
  await (east.lab.ec2 as EC2).stopInstances(ids);
  await east.lab.inState(ids.InstanceIds[0]!, 'stopped');
  const ttl = 60_000;
  await until(threshold * interval + ttl, async () => expect(await both()).toEqual(['200 eu-west-1', '200 eu-west-1']));
  await (east.lab.ec2 as EC2).startInstances(ids);
  const back = await east.lab.inState(ids.InstanceIds[0]!, 'running');
  await east.lab.answers(back.PublicIpAddress!);
  await until(120_000, async () => expect(await both()).toEqual(['200 us-east-1', '200 eu-west-1']));
}, 90_000);

test('SCN-049 visitors from Germany, France and elsewhere see pages of their own', async () => {
  const [german, french, english] = [east.lab, ireland.lab, east.lab];
  const addresses = await Promise.all(
    [east, ireland].map(async ({ lab, server }) => (await lab.instance(server.InstanceId!)).PublicIpAddress!),
  );
  const all = [...addresses, third.PublicIpAddress!];
  const words = ['Guten Tag', 'Bonjour', 'Hello'];
  for (const [at, lab] of [german, french, english].entries())
    await lab.run(all[at]!, `cp /page /kept; echo ${words[at]} > /page`);
  await zone.put(
    set('geo', 'de', all[0]!, { GeoLocation: { CountryCode: 'DE' } }),
    set('geo', 'fr', all[1]!, { GeoLocation: { CountryCode: 'FR' } }),
    set('geo', 'rest', all[2]!, { GeoLocation: { CountryCode: '*' } }),
  );
  const seen = await Promise.all([from.germany, from.france, from.spain].map((client) => page('geo', client)));
  expect(seen).toEqual(words.map((word) => `200 ${word}`));
  for (const [at, lab] of [german, french, english].entries()) await lab.run(all[at]!, 'mv /kept /page');
});

test('SCN-050 a bias moves the line between two Regions across the country', async () => {
  const near = (AWSRegion: string, Bias: number): { GeoProximityLocation: GeoProximityLocation } => ({
    GeoProximityLocation: { AWSRegion, Bias },
  });
  const eastern = async (bias: number): Promise<number[]> => {
    await zone.put(set('line', 'w', '192.0.2.1', near('us-west-1', 0)), set('line', 'e', '192.0.2.2', near('us-east-1', bias)));
    const seen = await Promise.all(states.map(({ cidr }) => address('line', cidr.split('/')[0]!)));
    return states.flatMap(({ longitude }, at) => (seen[at] === '192.0.2.2' ? [longitude] : []));
  };
  const even = await eastern(0);
  expect(even.length).toBeGreaterThan(20);
  expect(even.length).toBeLessThan(32);
  const west = states.map(({ longitude }) => longitude).filter((longitude) => !even.includes(longitude));
  expect(Math.max(...west)).toBeLessThan(Math.min(...even) + 3);
  const moved = await eastern(50);
  expect(moved).toEqual(expect.arrayContaining(even));
  expect(moved.length).toBeGreaterThan(even.length + 3);
  expect(Math.min(...moved)).toBeLessThan(Math.min(...even));
});

test('SCN-051 clients of two blocks of addresses reach the server of their block', async () => {
  const route53 = new Route53(zone.account.config());
  const { Collection } = await route53.createCidrCollection({ Name: 'offices', CallerReference: 'offices' });
  const CollectionId = Collection!.Id!;
  await route53.changeCidrCollection({
    Id: CollectionId,
    Changes: [
      { LocationName: '1', Action: 'PUT', CidrList: ['203.0.113.0/24'] },
      { LocationName: '2', Action: 'PUT', CidrList: ['200.5.4.0/24'] },
    ],
  });
  const first = (await east.lab.instance(east.server.InstanceId!)).PublicIpAddress!;
  const second = third.PublicIpAddress!;
  const by = (LocationName: string) => ({ CidrRoutingConfig: { CollectionId, LocationName } });
  await zone.put(set('block', '1', first, by('1')), set('block', '2', second, by('2')));
  expect([await address('block', '203.0.113.0', 24), await address('block', '200.5.4.0', 24)]).toEqual([first, second]);
  expect([await page('block', '203.0.113.7'), await page('block', '200.5.4.9')]).toEqual(['200 us-east-1', '200 third']);
});

test('DR-009 failover records move visitors to the standing site when a Region is lost, with no record changed', async () => {
  const id = await check(east, 'primary');
  await zone.put(
    alias('app', 'a', east, { Failover: 'PRIMARY', HealthCheckId: id }),
    alias('app', 'b', ireland, { Failover: 'SECONDARY' }),
  );
  await until(60_000, async () => expect(await page('app', from.virginia)).toBe('200 us-east-1'));
  const records = async (): Promise<Change['ResourceRecordSet'][]> =>
    (await zone.client.listResourceRecordSets({ HostedZoneId: zone.id })).ResourceRecordSets ?? [];
  const before = await records();
  await admin('POST', 'chaos/region', { region: 'us-east-1', down: true }, cloud.endpoint);
  const ttl = 60_000;
  const passed = await until(threshold * interval + ttl, async () => {
    for (const client of Object.values(from)) expect(await page('app', client)).toBe('200 eu-west-1');
  });
  expect(passed).toBeGreaterThanOrEqual((threshold - 1) * interval);
  console.log(`visitors reached the other Region after ${passed / 1000} s of cloud time`);
  await admin('POST', 'chaos/region', { region: 'us-east-1', down: false }, cloud.endpoint);
  expect(await records()).toEqual(before);
  await until(180_000, async () => expect(await page('app', from.virginia)).toBe('200 us-east-1'));
}, 90_000);

/** Aliases to load balancers and to records of the zone, over real DNS; and what no alias may point at. */
import {
  DeregisterTargetsCommand,
  DescribeListenersCommand,
  type LoadBalancer,
  ModifyListenerCommand,
  SetSubnetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { ResourceRecordSet, RRType } from '@aws-sdk/client-route-53';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Site } from '../elastic-load-balancing-v2/support.ts';
import { usageOf } from '../cost-explorer/support.ts';
import { askMany } from './many.ts';
import { digRefused, ZoneLab } from './support.ts';

const cloudFront = { HostedZoneId: 'Z2FDTNDATAQYW2', DNSName: 'd111111abcdef8.cloudfront.net' };

describe('aliases', () => {
  let cloud: OwnCloud;
  let site: Site;
  let zone: ZoneLab;
  let web: LoadBalancer;
  let spare: LoadBalancer;
  let webGroup: string;
  let server: string;

  beforeEach((context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    context.skip(digRefused !== undefined, digRefused);
  });
  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud({ args: [] });
    site = new Site(cloud.endpoint, cloud.data);
    zone = await new ZoneLab(cloud.endpoint).open();
    await site.build('10.81');
    server = await site.server('one');
    webGroup = await site.group('web', {}, [server]);
    const spareGroup = await site.group('spare', {}, [server]);
    [web, spare] = (await Promise.all([site.balancer('web'), site.balancer('spare')])) as [LoadBalancer, LoadBalancer];
    await site.forward(web.LoadBalancerArn!, webGroup);
    await site.forward(spare.LoadBalancerArn!, spareGroup);
    await site.all(webGroup, 'healthy');
    await site.all(spareGroup, 'healthy');
  }, 120_000);
  afterAll(async () => void (await cloud?.stop()));

  const to = ({ CanonicalHostedZoneId, DNSName }: LoadBalancer, EvaluateTargetHealth = false) => ({
    HostedZoneId: CanonicalHostedZoneId,
    DNSName,
    EvaluateTargetHealth,
  });
  const own = (label: string) => ({ HostedZoneId: zone.id, DNSName: zone.name(label), EvaluateTargetHealth: false });
  const alias = (
    label: string,
    AliasTarget: NonNullable<ResourceRecordSet['AliasTarget']>,
    more: Partial<ResourceRecordSet> = {},
  ): ResourceRecordSet => ({ Name: zone.name(label), Type: 'A', AliasTarget, ...more });
  const create = (...sets: ResourceRecordSet[]) =>
    zone.change(...sets.map((ResourceRecordSet) => ({ Action: 'CREATE' as const, ResourceRecordSet })));
  const nodes = async (balancer: LoadBalancer) => Object.values(await site.nodes(balancer.LoadBalancerArn!)).sort();
  const seen = async (label: string) => (await zone.dig(label)).answer.map(({ data }) => data).sort();

  test('R53-024 an alias, at the apex too, is answered as plain A records of the load balancer', async () => {
    await zone.put(alias('', to(web)), alias('app', to(web)));
    for (const label of ['', 'app']) {
      const { answer, text } = await zone.dig(label);
      expect([answer.map(({ data }) => data).sort(), new Set(answer.map(({ name, type }) => `${name} ${type}`)).size]).toEqual([
        await nodes(web),
        1,
      ]);
      expect([answer[0]?.name, answer[0]?.type, text.includes('CNAME')]).toEqual([zone.name(label), 'A', false]);
    }
  });

  test('R53-019 records need a TTL, aliases have none and take 60 seconds from a load balancer', async () => {
    const { TTL: _none, ...bare } = zone.record('ttl', 'A', ['192.0.2.1']);
    await refused(create(bare), 'InvalidInput', /Expected exactly one of \[AliasTarget, all of \[TTL, and ResourceRecords\]/);
    await refused(create(alias('ttl', to(web), { TTL: 30 })), 'InvalidInput', /but found more than one in Change/);
    await zone.put(alias('ttl', to(web)));
    expect((await zone.dig('ttl')).answer.map(({ ttl }) => ttl)).toEqual([60, 60]);
  });

  test('an alias has its target’s type: A and AAAA of a load balancer, any type of a record of the zone', async () => {
    for (const Type of ['TXT', 'CNAME'] as RRType[])
      await refused(create(alias('t', to(web), { Type })), 'InvalidChangeBatch', /but that target was not found\]/);
    await zone.put(
      alias('t', to(web)),
      alias('t', to(web), { Type: 'AAAA' }),
      zone.record('words', 'TXT', ['"hello"']),
      alias('same', own('words'), { Type: 'TXT' }),
    );
    expect((await zone.dig('same', 'TXT')).answer[0]?.data).toBe('"hello"');
    await refused(create(alias('other', own('words'))), 'InvalidChangeBatch', /but that target was not found\]/);
  });

  test('R53-027 an alias follows the addresses behind its target without any change of records', async () => {
    const LoadBalancerArn = spare.LoadBalancerArn!;
    await zone.put(alias('follow', to(spare)));
    const both = await nodes(spare);
    expect(await seen('follow')).toEqual(both);
    const sets = () => zone.client.listResourceRecordSets({ HostedZoneId: zone.id });
    const before = (await sets()).ResourceRecordSets;
    const third = await site.lab.subnet(site.network.vpcId, '10.81.3.0/24', 'us-east-1c', true);
    await site.elb.send(new SetSubnetsCommand({ LoadBalancerArn, Subnets: [...site.subnets, third] }));
    await eventually(async () => expect(await seen('follow')).toHaveLength(3), { why: 'the third zone is answered' });
    await site.elb.send(new SetSubnetsCommand({ LoadBalancerArn, Subnets: site.subnets }));
    await eventually(async () => expect(await seen('follow')).toEqual(both), { why: 'the third zone is gone' });
    expect((await sets()).ResourceRecordSets).toEqual(before);
  });

  test('R53-028 weighted aliases take over the health of their targets', async () => {
    const weighted = (id: string, target: LoadBalancer) => alias('healthy', to(target, true), { SetIdentifier: id, Weight: 10 });
    await zone.put(weighted('web', web), weighted('spare', spare));
    const [one, two] = [await nodes(web), await nodes(spare)];
    const answered = async () => {
      const found = new Set<string>();
      for (let i = 0; i < 16; i += 1) for (const address of await seen('healthy')) found.add(address);
      return [...found].sort();
    };
    expect(await answered()).toEqual([...one, ...two].sort());
    // Its server fails its checks for one load balancer only: that group asks a port where nobody listens.
    await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: webGroup, Targets: [{ Id: server }] }));
    const dead = await site.group('dead', { Port: 9 }, [server]);
    const listener = (await site.elb.send(new DescribeListenersCommand({ LoadBalancerArn: web.LoadBalancerArn! })))
      .Listeners![0]!;
    await site.elb.send(
      new ModifyListenerCommand({
        ListenerArn: listener.ListenerArn!,
        DefaultActions: [{ Type: 'forward', TargetGroupArn: dead }],
      }),
    );
    await site.all(dead, 'unhealthy');
    expect(await answered()).toEqual(two);
    await refused(
      create(alias('cdn', { ...cloudFront, EvaluateTargetHealth: true })),
      'InvalidChangeBatch',
      '[EvaluateTargetHealth cannot be set to true when the alias target is a CloudFront distribution]',
    );
    await site.elb.send(
      new ModifyListenerCommand({
        ListenerArn: listener.ListenerArn!,
        DefaultActions: [{ Type: 'forward', TargetGroupArn: webGroup }],
      }),
    );
  }, 90_000);

  test('R53-029 queries for an alias of a load balancer stand on the bill free of charge, others are paid for', async () => {
    await zone.put(alias('free', to(web)), zone.record('paid', 'A', ['192.0.2.1']), alias('own', own('paid')));
    const before = await usageOf(zone.account);
    const count = (found: Awaited<ReturnType<typeof usageOf>>, key: string) => found.get(key)?.amount ?? 0;
    for (const label of ['free', 'paid', 'own']) await askMany(zone.port, zone.name(label), 1000);
    const after = await eventually(
      async () => {
        const found = await usageOf(zone.account);
        for (const [key, queries] of [
          ['DNS-Queries', 2000],
          ['Intra-AWS-DNS-Queries', 1000],
        ] as const)
          expect(count(found, key) - count(before, key)).toBeGreaterThanOrEqual(queries);
        return found;
      },
      { why: 'the queries are counted' },
    );
    const [paid, free] = [after.get('DNS-Queries')!, after.get('Intra-AWS-DNS-Queries')!];
    // What other tests asked before may have been told meanwhile.
    expect(paid.amount - count(before, 'DNS-Queries')).toBeLessThan(2100);
    expect(free.amount - count(before, 'Intra-AWS-DNS-Queries')).toBeLessThan(1100);
    expect([free.cost, paid.unit]).toEqual([0, 'Queries']);
    expect(paid.cost).toBeCloseTo(paid.amount * 4e-7, 8);
  });

  test('R53-035 a simple alias names one resource', async () => {
    await zone.put(alias('one', to(web)));
    await refused(create(alias('one', to(spare))), 'InvalidChangeBatch', /but it already exists\]$/);
    expect(await seen('one')).toEqual(await nodes(web));
    await refused(
      create(alias('one', to(spare), { SetIdentifier: 'second' })),
      'InvalidInput',
      /Expected exactly one of \[Weight, Region, Failover/,
    );
  });

  test('R53-031 an instance’s name is no alias target, but A and CNAME records may name it', async () => {
    const target = {
      HostedZoneId: 'Z1D633PJN98FT9',
      DNSName: 'ec2-198-18-1-7.compute-1.amazonaws.com',
      EvaluateTargetHealth: false,
    };
    await refused(
      create(alias('machine', target)),
      'InvalidChangeBatch',
      /but the alias target name does not lie within the target zone/,
    );
    await zone.put(zone.record('machine', 'A', ['198.18.1.7']), zone.record('name', 'CNAME', [target.DNSName]));
    expect((await zone.dig('machine')).answer[0]?.data).toBe('198.18.1.7');
    expect((await zone.dig('name', 'CNAME')).answer[0]?.data).toBe(`${target.DNSName}.`);
  });

  test('records of other zones, databases and strangers are no targets', async () => {
    const other = await new ZoneLab(cloud.endpoint).open();
    await other.put(other.record('www', 'A', ['192.0.2.9']));
    const bad: [string, string][] = [
      [other.id, other.name('www')],
      ['Z2R2ITUGPM61AM', 'db.abc123.us-east-1.rds.amazonaws.com'],
      [cloudFront.HostedZoneId, 'www.provider.example'],
      [zone.id, 'www.elsewhere.example'],
    ];
    for (const [HostedZoneId, DNSName] of bad)
      await refused(
        create(alias('bad', { HostedZoneId, DNSName, EvaluateTargetHealth: false })),
        'InvalidChangeBatch',
        /but the alias target name does not lie within the target zone/,
      );
  });
});

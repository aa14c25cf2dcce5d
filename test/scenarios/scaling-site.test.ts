/** A site of an Auto Scaling group in two zones behind a load balancer: it grows and shrinks, and outlives a server and a zone. */
import { ElasticLoadBalancingV2, type LoadBalancer } from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { admin, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../support/cloud.ts';
import { Scaling } from '../services/auto-scaling/support.ts';
import { base64 } from '../services/ec2/support.ts';
import { type Answer, connectInside, parseAnswer, readAll, Site } from '../services/elastic-load-balancing-v2/support.ts';
import { dig, digRefused } from '../services/route-53/support.ts';

const refusal = machinesRefused() ?? digRefused;
let cloud: OwnCloud;
let site: Site;
let scaling: Scaling;
let group: string;
let balancer: LoadBalancer;
let dnsPort: number;

/** How long a visitor waits for an answer. */
const patienceMillis = 2000;

/** Answers with the instance's id. */
const server = `#!/bin/bash
cat > /server.js <<'END'
const http = require('http');
const look = (path, headers, method, done) => http.request({ host: '169.254.169.254', path: '/latest/' + path, method, headers }, (answer) => {
  let text = '';
  answer.on('data', (part) => { text += part; }).on('end', () => done(text));
}).end();
look('api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }, 'PUT', (token) =>
  look('meta-data/instance-id', { 'x-aws-ec2-metadata-token': token }, 'GET', (id) =>
    http.createServer((request, response) => response.end(id)).listen(80, '0.0.0.0')));
END
node /server.js > /dev/null 2>&1 &
`;

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  cloud = await startOwnCloud();
  ({ dnsPort } = (await admin('GET', 'health', undefined, cloud.endpoint)) as { dnsPort: number });
  site = new Site(cloud.endpoint, cloud.data);
  scaling = new Scaling(cloud.endpoint, site.lab.account);
  await site.build('10.91');
  group = await site.group('web', { HealthCheckPath: '/', UnhealthyThresholdCount: 2 });
  await new ElasticLoadBalancingV2(site.lab.account.config()).modifyTargetGroupAttributes({
    TargetGroupArn: group,
    Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '1' }],
  });
  await scaling.template({ UserData: base64(server), SecurityGroupIds: [site.serverGroup] });
  const made = scaling.group({
    AvailabilityZones: undefined,
    VPCZoneIdentifier: site.subnets.join(),
    MinSize: 1,
    DesiredCapacity: 1,
    TargetGroupARNs: [group],
    HealthCheckType: 'ELB',
    HealthCheckGracePeriod: 0,
  });
  [balancer] = await Promise.all([site.balancer('web'), made]);
  await site.forward(balancer.LoadBalancerArn!, group);
  await whole(1);
}, 90_000);
afterAll(async () => void (await cloud?.stop()));

/** Waits until so many servers are in service, and all targets healthy. */
async function whole(count: number): Promise<void> {
  await scaling.settled(count);
  await eventually(
    async () => expect(Object.values(await site.health(group))).toEqual(Array.from({ length: count }, () => 'healthy')),
    {
      timeoutMs: 40_000,
      why: `${count} servers are healthy`,
    },
  );
}

/** Scales by hand. */
async function scale(count: number): Promise<void> {
  await scaling.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: count });
  await whole(count);
}

/** Who answers, over all addresses that the load balancer's name has now; undefined for an error. */
async function visit(turn: number): Promise<string | undefined> {
  const addresses = (await dig(dnsPort, balancer.DNSName!)).answer.map(({ data }) => data).sort();
  const ask = async (): Promise<Answer> => {
    const socket = await connectInside(addresses[turn % addresses.length]!, 80, cloud.data);
    socket.write('GET / HTTP/1.1\r\nhost: site.example.com\r\nconnection: close\r\n\r\n');
    return parseAnswer(await readAll(socket, undefined, patienceMillis));
  };
  const answer = await ask().catch(() => undefined);
  return answer?.status === 200 ? answer.body : undefined;
}

async function visits(count: number): Promise<(string | undefined)[]> {
  const seen: (string | undefined)[] = [];
  for (let turn = 0; turn < count; turn += 1) seen.push(await visit(turn));
  return seen;
}

const ids = async () => (await scaling.show()).Instances!.map(({ InstanceId }) => InstanceId!).sort();
const distinct = (seen: readonly (string | undefined)[]) => [...new Set(seen)].sort();

test('SCN-001 one, three and again one server answer behind one name', async () => {
  expect(distinct(await visits(10))).toEqual(await ids());
  await scale(3);
  const three = await ids();
  expect(three).toHaveLength(3);
  expect(distinct(await visits(24))).toEqual(three);
  await scale(1);
  const one = await ids();
  expect(three).toContain(one[0]);
  expect(distinct(await visits(10))).toEqual(one);
}, 60_000);

test('SCN-002 DR-010 a server and then a zone is lost: a few errors at most, then the rest answers, and capacity comes back', async () => {
  await scale(2);
  const before = (await scaling.show()).Instances!;
  expect(before.map(({ AvailabilityZone }) => AvailabilityZone).sort()).toEqual(['us-east-1a', 'us-east-1b']);
  const seen: (string | undefined)[] = [];
  let looping = true;
  const loop = (async () => {
    for (let turn = 0; looping; turn += 1) {
      seen.push(await visit(turn));
    }
  })();
  try {
    // One server stands still: its machine is there and answers nothing.
    const dead = before[0]!.InstanceId!;
    await admin('POST', 'chaos/instance', { instance: dead, down: true }, cloud.endpoint);
    await eventually(async () => expect(await site.health(group)).not.toMatchObject({ [`${dead}:80`]: 'healthy' }), {
      timeoutMs: 40_000,
      why: 'the dead server is noticed',
    });
    const noticed = seen.length;
    await eventually(() => expect(seen.length).toBeGreaterThan(noticed + 20), { timeoutMs: 30_000, why: 'twenty more visits' });
    expect(seen.slice(noticed + 1, noticed + 20).filter((who) => who === undefined || who === dead)).toEqual([]);
    await whole(2);

    const [lost] = (await scaling.show()).Instances!;
    const zone = lost!.AvailabilityZone!;
    const at = seen.length;
    await admin('POST', 'chaos/zone', { zone, down: true }, cloud.endpoint);
    await eventually(
      async () => {
        const { Instances = [] } = await scaling.show();
        expect(Instances.map(({ LifecycleState }) => LifecycleState)).toEqual(['InService', 'InService']);
        expect(Instances.map(({ AvailabilityZone }) => AvailabilityZone)).not.toContain(zone);
      },
      { timeoutMs: 60_000, why: 'the other zone carries all' },
    );
    await whole(2);
    const end = seen.length;
    await eventually(() => expect(seen.length).toBeGreaterThan(end + 20), { timeoutMs: 30_000, why: 'twenty more visits' });
    expect(seen.slice(end).includes(undefined)).toBe(false);
    expect(distinct(seen.slice(end + 1))).toEqual(await ids());
    const errors = seen.filter((who) => who === undefined).length;
    expect(errors).toBeLessThan(15);
    console.log(
      `${errors} of ${seen.length} visits failed; ${seen.slice(at).filter((who) => who === undefined).length} for the zone`,
    );
  } finally {
    looping = false;
    await loop;
  }
}, 150_000);

/** A shop in three zones behind a load balancer, and where its carts live: in memory, with stickiness, in cookies, in a table. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { ElasticLoadBalancingV2, type LoadBalancer } from '@aws-sdk/client-elastic-load-balancing-v2';
import { IAM } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../support/cloud.ts';
import { Scaling } from '../services/auto-scaling/support.ts';
import { base64 } from '../services/ec2/support.ts';
import { type Answer, get, Site } from '../services/elastic-load-balancing-v2/support.ts';
import { shopScript } from './shop-server.ts';

const run = promisify(execFile);
const refusal = machinesRefused();
let cloud: OwnCloud;
let site: Site;
let scaling: Scaling;
let balancer: LoadBalancer;
let group: string;
let elb: ElasticLoadBalancingV2;
let database: DynamoDB;
let nodes: string[];

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  cloud = await startOwnCloud();
  site = new Site(cloud.endpoint, cloud.data);
  const { account } = site.lab;
  scaling = new Scaling(cloud.endpoint, account);
  elb = new ElasticLoadBalancingV2(account.config());
  database = new DynamoDB(account.config());
  await Promise.all([site.build('10.90'), makeRole(new IAM(account.config())), makeTable()]);
  site.subnets.push(await site.lab.subnet(site.network.vpcId, '10.90.3.0/24', 'us-east-1c', true));
  group = await site.group('shop', { HealthCheckPath: '/' });
  await elb.modifyTargetGroupAttributes({
    TargetGroupArn: group,
    Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '1' }],
  });
  [balancer] = await Promise.all([site.balancer('shop'), makeGroup()]);
  await site.forward(balancer.LoadBalancerArn!, group);
  nodes = Object.values(await site.nodes(balancer.LoadBalancerArn!));
  await whole();
}, 90_000);
afterAll(async () => void (await cloud?.stop()));

async function makeRole(iam: IAM): Promise<void> {
  const trust = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const may = { Effect: 'Allow', Action: ['dynamodb:GetItem', 'dynamodb:PutItem'], Resource: '*' };
  const document = (Statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [Statement] });
  await iam.createRole({ RoleName: 'shop', AssumeRolePolicyDocument: document(trust) });
  await iam.putRolePolicy({ RoleName: 'shop', PolicyName: 'sessions', PolicyDocument: document(may) });
  await iam.createInstanceProfile({ InstanceProfileName: 'shop' });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: 'shop', RoleName: 'shop' });
}

async function makeTable(): Promise<void> {
  await database.createTable({
    TableName: 'sessions',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
  });
  await eventually(
    async () => expect((await database.describeTable({ TableName: 'sessions' })).Table?.TableStatus).toBe('ACTIVE'),
    { why: 'the table is there' },
  );
  const TimeToLiveSpecification = { Enabled: true, AttributeName: 'expires' };
  await database.updateTimeToLive({ TableName: 'sessions', TimeToLiveSpecification });
}

async function makeGroup(): Promise<void> {
  await scaling.template({
    UserData: base64(shopScript),
    SecurityGroupIds: [site.serverGroup],
    IamInstanceProfile: { Name: 'shop' },
  });
  await scaling.group({
    AvailabilityZones: undefined,
    VPCZoneIdentifier: site.subnets.join(),
    MinSize: 3,
    MaxSize: 4,
    DesiredCapacity: 3,
    TargetGroupARNs: [group],
  });
}

interface Shown {
  who: string;
  cart: string[];
  answer: Answer;
}

/** A client with a jar of cookies, which it sends and takes as a browser does, and load balancer nodes in turn. */
class Visitor {
  readonly jar = new Map<string, string>();
  #turn = 0;

  constructor(cookies: Readonly<Record<string, string>> = {}) {
    for (const [name, value] of Object.entries(cookies)) this.jar.set(name, value);
  }

  async ask(method: 'GET' | 'POST', target: string): Promise<Shown> {
    this.#turn += 1;
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers: Record<string, string> = cookie === '' ? {} : { cookie };
    const answer = await get(nodes[this.#turn % nodes.length]!, target, { method, headers, data: cloud.data });
    for (const line of answer.cookies) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=');
      this.jar.set(name, value);
    }
    if (answer.status !== 200) return { who: '', cart: [], answer };
    return { ...(JSON.parse(answer.body) as Omit<Shown, 'answer'>), answer };
  }

  add(kind: string, item: string): Promise<Shown> {
    return this.ask('POST', `/${kind}/cart?${item}`);
  }

  async show(kind: string, times: number): Promise<Shown[]> {
    const shown: Shown[] = [];
    for (let count = 0; count < times; count += 1) shown.push(await this.ask('GET', `/${kind}/cart`));
    return shown;
  }
}

const servers = (shown: readonly Shown[]) => new Set(shown.map(({ who }) => who));
const stick = (Value: 'true' | 'false') =>
  elb.modifyTargetGroupAttributes({
    TargetGroupArn: group,
    Attributes: [
      { Key: 'stickiness.enabled', Value },
      { Key: 'stickiness.type', Value: 'lb_cookie' },
    ],
  });
/** Ends an instance; the group brings another. */
const end = (InstanceId: string) =>
  scaling.asg.terminateInstanceInAutoScalingGroup({ InstanceId, ShouldDecrementDesiredCapacity: false });
const whole = async (): Promise<void> => {
  await scaling.settled(3);
  await eventually(async () => expect(Object.values(await site.health(group))).toEqual(['healthy', 'healthy', 'healthy']), {
    timeoutMs: 30_000,
    why: 'three servers are healthy',
  });
};

test('SCN-019 a cart in the memory of one of three servers is missing on the others', async () => {
  const visitor = new Visitor({ user: 'ann' });
  expect((await visitor.add('memory', 'tea')).cart).toEqual(['tea']);
  const shown = await visitor.show('memory', 10);
  expect(servers(shown).size).toBe(3);
  expect(shown.some(({ cart }) => cart.length === 0)).toBe(true);
  const zones = (await scaling.show()).Instances?.map(({ AvailabilityZone }) => AvailabilityZone).sort();
  expect(zones).toEqual(['us-east-1a', 'us-east-1b', 'us-east-1c']);
});

test('SCN-020 SCN-021 with stickiness a visitor stays on the server that has the cart, until it ends', async () => {
  await stick('true');
  const visitor = new Visitor({ user: 'bea' });
  const first = await eventually(
    async () => {
      const shown = await visitor.add('memory', 'tea');
      expect(shown.answer.cookies.join()).toMatch(/AWSALB=[^;]+/);
      return shown;
    },
    { why: 'the load balancer knows of the stickiness' },
  );
  const later = await visitor.show('memory', 20);
  expect([...servers(later)]).toEqual([first.who]);
  expect(later.every(({ cart }) => cart.includes('tea'))).toBe(true);
  const strangers: Shown[] = [];
  for (let count = 0; count < 20; count += 1) strangers.push(await new Visitor({ user: 'bea' }).ask('GET', '/memory/cart'));
  expect(servers(strangers).size).toBe(3);

  const before = visitor.jar.get('AWSALB');
  await scaling.ec2.terminateInstances({ InstanceIds: [first.who] });
  const lost = await eventually(
    async () => {
      const shown = await visitor.ask('GET', '/memory/cart');
      expect([shown.answer.status, shown.who === first.who]).toEqual([200, false]);
      return shown;
    },
    { timeoutMs: 40_000, why: 'another server answers' },
  );
  expect(lost.cart).toEqual([]);
  expect(lost.answer.cookies.join()).toMatch(/AWSALB=[^;]+/);
  expect(visitor.jar.get('AWSALB')).not.toBe(before);
  expect([...servers(await visitor.show('memory', 10))]).toEqual([lost.who]);
  await stick('false');
  await whole();
}, 90_000);

test('SCN-022 a cart in a cookie is whole on every server, also when one ends', async () => {
  const visitor = new Visitor();
  const items = ['tea', 'cup', 'spoon'];
  for (const item of items) await visitor.add('cookie', item);
  const shown = await visitor.show('cookie', 6);
  await end(shown[0]!.who);
  for (let count = 0; count < 14; count += 1) shown.push(...(await visitor.show('cookie', 1)));
  expect(shown.map(({ cart }) => cart)).toEqual(Array.from({ length: 20 }, () => items));
  expect(servers(shown).size).toBeGreaterThanOrEqual(3);
  await whole();
}, 60_000);

test('SCN-023 carts in cookies are heavy, end at 4 KB, and are to be checked', async (context) => {
  const curl = await run('curl', ['--version']).then(
    () => undefined,
    () => 'needs curl',
  );
  context.skip(curl !== undefined, curl);
  const folder = await mkdtemp(path.join(tmpdir(), 'pilvi-shop-'));
  try {
    const jar = path.join(folder, 'jar');
    // The name under .localhost leads to the load balancer from the host.
    const url = `http://${balancer.DNSName}:${new URL(cloud.endpoint).port}/open/cart`;
    const sizes: number[] = [];
    const seen: number[] = [];
    for (let count = 0; count < 14; count += 1) {
      const item = `${count}-${'x'.repeat(300)}`;
      const words = ['-s', '-c', jar, '-b', jar, '-X', 'POST', '-w', '\n%{size_request}', `${url}?${item}`];
      const [body = '', size = ''] = (await run('curl', words)).stdout.split('\n');
      seen.push((JSON.parse(body) as Shown).cart.length);
      sizes.push(Number(size));
    }
    // Each item makes the next request heavier, until the jar drops a cookie above 4,096 bytes: the cart then stays as it is.
    const full = seen.indexOf(Math.max(...seen));
    expect(full).toBeLessThan(12);
    expect(seen.slice(0, full + 1)).toEqual(Array.from({ length: full + 1 }, (_, at) => at + 1));
    expect(new Set(seen.slice(full)).size).toBe(1);
    for (let at = 1; at <= full; at += 1) expect(sizes[at]!).toBeGreaterThan(sizes[at - 1]!);
    expect(Math.max(...sizes)).toBeLessThan(4096 + 700);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const heavy = new Visitor({ cart: 'x'.repeat(20_000) });
  expect((await heavy.ask('GET', '/open/cart')).answer.status).toBe(400);

  const dear = Buffer.from(JSON.stringify(['a car'])).toString('base64url');
  expect((await new Visitor({ cart: dear }).ask('GET', '/open/cart')).cart).toEqual(['a car']);
  const visitor = new Visitor();
  await visitor.add('cookie', 'tea');
  const signature = visitor.jar.get('cart')!.split('.')[1]!;
  const forged = await new Visitor({ cart: `${dear}.${signature}` }).ask('GET', '/cookie/cart');
  expect(forged.answer.status).toBe(400);
  expect(forged.answer.body).toContain('The cart was altered.');
}, 30_000);

test('SCN-026 sessions in a table outlive the servers, and end when their time is over', async () => {
  const visitor = new Visitor();
  await visitor.add('table', 'tea');
  await visitor.add('table', 'cup');
  const session = visitor.jar.get('session')!;
  expect(session).toMatch(/^[0-9a-f-]{36}$/);
  const before = await visitor.show('table', 6);
  expect(servers(before).size).toBe(3);
  const gone = (await scaling.show()).Instances!.map(({ InstanceId }) => InstanceId!);
  await scaling.asg.startInstanceRefresh({
    AutoScalingGroupName: 'web',
    Preferences: { MinHealthyPercentage: 0, InstanceWarmup: 0 },
  });
  await eventually(
    async () => {
      const now = (await scaling.show()).Instances!;
      expect(now.map(({ LifecycleState }) => LifecycleState)).toEqual(['InService', 'InService', 'InService']);
      expect(now.some(({ InstanceId }) => gone.includes(InstanceId!))).toBe(false);
    },
    { timeoutMs: 60_000, why: 'all servers are new' },
  );
  await whole();
  const after = await visitor.show('table', 6);
  expect([...before, ...after].map(({ cart }) => cart)).toEqual(Array.from({ length: 12 }, () => ['tea', 'cup']));
  expect([...servers(after)].some((who) => gone.includes(who))).toBe(false);
  expect((await new Visitor({ session: 'made-up' }).ask('GET', '/table/cart')).cart).toEqual([]);

  await advanceClock(cloud.endpoint, 49 * 3_600_000);
  await eventually(
    async () => expect((await database.getItem({ TableName: 'sessions', Key: { id: { S: session } } })).Item).toBeUndefined(),
    { why: 'the session has expired' },
  );
  expect((await visitor.show('table', 1))[0]!.cart).toEqual([]);
}, 120_000);

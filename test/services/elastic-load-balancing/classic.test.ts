/** Classic Load Balancers as their clients meet them. */
import { ACMClient, DeleteCertificateCommand, ImportCertificateCommand } from '@aws-sdk/client-acm';
import { DescribeNetworkInterfacesCommand, DescribeVpcsCommand } from '@aws-sdk/client-ec2';
import { ElasticLoadBalancing, type Listener } from '@aws-sdk/client-elastic-load-balancing';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { connectInside, echo, get, parseAnswer, raw, readAll, Site } from '../elastic-load-balancing-v2/support.ts';
import { makePair, opensslRefused, presented, shake } from '../elastic-load-balancing-v2/tls.ts';
import { nextBytes } from '../elastic-load-balancing-v2/websocket.ts';

const site = new Site();
const elb = new ElasticLoadBalancing(site.lab.account.config());
const name = 'classic';
let servers: string[] = [];
let node = '';
const certificates: string[] = [];
const http = (LoadBalancerPort: number, more: Partial<Listener> = {}): Listener => ({
  ...{ Protocol: 'HTTP', LoadBalancerPort, InstancePort: 80, ...more },
});

beforeEach((context) => context.skip((machinesRefused() ?? opensslRefused) !== undefined, machinesRefused() ?? opensslRefused));

const nodesOf = async (balancer: string): Promise<Record<string, string>> => {
  const found = await site.lab.ec2.send(
    new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'description', Values: [`ELB ${balancer}`] }] }),
  );
  return Object.fromEntries(found.NetworkInterfaces!.map((card) => [card.AvailabilityZone!, card.Association?.PublicIp ?? '']));
};
const create = (LoadBalancerName: string, Listeners: Listener[]) =>
  elb.createLoadBalancer({ LoadBalancerName, Listeners, Subnets: site.subnets, SecurityGroups: [site.balancerGroup] });
const health = async (balancer: string): Promise<Record<string, string>> => {
  const { InstanceStates } = await elb.describeInstanceHealth({ LoadBalancerName: balancer });
  return Object.fromEntries(InstanceStates!.map(({ InstanceId, State }) => [InstanceId!, State!]));
};
/** Makes a load balancer with quick checks over instances, and waits for them; resolves with a node. */
async function serving(balancer: string, Listeners: Listener[], instances: string[]): Promise<string> {
  await create(balancer, Listeners);
  await elb.configureHealthCheck({
    LoadBalancerName: balancer,
    HealthCheck: { Target: 'HTTP:80/health', Interval: 5, Timeout: 2, UnhealthyThreshold: 2, HealthyThreshold: 2 },
  });
  await elb.registerInstancesWithLoadBalancer({
    LoadBalancerName: balancer,
    Instances: instances.map((InstanceId) => ({ InstanceId })),
  });
  await eventually(async () => expect(new Set(Object.values(await health(balancer)))).toEqual(new Set(['InService'])), {
    why: 'all are in service',
    timeoutMs: 30_000,
  });
  const address = (await nodesOf(balancer))['us-east-1a']!;
  const port = Listeners[0]!.LoadBalancerPort!;
  await eventually(async () => expect((await get(address, '/', { port })).status).toBe(200), { why: `${balancer} serves` });
  return address;
}

beforeAll(async () => {
  if ((machinesRefused() ?? opensslRefused) !== undefined) return;
  await site.build('10.12');
  servers = await Promise.all([site.server('a', 0), site.server('b', 0)]);
  const acm = new ACMClient(site.lab.account.config());
  for (const each of ['one.example.com', 'two.example.com']) {
    const { certificate, key } = makePair(each);
    const made = await acm.send(
      new ImportCertificateCommand({ Certificate: Buffer.from(certificate), PrivateKey: Buffer.from(key) }),
    );
    certificates.push(made.CertificateArn!);
  }
  node = await serving(
    name,
    [
      http(80),
      http(81, { Protocol: 'TCP' }),
      http(443, { Protocol: 'HTTPS', SSLCertificateId: certificates[0] }),
      http(444, { Protocol: 'SSL', InstanceProtocol: 'TCP', SSLCertificateId: certificates[0] }),
    ],
    servers,
  );
}, 120_000);

const names = async (port = 80, rounds = 12, headers: Record<string, string> = {}): Promise<string[]> => {
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round += 1) seen.add((await echo(node, `/any-${round}`, { port, headers })).name);
  return [...seen].sort();
};

test('CLB-001 CLB-002 CLB-004 HTTP, HTTPS, TCP and SSL reach the same instances in turn, whatever is asked', async () => {
  expect(await names(80)).toEqual(['a', 'b']);
  expect(await names(81)).toEqual(['a', 'b']);
  expect(await names(80, 12, { host: 'other.example.org' })).toEqual(['a', 'b']);
  for (const port of [443, 444]) {
    const seen = new Set<string>();
    for (let round = 0; round < 8; round += 1) {
      const socket = await shake(node, port);
      socket.write('GET / HTTP/1.1\r\nHost: x.example.com\r\nConnection: close\r\n\r\n');
      const got = JSON.parse(parseAnswer(await readAll(socket)).body) as { name: string; headers: Record<string, string> };
      expect(got.headers['x-forwarded-proto']).toBe(port === 443 ? 'https' : undefined);
      seen.add(got.name);
    }
    expect([...seen].sort()).toEqual(['a', 'b']);
  }
  expect((await echo(node, '/')).headers).toMatchObject({ 'x-forwarded-proto': 'http', 'x-forwarded-port': '80' });
  const { LoadBalancerDescriptions } = await elb.describeLoadBalancers({ LoadBalancerNames: [name] });
  expect(LoadBalancerDescriptions![0]).toMatchObject({
    ...{ LoadBalancerName: name, VPCId: site.network.vpcId, Scheme: 'internet-facing', Subnets: site.subnets },
    DNSName: expect.stringMatching(/^classic-\d+\.us-east-1\.elb\.localhost$/),
    HealthCheck: { Target: 'HTTP:80/health', Interval: 5, Timeout: 2, UnhealthyThreshold: 2, HealthyThreshold: 2 },
  });
  expect(LoadBalancerDescriptions![0]!.ListenerDescriptions!.map(({ Listener: each }) => each!.Protocol)).toEqual([
    ...['HTTP', 'TCP', 'HTTPS', 'SSL'],
  ]);
  await refused(create('udp', [http(53, { Protocol: 'UDP' })]), 'ValidationError', /must be one of: HTTP, HTTPS, TCP, SSL$/);
  await refused(create('mixed', [http(80, { InstanceProtocol: 'TCP' })]), 'InvalidConfigurationRequest');
  await refused(create(name, [http(80)]), 'DuplicateLoadBalancerName');
  await refused(
    elb.createLoadBalancerListeners({ LoadBalancerName: name, Listeners: [http(80, { InstancePort: 8080 })] }),
    'DuplicateListener',
  );
  await refused(
    elb.registerInstancesWithLoadBalancer({ LoadBalancerName: name, Instances: [{ InstanceId: 'i-1234567890abcdef0' }] }),
    'InvalidInstance',
    'Could not find EC2 instance i-1234567890abcdef0.',
  );
  await refused(
    elb.describeLoadBalancers({ LoadBalancerNames: ['none'] }),
    'LoadBalancerNotFound',
    "There is no ACTIVE Load Balancer named 'none'",
  );
  // Zones alone mean the default VPC.
  await elb.createLoadBalancer({ LoadBalancerName: 'zones', Listeners: [http(80)], AvailabilityZones: ['us-east-1a'] });
  const { Vpcs } = await site.lab.ec2.send(new DescribeVpcsCommand({ Filters: [{ Name: 'is-default', Values: ['true'] }] }));
  const zones = await elb.describeLoadBalancers({ LoadBalancerNames: ['zones'] });
  expect(zones.LoadBalancerDescriptions![0]).toMatchObject({ VPCId: Vpcs![0]!.VpcId, AvailabilityZones: ['us-east-1a'] });
  await elb.deleteLoadBalancer({ LoadBalancerName: 'zones' });
  await refused(elb.describeLoadBalancers({ LoadBalancerNames: ['zones'] }), 'LoadBalancerNotFound');
});

test('CLB-003 an instance that fails its checks is out of service until it passes again, and with none the answer is 503', async () => {
  const address = await serving('checked', [http(80)], [servers[0]!]);
  expect((await get(address, '/set?500')).status).toBe(200);
  await eventually(async () => expect(await health('checked')).toEqual({ [servers[0]!]: 'OutOfService' }), {
    why: 'it is out of service',
    timeoutMs: 30_000,
  });
  const { InstanceStates } = await elb.describeInstanceHealth({ LoadBalancerName: 'checked' });
  expect(InstanceStates![0]).toMatchObject({
    ReasonCode: 'Instance',
    Description: 'Instance has failed at least the UnhealthyThreshold number of health checks consecutively.',
  });
  await eventually(async () => expect((await get(address, '/')).status).toBe(503), { why: 'nobody answers' });
  await elb.configureHealthCheck({
    LoadBalancerName: 'checked',
    HealthCheck: { Target: 'TCP:80', Interval: 5, Timeout: 2, UnhealthyThreshold: 2, HealthyThreshold: 2 },
  });
  await eventually(async () => expect((await get(address, '/set?200')).status).toBe(200), {
    why: 'a check that it passes brings it back',
    timeoutMs: 30_000,
  });
  expect(await health('checked')).toEqual({ [servers[0]!]: 'InService' });
  await eventually(async () => expect(new Set(Object.values(await health(name)))).toEqual(new Set(['InService'])), {
    why: 'the other load balancer finds it well again too',
    timeoutMs: 30_000,
  });
}, 90_000);

test('CLB-005 a cookie named AWSELB keeps a client on one instance', async () => {
  await elb.createLBCookieStickinessPolicy({ LoadBalancerName: name, PolicyName: 'sticky', CookieExpirationPeriod: 60 });
  await refused(
    elb.setLoadBalancerPoliciesOfListener({ LoadBalancerName: name, LoadBalancerPort: 80, PolicyNames: ['none'] }),
    'PolicyNotFound',
  );
  await refused(
    elb.setLoadBalancerPoliciesOfListener({ LoadBalancerName: name, LoadBalancerPort: 81, PolicyNames: ['sticky'] }),
    'InvalidConfigurationRequest',
  );
  await elb.setLoadBalancerPoliciesOfListener({ LoadBalancerName: name, LoadBalancerPort: 80, PolicyNames: ['sticky'] });
  const first = await eventually(
    async () => {
      const answer = await get(node, '/');
      expect(answer.cookies.map((each) => each.split('=')[0])).toEqual(['AWSELB']);
      return answer;
    },
    { why: 'answers carry the cookie' },
  );
  const cookie = first.cookies[0]!.split(';')[0]!;
  expect(await names(80, 20, { cookie })).toEqual([(JSON.parse(first.body) as { name: string }).name]);
  await eventually(async () => expect(await names(80, 20)).toEqual(['a', 'b']), { why: 'without it both answer' });
  await elb.setLoadBalancerPoliciesOfListener({ LoadBalancerName: name, LoadBalancerPort: 80, PolicyNames: [] });
});

test('a cookie that follows the application’s own keeps a client on one instance while both come back', async () => {
  const follow = (CookieName: string, PolicyName = 'follows') =>
    elb.createAppCookieStickinessPolicy({ LoadBalancerName: name, PolicyName, CookieName });
  await refused(follow('bad name'), 'InvalidConfigurationRequest', "The cookie name 'bad name' is not valid");
  await refused(follow('AWSELB'), 'InvalidConfigurationRequest', "The cookie name 'AWSELB' is not valid");
  await follow('MYAPP');
  await refused(follow('OTHER'), 'DuplicatePolicyName', 'Policy already exists: follows');
  const [{ Policies } = {}] = (await elb.describeLoadBalancers({ LoadBalancerNames: [name] })).LoadBalancerDescriptions!;
  expect(Policies?.AppCookieStickinessPolicies).toEqual([{ PolicyName: 'follows', CookieName: 'MYAPP' }]);
  const onListener = (...PolicyNames: string[]) =>
    elb.setLoadBalancerPoliciesOfListener({ LoadBalancerName: name, LoadBalancerPort: 80, PolicyNames });
  await onListener('follows');
  const first = await eventually(
    async () => {
      const answer = await get(node, '/cookie?MYAPP=1');
      expect(answer.cookies.map((each) => each.split('=')[0])).toEqual(expect.arrayContaining(['AWSELB', 'MYAPP']));
      // As long as the application's, which is the browser's session here; the policy from before, with its own, may still be in force.
      expect(answer.cookies.join()).not.toContain('Expires');
      return answer;
    },
    { why: 'answers carry both cookies' },
  );
  const seal = first.cookies.find((each) => each.startsWith('AWSELB='))!;
  expect((await get(node, '/')).cookies).toEqual([]);
  const own = seal.split(';')[0]!;
  expect(await names(80, 20, { cookie: `${own}; MYAPP=1` })).toEqual([(JSON.parse(first.body) as { name: string }).name]);
  await eventually(async () => expect(await names(80, 20, { cookie: own })).toEqual(['a', 'b']), {
    why: 'without the application’s both answer',
  });
  await onListener();
  await elb.deleteLoadBalancerPolicy({ LoadBalancerName: name, PolicyName: 'follows' });
});

test('CLB-007 CLB-008 a listener has one certificate, whatever name a client asks for', async () => {
  for (const servername of ['one.example.com', 'two.example.com', undefined])
    expect(await presented(node, 443, servername)).toBe('one.example.com');
  await refused(
    elb.createLoadBalancerListeners({ LoadBalancerName: name, Listeners: [http(445, { Protocol: 'HTTPS' })] }),
    'ValidationError',
    'Secure Listeners need to specify a SSLCertificateId',
  );
  const replace = (SSLCertificateId: string, LoadBalancerPort = 443) =>
    elb.setLoadBalancerListenerSSLCertificate({ LoadBalancerName: name, LoadBalancerPort, SSLCertificateId });
  for (const port of [443, 444]) await replace(certificates[1]!, port);
  for (const servername of ['one.example.com', 'two.example.com', undefined])
    await eventually(async () => expect(await presented(node, 443, servername)).toBe('two.example.com'), {
      why: 'it is replaced',
    });
  const acm = new ACMClient(site.lab.account.config());
  await eventually(() => acm.send(new DeleteCertificateCommand({ CertificateArn: certificates[0]! })), {
    why: 'the former certificate is in use no more',
  });
  await refused(acm.send(new DeleteCertificateCommand({ CertificateArn: certificates[1]! })), 'ResourceInUseException');
  const unknown = `arn:aws:acm:us-east-1:${site.lab.account.id}:certificate/12345678-1234-1234-1234-123456789012`;
  await refused(replace(unknown), 'CertificateNotFound', `Server Certificate not found for the key: ${unknown}`);
  await refused(replace(certificates[1]!, 9999), 'ListenerNotFound');
});

test('CLB-009 draining is off until it is turned on, and then what is under way may finish', async () => {
  const attributes = async () =>
    (await elb.describeLoadBalancerAttributes({ LoadBalancerName: 'drained' })).LoadBalancerAttributes!;
  const set = (ConnectionDraining: { Enabled: boolean; Timeout?: number }) =>
    elb.modifyLoadBalancerAttributes({ LoadBalancerName: 'drained', LoadBalancerAttributes: { ConnectionDraining } });
  const address = await serving('drained', [http(80)], [servers[1]!]);
  const { ConnectionDraining, CrossZoneLoadBalancing } = await attributes();
  expect(ConnectionDraining).toEqual({ Enabled: false, Timeout: 300 });
  expect(CrossZoneLoadBalancing).toEqual({ Enabled: false });
  const Instances = [{ InstanceId: servers[1]! }];
  const slow = async (path: string) => {
    const answer = get(address, path);
    await eventually(async () => expect((await get(address, '/log')).body).toContain(path), { why: 'it has arrived' });
    await elb.deregisterInstancesFromLoadBalancer({ LoadBalancerName: 'drained', Instances });
    const { LoadBalancerDescriptions } = await elb.describeLoadBalancers({ LoadBalancerNames: ['drained'] });
    expect(LoadBalancerDescriptions![0]!.Instances).toEqual([]);
    return answer;
  };
  expect((await slow('/slow?8')).status).not.toBe(200);
  for (const Timeout of [0, 3601])
    await refused(set({ Enabled: true, Timeout }), 'ValidationError', 'ConnectionDraining Timeout must be between 1 and 3600');
  await set({ Enabled: true, Timeout: 20 });
  expect((await attributes()).ConnectionDraining).toEqual({ Enabled: true, Timeout: 20 });
  await elb.registerInstancesWithLoadBalancer({ LoadBalancerName: 'drained', Instances });
  await eventually(async () => expect((await get(address, '/')).status).toBe(200), { why: 'it serves again', timeoutMs: 20_000 });
  expect((await slow('/slow?3')).status).toBe(200);
  await eventually(async () => expect((await get(address, '/')).status).toBe(503), { why: 'new requests find nobody' });
}, 90_000);

test('desync mitigation is set as an additional attribute, and the strictest mode refuses doubtful requests', async () => {
  const key = 'elb.http.desyncmitigationmode';
  const set = (Key: string, Value: string) =>
    elb.modifyLoadBalancerAttributes({
      LoadBalancerName: name,
      LoadBalancerAttributes: { AdditionalAttributes: [{ Key, Value }] },
    });
  const doubtful = 'GET / HTTP/1.1\r\nHost: x.example.com\r\nContent-Length: 2\r\n\r\nab';
  // Terraform's aws_elb sends the default with every creation.
  await set(key, 'defensive');
  expect((await raw(node, 80, doubtful)).status).toBe(200);
  const { LoadBalancerAttributes } = await set(key, 'strictest');
  expect(LoadBalancerAttributes!.AdditionalAttributes).toEqual([{ Key: key, Value: 'strictest' }]);
  await eventually(async () => expect((await raw(node, 80, doubtful)).status).toBe(400), { why: 'the mode is in force' });
  await elb.modifyLoadBalancerAttributes({
    LoadBalancerName: name,
    LoadBalancerAttributes: { ConnectionSettings: { IdleTimeout: 60 } },
  });
  const known = await elb.describeLoadBalancerAttributes({ LoadBalancerName: name });
  expect(known.LoadBalancerAttributes!.AdditionalAttributes).toEqual([{ Key: key, Value: 'strictest' }]);
  await set(key, 'defensive');
  await refused(set(key, 'lax'), 'InvalidConfigurationRequest', `The value 'lax' of the attribute '${key}' is not valid`);
  const severe = 'POST / HTTP/1.1\r\nHost: x.example.com\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc';
  expect((await raw(node, 80, severe)).status).toBe(400);
  await set(key, 'monitor');
  // It goes on as it came; the server itself refuses it.
  await eventually(async () => expect((await raw(node, 80, severe)).headers['server']).toBeUndefined(), {
    why: 'the mode is in force',
  });
  await set(key, 'defensive');
  await refused(set('no.such', 'x'), 'InvalidConfigurationRequest', "Load balancer attribute key 'no.such' is not recognized");
});

test('a deleted load balancer leaves nothing behind', async () => {
  const address = await serving('gone', [http(80)], [servers[0]!]);
  const socket = await connectInside(address, 80);
  socket.write('GET / HTTP/1.1\r\nHost: x.example.com\r\n\r\n');
  expect((await nextBytes(socket)).toString()).toMatch(/^HTTP\/1\.1 200 /);
  await elb.deleteLoadBalancer({ LoadBalancerName: 'gone' });
  await elb.deleteLoadBalancer({ LoadBalancerName: 'gone' });
  await eventually(async () => expect(await nodesOf('gone')).toEqual({}), { why: 'its interfaces are gone' });
  await refused(elb.describeInstanceHealth({ LoadBalancerName: 'gone' }), 'LoadBalancerNotFound');
  socket.destroy();
});

test('tags are kept, changed and taken away', async () => {
  const tags = async () => (await elb.describeTags({ LoadBalancerNames: [name] })).TagDescriptions![0]!.Tags;
  expect(await tags()).toEqual([]);
  await elb.addTags({
    LoadBalancerNames: [name],
    Tags: [
      { Key: 'team', Value: 'red' },
      { Key: 'stage', Value: 'test' },
    ],
  });
  await elb.addTags({ LoadBalancerNames: [name], Tags: [{ Key: 'team', Value: 'blue' }] });
  await elb.removeTags({ LoadBalancerNames: [name], Tags: [{ Key: 'stage' }] });
  expect(await tags()).toEqual([{ Key: 'team', Value: 'blue' }]);
  await refused(elb.addTags({ LoadBalancerNames: [name, 'other'], Tags: [{ Key: 'a' }] }), 'ValidationError');
  await refused(elb.addTags({ LoadBalancerNames: [name], Tags: [{ Key: 'aws:a' }] }), 'ValidationError');
  await refused(elb.describeTags({ LoadBalancerNames: ['none'] }), 'LoadBalancerNotFound');
});

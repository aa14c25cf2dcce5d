/** Functions behind a load balancer, by real requests through its nodes, in a cloud of its own: metrics and health checks follow the clock. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import {
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DeregisterTargetsCommand,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ModifyListenerCommand,
  ModifyTargetGroupAttributesCommand,
  ModifyTargetGroupCommand,
  RegisterTargetsCommand,
  type TargetDescription,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { serverless } from '../lambda/support.ts';
import { connectInside, get, parseAnswer, raw, readAll, Site } from './support.ts';
import { nextBytes } from './websocket.ts';

/** Says what it got, unless the path asks for something else. */
const source = `export const handler = async (event) => {
  if (event.path === '/answer') return JSON.parse(event.body);
  if (event.path === '/throw') throw new Error('as asked');
  if (event.path === '/slow') await new Promise((done) => setTimeout(done, 4500));
  if (event.path === '/long') return { statusCode: 200, body: 'x'.repeat(Number(event.queryStringParameters.n)) };
  if (event.path === '/well') console.log(JSON.stringify(event));
  if (event.path === '/sick') return { statusCode: 503, body: '' };
  return { statusCode: 200, statusDescription: '200 OK', isBase64Encoded: false,
    headers: { 'content-type': 'application/json' }, multiValueHeaders: { 'content-type': ['application/json'] }, body: JSON.stringify(event) };
};`;

type Functions = Awaited<ReturnType<typeof serverless>>;
interface Event {
  requestContext: { elb: { targetGroupArn: string } };
  headers: Record<string, string>;
  body: string;
  isBase64Encoded: boolean;
}

let cloud: OwnCloud;
let site: Site;
let functions: Functions;
let arn = '';
let part = '';
let node = '';
let listener = '';
let group = '';
let echo = '';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  cloud = await startOwnCloud();
  site = new Site(cloud.endpoint, cloud.data);
  await site.build('10.11');
  functions = await serverless(site.lab.account);
  echo = await functions.make('echo', source, { Timeout: 5 });
  group = await functionGroup('calls');
  await permit('echo', group);
  await register(group, { Id: echo });
  arn = (await site.balancer('functions')).LoadBalancerArn!;
  part = arn.split(':loadbalancer/')[1]!;
  node = (await site.nodes(arn))['us-east-1a']!;
  listener = await site.forward(arn, group);
}, 90_000);

afterAll(async () => {
  if (cloud !== undefined) expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

async function functionGroup(Name: string, input: object = {}): Promise<string> {
  const made = await site.elb.send(new CreateTargetGroupCommand({ Name, TargetType: 'lambda', ...input }));
  return made.TargetGroups![0]!.TargetGroupArn!;
}
const permit = (FunctionName: string, SourceArn: string) =>
  functions.lambda.addPermission({
    ...{ FunctionName, StatementId: `elb-${SourceArn.split('/')[1]}`, Action: 'lambda:InvokeFunction', SourceArn },
    Principal: 'elasticloadbalancing.amazonaws.com',
  });
const register = (TargetGroupArn: string, ...Targets: TargetDescription[]) =>
  site.elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets }));
const healthOf = async (TargetGroupArn: string) =>
  (await site.elb.send(new DescribeTargetHealthCommand({ TargetGroupArn }))).TargetHealthDescriptions!;
const ask = (path: string, options: Parameters<typeof get>[2] = {}) => get(node, path, { data: cloud.data, ...options });
const eventOf = async (path: string, options: Parameters<typeof get>[2] = {}): Promise<Event> => {
  const answer = await ask(path, options);
  expect(answer, answer.text).toMatchObject({ status: 200 });
  return JSON.parse(Buffer.from(answer.body, 'latin1').toString()) as Event;
};
const answers = (answer: unknown) =>
  ask('/answer', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) });

test('a group of a function has no protocol, port or VPC, and no health checks at first', async () => {
  const described = await site.elb.send(new DescribeTargetGroupsCommand({ TargetGroupArns: [group] }));
  const shown = described.TargetGroups![0]!;
  expect(shown).toMatchObject({
    ...{ TargetType: 'lambda', HealthCheckEnabled: false, HealthCheckIntervalSeconds: 35, HealthCheckTimeoutSeconds: 30 },
    ...{
      HealthCheckPath: '/',
      HealthyThresholdCount: 5,
      UnhealthyThresholdCount: 2,
      Matcher: { HttpCode: '200' },
      LoadBalancerArns: [arn],
    },
  });
  for (const key of ['Protocol', 'Port', 'VpcId', 'ProtocolVersion', 'HealthCheckProtocol', 'HealthCheckPort'])
    expect(shown).not.toHaveProperty(key);
  const { Attributes } = await site.elb.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn: group }));
  expect(Attributes).toEqual([{ Key: 'lambda.multi_value_headers.enabled', Value: 'false' }]);
  const words = (what: string) => `${what} cannot be specified for target groups with target type 'lambda'`;
  for (const [input, what] of [
    [{ Port: 80, Protocol: 'HTTP' }, 'Port'],
    [{ Protocol: 'HTTP' }, 'Protocol'],
    [{ VpcId: site.network.vpcId }, 'VPC ID'],
    [{ HealthCheckPort: '80' }, 'Health check port'],
    [{ HealthCheckProtocol: 'HTTP' }, 'Health check protocol'],
  ] as const)
    await refused(functionGroup('wrong', input), 'ValidationError', words(what));
  await refused(functionGroup('wrong', { HealthCheckTimeoutSeconds: 35 }), 'ValidationError');
});

test('ALB-020 a function is registered by its ARN where it permits that, alone, and targets are of the kind of their group', async () => {
  const lone = await functionGroup('lone');
  const denied = `elasticloadbalancing principal does not have permission to invoke ${echo} from target group ${lone}`;
  await refused(register(lone, { Id: echo }), 'AccessDenied', denied, 403);
  await permit('echo', lone);
  await refused(register(lone, { Id: echo, Port: 80 }), 'ValidationError');
  await refused(register(lone, { Id: 'i-0123456789abcdef0' }), 'ValidationError');
  await refused(register(lone, { Id: `${echo}-none` }), 'AccessDenied');
  await refused(register(lone, { Id: echo.replace('us-east-1', 'us-west-2') }), 'ValidationError');
  await register(lone, { Id: echo });
  await functions.make('other', source);
  await permit('other', lone);
  await refused(register(lone, { Id: functions.arnOf('other') }), 'TooManyTargets');
  await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: lone, Targets: [{ Id: echo }] }));
  expect(await healthOf(lone)).toEqual([]);
  // Each kind of target serves: an instance, an address and a function share what comes by their weights.
  const server = await site.server('a', 0);
  const instances = await site.group('instances', {}, [server]);
  const addresses = await site.group('addresses', { TargetType: 'ip' });
  await refused(register(addresses, { Id: server }), 'ValidationError');
  await register(addresses, { Id: (await site.lab.instance(server)).PrivateIpAddress });
  await site.elb.send(
    new CreateRuleCommand({
      ...{ ListenerArn: listener, Priority: 5, Conditions: [{ Field: 'path-pattern', Values: ['/shared'] }] },
      Actions: [
        {
          Type: 'forward',
          ForwardConfig: { TargetGroups: [instances, addresses, group].map((each) => ({ TargetGroupArn: each, Weight: 1 })) },
        },
      ],
    }),
  );
  await site.all(instances, 'healthy');
  await site.all(addresses, 'healthy');
  const seen = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const { requestContext, headers } = await eventOf('/shared');
      return requestContext === undefined ? (headers['host'] ?? '') : 'function';
    }),
  );
  expect(seen.filter((kind) => kind === 'function').length).toBeGreaterThan(5);
  expect(seen.filter((kind) => kind !== 'function').length).toBeGreaterThan(15);
});

test('ALB-025 a request becomes an event, and the result of the function the response', async () => {
  const text = await eventOf('/a%20b/c?x=1&x=2&y=%26&z', {
    ...{
      method: 'PUT',
      body: 'gr\xc3\xbc\xc3\x9fe',
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-Twice': '1', 'X-twice': '2' },
    },
  });
  expect(text).toEqual({
    requestContext: { elb: { targetGroupArn: group } },
    ...{ httpMethod: 'PUT', path: '/a%20b/c', queryStringParameters: { x: '2', y: '%26', z: '' } },
    headers: {
      ...{ host: 'site.example.com', 'content-type': 'text/plain; charset=utf-8', 'content-length': '7', 'x-twice': '2' },
      ...{
        'x-forwarded-for': expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
        'x-forwarded-port': '80',
        'x-forwarded-proto': 'http',
      },
      'x-amzn-trace-id': expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/),
    },
    ...{ body: 'grüße', isBase64Encoded: false },
  });
  expect(await eventOf('/')).toMatchObject({ httpMethod: 'GET', queryStringParameters: {}, body: '', isBase64Encoded: false });
  const bytes = await eventOf('/', {
    method: 'POST',
    body: '\x00\xff\xfe',
    headers: { 'content-type': 'application/octet-stream' },
  });
  expect(bytes).toMatchObject({ isBase64Encoded: true, body: Buffer.from([0, 255, 254]).toString('base64') });
  const packed = { 'content-type': 'text/plain', 'content-encoding': 'gzip' };
  expect(await eventOf('/', { method: 'POST', body: 'abc', headers: packed })).toMatchObject({ isBase64Encoded: true });
  const chunks = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`;
  const chunked = await raw(node, 80, chunks, cloud.data);
  expect(JSON.parse(chunked.body)).toMatchObject({ body: 'abcde', isBase64Encoded: false });
  const answer = await answers({
    ...{
      statusCode: 418,
      statusDescription: '418 Teapot',
      isBase64Encoded: true,
      body: Buffer.from('short\x00').toString('base64'),
    },
    headers: { 'X-Own': 'yes', 'Set-Cookie': 'a=b' },
  });
  expect(answer.text.split('\r\n')[0]).toBe('HTTP/1.1 418 Teapot');
  expect(answer).toMatchObject({ body: 'short\x00', cookies: ['a=b'] });
  expect(answer.headers).toMatchObject({ 'x-own': 'yes', server: 'awselb/2.0', 'content-length': '6' });
  expect((await answers({ statusCode: 204 })).status).toBe(204);
  const head = await ask('/', { method: 'HEAD' });
  expect(head).toMatchObject({ status: 200, body: '' });
});

test('connections to functions are kept, and two requests on one are two calls', async () => {
  const socket = await connectInside(node, 80, cloud.data);
  const one = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
  socket.write(one('/one') + one('/two', 'Connection: close\r\n'));
  const text = await readAll(socket);
  expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  expect([text.indexOf('"path":"/one"') > 0, text.indexOf('"path":"/two"') > text.indexOf('"path":"/one"')]).toEqual([
    true,
    true,
  ]);
});

test('with headers of several values the event and the answer hold lists', async () => {
  const multi = await functionGroup('multi');
  await permit('echo', multi);
  await register(multi, { Id: echo });
  const change = (Value: string) =>
    site.elb.send(
      new ModifyTargetGroupAttributesCommand({
        TargetGroupArn: multi,
        Attributes: [{ Key: 'lambda.multi_value_headers.enabled', Value }],
      }),
    );
  await refused(change('perhaps'), 'InvalidConfigurationRequest');
  await refused(
    site.elb.send(
      new ModifyTargetGroupAttributesCommand({
        TargetGroupArn: multi,
        Attributes: [{ Key: 'stickiness.enabled', Value: 'true' }],
      }),
    ),
    'ValidationError',
    "Target group attribute key 'stickiness.enabled' is not recognized",
  );
  await change('true');
  await site.forward(arn, multi, 8080);
  const event: unknown = await eventOf('/?a=1&a=2&b=', { port: 8080, headers: { 'X-Two': 'one', 'x-two': 'two' } });
  expect(event).toMatchObject({
    multiValueQueryStringParameters: { a: ['1', '2'], b: [''] },
    multiValueHeaders: { 'x-two': ['one', 'two'], 'x-forwarded-port': ['8080'] },
  });
  expect(event).not.toHaveProperty('headers');
  expect(event).not.toHaveProperty('queryStringParameters');
  const answer = await ask('/answer', {
    ...{ port: 8080, method: 'POST', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify({
      statusCode: 200,
      multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'] },
      headers: { 'X-Lost': '1' },
      body: '',
    }),
  });
  expect(answer.cookies).toEqual(['a=1', 'b=2']);
  expect(answer.headers['x-lost']).toBeUndefined();
});

test('a function that fails, an answer that is none and bodies above 1 MB are the errors that AWS gives, and are counted', async () => {
  for (const wrong of [
    'text',
    [],
    {},
    { statusCode: '200' },
    { statusCode: 99 },
    { statusCode: 200, body: {} },
    { statusCode: 200, headers: { 'X-Number': 1 } },
    { statusCode: 200, headers: { 'Bad name': 'x' } },
    { statusCode: 200, headers: { X: 'a\r\nInjected: yes' } },
    { statusCode: 200, statusDescription: '200 OK\r\nInjected: yes' },
  ])
    expect([wrong, (await answers(wrong)).status]).toEqual([wrong, 502]);
  expect(await ask('/throw')).toMatchObject({ status: 502, headers: { server: 'awselb/2.0' } });
  expect((await ask('/long?n=1000000')).body).toHaveLength(1_000_000);
  expect((await ask('/long?n=1048576')).status).toBe(502);
  const body = (bytes: number) => ask('/', { method: 'POST', body: 'x'.repeat(bytes), headers: { 'content-type': 'image/png' } });
  expect((await body(500_000)).status).toBe(200);
  expect((await body(1_048_577)).status).toBe(413);
  const endless = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${`10000\r\n${'x'.repeat(65_536)}\r\n`.repeat(17)}`;
  expect((await raw(node, 80, endless, cloud.data)).status).toBe(413);
  const upgrade = { connection: 'upgrade, close', upgrade: 'websocket', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
  expect((await ask('/', { headers: upgrade })).status).toBe(400);
  expect((await ask('/', { method: 'POST', body: '\xff\xfe', headers: { 'content-type': 'text/plain' } })).status).toBe(400);
  // 10 answers that are none, a throw, 1 too long, 2 bodies, 1 upgrade, 1 that is no text.
  const cloudwatch = new CloudWatch(site.lab.account.config());
  const at = Date.parse(((await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string }).time);
  await advanceClock(cloud.endpoint, 120_000);
  const sum = async (MetricName: string, Dimensions: { Name: string; Value: string }[]): Promise<number> => {
    const { Datapoints = [] } = await cloudwatch.getMetricStatistics({
      ...{ Namespace: 'AWS/ApplicationELB', MetricName, Dimensions, Statistics: ['Sum'], Period: 60 },
      ...{ StartTime: new Date(at - 600_000), EndTime: new Date(at + 600_000) },
    });
    return Datapoints.reduce((total, { Sum = 0 }) => total + Sum, 0);
  };
  const [TargetGroup, LoadBalancer] = [
    { Name: 'TargetGroup', Value: group.split(':').at(-1)! },
    { Name: 'LoadBalancer', Value: part },
  ];
  await eventually(async () => expect(await sum('LambdaUserError', [TargetGroup, LoadBalancer])).toBe(16), {
    why: 'failed calls are counted',
  });
  expect(await sum('LambdaUserError', [TargetGroup])).toBe(16);
  expect(await sum('LambdaInternalError', [TargetGroup])).toBe(0);
  expect(await sum('LambdaTargetProcessedBytes', [LoadBalancer])).toBeGreaterThan(1_500_000);
  expect(await sum('HTTPCode_Target_2XX_Count', [TargetGroup, LoadBalancer])).toBeGreaterThan(3);
  expect(await sum('RequestCountPerTarget', [TargetGroup])).toBe(0);
  expect(await sum('HealthyHostCount', [TargetGroup, LoadBalancer])).toBe(0);
});

test('a function that may no longer be called, or is gone, is 502; what is under way when it is deregistered fails', async () => {
  await functions.make('short', source, { Timeout: 10 });
  const own = await functionGroup('short');
  await permit('short', own);
  await register(own, { Id: functions.arnOf('short') });
  await site.forward(arn, own, 8081);
  expect((await ask('/', { port: 8081 })).status).toBe(200);
  await functions.lambda.removePermission({ FunctionName: 'short', StatementId: 'elb-short' });
  expect((await ask('/', { port: 8081 })).status).toBe(502);
  await functions.lambda.deleteFunction({ FunctionName: 'short' });
  expect((await ask('/', { port: 8081 })).status).toBe(502);
  // What is under way when the function is deregistered fails.
  const late = await functionGroup('late');
  await permit('echo', late);
  await register(late, { Id: echo });
  const changed = await site.elb.send(
    new ModifyListenerCommand({ ListenerArn: await site.forward(arn, late, 8082), Port: 8083 }),
  );
  expect(changed.Listeners![0]!.Port).toBe(8083);
  await site.listens(node, 8083);
  const socket = await connectInside(node, 8083, cloud.data);
  socket.write('POST /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
  // The node asks for the body once it knows where the request goes.
  expect((await nextBytes(socket)).toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  socket.write('abc');
  const pending = readAll(socket);
  await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: late, Targets: [{ Id: echo }] }));
  expect(parseAnswer(await pending).status).toBe(502);
  await eventually(async () => expect((await ask('/', { port: 8083 })).status).toBe(503), { why: 'nobody is there to answer' });
});

test('health checks of a function are off until they are turned on, and call it with their own event', async () => {
  const checked = await functionGroup('checked', { HealthCheckPath: '/well' });
  await permit('echo', checked);
  await register(checked, { Id: echo });
  const off = {
    State: 'unavailable',
    Reason: 'Target.HealthCheckDisabled',
    Description: 'Health checks are not enabled for this target',
  };
  expect((await healthOf(checked))[0]!.TargetHealth).toMatchObject({ State: 'unused', Reason: 'Target.NotInUse' });
  await site.forward(arn, checked, 8090);
  expect((await healthOf(checked))[0]).toEqual({ Target: { Id: echo, AvailabilityZone: 'all' }, TargetHealth: off });
  const change = (input: object) => site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn: checked, ...input }));
  await change({
    HealthCheckEnabled: true,
    HealthCheckIntervalSeconds: 40,
    UnhealthyThresholdCount: 2,
    HealthyThresholdCount: 2,
  });
  const turns = (state: string) =>
    eventually(
      async () => {
        await advanceClock(cloud.endpoint, 40_000);
        expect((await healthOf(checked))[0]!.TargetHealth!.State).toBe(state);
      },
      { why: `the function is ${state}`, timeoutMs: 30_000 },
    );
  await turns('healthy');
  const event = {
    requestContext: { elb: { targetGroupArn: checked } },
    ...{ httpMethod: 'GET', path: '/well', queryStringParameters: {}, headers: { 'user-agent': 'ELB-HealthChecker/2.0' } },
    ...{ body: '', isBase64Encoded: false },
  };
  await eventually(async () => expect((await functions.logOf('echo')).flat().join()).toContain(JSON.stringify(event)), {
    why: 'the check called with its own event',
  });
  await change({ HealthCheckPath: '/sick' });
  await turns('unhealthy');
  expect((await healthOf(checked))[0]!.TargetHealth).toMatchObject({
    ...{ Reason: 'Target.ResponseCodeMismatch', Description: 'Health checks failed with these codes: [503]' },
  });
  await change({ HealthCheckPath: '/throw' });
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 40_000);
      expect((await healthOf(checked))[0]!.TargetHealth!.Reason).toBe('Target.FailedHealthChecks');
    },
    { why: 'a function that throws fails its checks' },
  );
  // With one target, and that unhealthy, requests go there all the same.
  expect((await ask('/', { port: 8090 })).status).toBe(200);
  await change({ HealthCheckEnabled: false });
  expect((await healthOf(checked))[0]!.TargetHealth).toEqual(off);
});

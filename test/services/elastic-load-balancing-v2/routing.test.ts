/** Rules, cookies, and requests that are no requests, on load balancers with real servers. */
import {
  CreateListenerCommand,
  CreateRuleCommand,
  DeleteRuleCommand,
  DeregisterTargetsCommand,
  DescribeRulesCommand,
  ModifyListenerCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
  type RuleCondition,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { connectInside, echo, get, parseAnswer, raw, readAll, Site } from './support.ts';

const slow = 90_000;
const site = new Site();
let arn = '';
let listener = '';
let groups: { a: string; b: string; both: string } = { a: '', b: '', both: '' };
let node = '';
let other = '';
let servers: string[] = [];

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.1');
  servers = await Promise.all([site.server('a', 0), site.server('b', 1)]);
  groups = {
    a: await site.group('a', {}, [servers[0]!]),
    b: await site.group('b', {}, [servers[1]!]),
    both: await site.group('both', {}, servers),
  };
  arn = (await site.balancer('rules')).LoadBalancerArn!;
  listener = await site.forward(arn, groups.a);
  await site.forward(arn, groups.both, 8000);
  await site.forward(arn, groups.b, 8001);
  const nodes = await site.nodes(arn);
  [node, other] = [nodes['us-east-1a']!, nodes['us-east-1b']!];
  for (const group of Object.values(groups)) await site.all(group, 'healthy');
}, slow);

async function rule(priority: number, conditions: RuleCondition[], group = groups.b): Promise<string> {
  const made = await site.elb.send(
    new CreateRuleCommand({
      ListenerArn: listener,
      Priority: priority,
      Conditions: conditions,
      Actions: [{ Type: 'forward', TargetGroupArn: group }],
    }),
  );
  return made.Rules![0]!.RuleArn!;
}

const nameAt = async (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<string> =>
  (await echo(node, path, { headers, method })).name;
const follows = (path: string, name: string, headers: Record<string, string> = {}): Promise<void> =>
  eventually(async () => expect(await nameAt(path, headers)).toBe(name), { why: `${path} is answered by ${name}` });

describe('rules', () => {
  test('ALB-005 ALB-008 ALB-009 ALB-014 each request is routed by its path, case counts, and the lowest priority wins', async () => {
    await rule(20, [{ Field: 'path-pattern', Values: ['/users*'] }]);
    await rule(21, [{ Field: 'path-pattern', Values: ['/exact'] }]);
    await follows('/users/1', 'b');
    await follows('/exact', 'b');
    expect(await nameAt('/USERS/1')).toBe('a');
    expect(await nameAt('/exact/more')).toBe('a');
    expect(await nameAt('/other')).toBe('a');
    await rule(10, [{ Field: 'path-pattern', Values: ['/users/admin*'] }], groups.a);
    await follows('/users/admin', 'a');
    expect(await nameAt('/users/1')).toBe('b');
    await refused(rule(10, [{ Field: 'path-pattern', Values: ['/x'] }]), 'PriorityInUse', "Priority '10' is currently in use");
    // Two requests on one connection.
    const socket = await connectInside(node, 80);
    socket.write(
      'GET /users/1 HTTP/1.1\r\nHost: x.example.com\r\n\r\nGET /other HTTP/1.1\r\nHost: x.example.com\r\nConnection: close\r\n\r\n',
    );
    const text = await readAll(socket);
    expect([...text.matchAll(/"name":"(.)"/g)].map((match) => match[1])).toEqual(['b', 'a']);
  });

  test('ALB-010 ALB-011 host names in any case, query strings, headers and methods decide', async () => {
    await rule(30, [{ Field: 'host-header', Values: ['order.example.com'] }]);
    await rule(31, [{ Field: 'query-string', QueryStringConfig: { Values: [{ Key: 'id', Value: '123' }] } }]);
    await rule(32, [{ Field: 'http-header', HttpHeaderConfig: { HttpHeaderName: 'X-Kind', Values: ['mobile*'] } }]);
    await rule(33, [{ Field: 'http-request-method', HttpRequestMethodConfig: { Values: ['PUT'] } }]);
    await follows('/', 'b', { host: 'ORDER.example.com' });
    await follows('/?id=123', 'b');
    await follows('/', 'b', { 'x-kind': 'Mobile phone' });
    await eventually(async () => expect(await nameAt('/', {}, 'PUT')).toBe('b'), { why: 'PUT goes to b' });
    expect(await nameAt('/?id=124')).toBe('a');
    expect(await nameAt('/', { host: 'orders.example.com', 'x-kind': 'desk' })).toBe('a');
  });

  test('ALB-012 redirects and fixed answers need no target', async () => {
    await site.elb.send(
      new CreateListenerCommand({
        LoadBalancerArn: arn,
        Protocol: 'HTTP',
        Port: 8100,
        DefaultActions: [{ Type: 'redirect', RedirectConfig: { Protocol: 'HTTPS', Port: '443', StatusCode: 'HTTP_301' } }],
      }),
    );
    await site.listens(node, 8100);
    const answer = await get(node, '/a/b?c=d', { port: 8100 });
    expect(answer).toMatchObject({
      status: 301,
      headers: { location: 'https://site.example.com:443/a/b?c=d', server: 'awselb/2.0' },
    });
    const made = await site.elb.send(
      new CreateListenerCommand({
        LoadBalancerArn: arn,
        Protocol: 'HTTP',
        Port: 8101,
        DefaultActions: [
          {
            Type: 'fixed-response',
            FixedResponseConfig: { StatusCode: '404', ContentType: 'text/plain', MessageBody: 'nothing here' },
          },
        ],
      }),
    );
    await site.listens(node, 8101);
    expect(await get(node, '/', { port: 8101 })).toMatchObject({
      status: 404,
      body: 'nothing here',
      headers: { 'content-type': 'text/plain' },
    });
    await refused(
      site.elb.send(
        new ModifyListenerCommand({
          ListenerArn: made.Listeners![0]!.ListenerArn,
          DefaultActions: [{ Type: 'redirect', RedirectConfig: { StatusCode: 'HTTP_301' } }],
        }),
      ),
      'InvalidConfigurationRequest',
      'The redirect configuration would cause a loop',
    );
  });

  test('ALB-015 a forward action divides requests by weight', async () => {
    await site.elb.send(
      new CreateListenerCommand({
        LoadBalancerArn: arn,
        Protocol: 'HTTP',
        Port: 8102,
        DefaultActions: [
          {
            Type: 'forward',
            ForwardConfig: {
              TargetGroups: [
                { TargetGroupArn: groups.a, Weight: 3 },
                { TargetGroupArn: groups.b, Weight: 1 },
              ],
            },
          },
        ],
      }),
    );
    await site.listens(node, 8102);
    let a = 0;
    for (let round = 0; round < 400; round += 1) if ((await echo(node, '/', { port: 8102 })).name === 'a') a += 1;
    expect(a).toBeGreaterThan(265);
    expect(a).toBeLessThan(335);
  });

  test('ALB-007 the default rule has no conditions and cannot be deleted', async () => {
    const { Rules } = await site.elb.send(new DescribeRulesCommand({ ListenerArn: listener }));
    const last = Rules!.at(-1)!;
    expect(last).toMatchObject({ Priority: 'default', IsDefault: true, Conditions: [] });
    await refused(
      site.elb.send(new DeleteRuleCommand({ RuleArn: last.RuleArn })),
      'OperationNotPermitted',
      `Default rule '${last.RuleArn}' cannot be deleted`,
    );
    await refused(
      site.elb.send(new CreateListenerCommand({ LoadBalancerArn: arn, Protocol: 'HTTP', Port: 8103, DefaultActions: [] })),
      'ValidationError',
    );
  });
});

describe('cookies', () => {
  const cookie = (cookies: readonly string[], name: string): string =>
    cookies.find((each) => each.startsWith(`${name}=`))?.split(';')[0] ?? '';
  const set = (attributes: Record<string, string>, group = groups.both) =>
    site.elb.send(
      new ModifyTargetGroupAttributesCommand({
        TargetGroupArn: group,
        Attributes: Object.entries(attributes).map(([Key, Value]) => ({ Key, Value })),
      }),
    );

  test('ELB-016 a cookie keeps a client on one target, also over the other node', async () => {
    expect((await get(node, '/', { port: 8000 })).cookies).toEqual([]);
    await set({ 'stickiness.enabled': 'true', 'stickiness.type': 'lb_cookie' });
    const first = await eventually(
      async () => {
        const answer = await get(node, '/', { port: 8000 });
        expect(cookie(answer.cookies, 'AWSALB')).not.toBe('');
        return answer;
      },
      { why: 'answers carry a cookie' },
    );
    const name = (JSON.parse(first.body) as { name: string }).name;
    for (let round = 0; round < 100; round += 1) {
      const next = await echo(round % 2 === 0 ? node : other, '/', {
        port: 8000,
        headers: { cookie: cookie(first.cookies, 'AWSALB') },
      });
      expect(next.name).toBe(name);
    }
    const spread = new Set<string>();
    for (let round = 0; round < 20; round += 1) spread.add((await echo(node, '/', { port: 8000 })).name);
    expect([...spread].sort()).toEqual(['a', 'b']);
    expect(first.cookies.map((each) => each.split('=')[0])).toEqual(['AWSALB', 'AWSALBCORS']);
  });

  test('ELB-017 the cookie holds for its duration and no longer', async () => {
    await set({ 'stickiness.enabled': 'true', 'stickiness.type': 'lb_cookie', 'stickiness.lb_cookie.duration_seconds': '2' });
    const first = await eventually(
      async () => {
        const answer = await get(node, '/', { port: 8000 });
        const left = Date.parse(/Expires=([^;]+)/.exec(answer.cookies[0] ?? '')?.[1] ?? '') - Date.now();
        expect(left).toBeLessThan(5000);
        return answer;
      },
      { why: 'the duration shows' },
    );
    const headers = { cookie: cookie(first.cookies, 'AWSALB') };
    const names = new Set<string>();
    for (let round = 0; round < 10; round += 1) names.add((await echo(node, '/', { port: 8000, headers })).name);
    expect(names.size).toBe(1);
    await eventually(
      async () => {
        const after = new Set<string>();
        for (let round = 0; round < 10; round += 1) after.add((await echo(node, '/', { port: 8000, headers })).name);
        expect(after.size).toBe(2);
      },
      { why: 'the cookie is honoured no longer' },
    );
    await set({ 'stickiness.lb_cookie.duration_seconds': '86400' });
  });

  test('ALB-033 ALB-034 ALB-035 the application cookie sticks together with AWSALBAPP, each group by its own', async () => {
    await set({ 'stickiness.enabled': 'true', 'stickiness.type': 'app_cookie', 'stickiness.app_cookie.cookie_name': 'MYAPP' });
    await set(
      { 'stickiness.enabled': 'true', 'stickiness.type': 'app_cookie', 'stickiness.app_cookie.cookie_name': 'OTHER' },
      groups.b,
    );
    const first = await eventually(
      async () => {
        const answer = await get(node, '/cookie?MYAPP=1', { port: 8000 });
        expect(cookie(answer.cookies, 'AWSALBAPP-0')).not.toBe('');
        return answer;
      },
      { why: 'the answer with the application cookie carries AWSALBAPP' },
    );
    expect((await get(node, '/', { port: 8000 })).cookies).toEqual([]);
    expect((await get(node, '/cookie?MYAPP=1', { port: 8001 })).cookies).toEqual(['MYAPP=1; Path=/']);
    expect(cookie((await get(node, '/cookie?OTHER=1', { port: 8001 })).cookies, 'AWSALBAPP-0')).not.toBe('');
    const names = async (value: string): Promise<number> => {
      const seen = new Set<string>();
      for (let round = 0; round < 12; round += 1)
        seen.add((await echo(node, '/', { port: 8000, headers: { cookie: value } })).name);
      return seen.size;
    };
    const own = cookie(first.cookies, 'AWSALBAPP-0');
    expect(await names(`MYAPP=1; ${own}`)).toBe(1);
    expect(await names(own)).toBe(2);
    expect(await names('MYAPP=1')).toBe(2);
    await set({ 'stickiness.enabled': 'false' });
  });
});

describe('what is no proper request', () => {
  const host = 'Host: x.example.com\r\n';

  test('ALB-002 bytes that are not HTTP are refused and reach nobody', async () => {
    for (const bytes of [
      '\x16\x03\x01\x02\x00\x01\x00\x01',
      'hello\r\n\r\n',
      'GET / HTTP/1.1\r\nHost x\r\n\r\n',
      `GET /secret HTTP/1.1\n${host}\n\r\n\r\n`,
    ])
      expect((await raw(node, 80, bytes)).status).toBe(400);
    const log = await get(node, '/log');
    expect(log.body).not.toContain('secret');
  });

  test.each([
    ['two lengths', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`],
    ['a blank before the colon', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
    ['two codings', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`],
    ['an unknown coding', 501, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\n\r\n`],
    ['a folded header', 400, `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`],
    ['a bare line feed in a value', 400, `GET / HTTP/1.1\r\n${host}X: a\nTransfer-Encoding: chunked\r\n\r\n`],
    ['a bad chunk size', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`],
    ['a chunk without end', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nfffffffffffff\r\nhello`],
    ['a chunk line that ends early', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`],
    ['a chunk longer than it says', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n`],
    ['an endless chunk line', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5;${'x'.repeat(9000)}`],
    [
      'a long trailer',
      400,
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n${`T: ${'x'.repeat(900)}\r\n`.repeat(20)}\r\n`,
    ],
    ['a negative length', 400, `POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`],
    ['two hosts', 400, `GET / HTTP/1.1\r\n${host}Host: y.example.com\r\n\r\n`],
    ['no host', 400, 'GET / HTTP/1.1\r\n\r\n'],
    ['an unknown version', 505, `GET / HTTP/3.0\r\n${host}\r\n`],
    ['CONNECT', 405, `CONNECT a.example.com:80 HTTP/1.1\r\n${host}\r\n`],
    ['a long target', 414, `GET /${'a'.repeat(17_000)} HTTP/1.1\r\n${host}\r\n`],
    ['a long header', 400, `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(17_000)}\r\n\r\n`],
    ['a long head', 400, `GET / HTTP/1.1\r\n${host}${`X: ${'a'.repeat(1000)}\r\n`.repeat(70)}\r\n`],
    [
      '31 forwarding addresses',
      463,
      `GET / HTTP/1.1\r\n${host}X-Forwarded-For: ${'1.2.3.4, '.repeat(30)}1.2.3.4\r\nConnection: close\r\n\r\n`,
    ],
  ])('%s is answered %i', async (_what, status, bytes) => {
    const answer = await raw(node, 80, bytes);
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({ server: 'awselb/2.0' });
    // Nothing else is disturbed.
    expect(await nameAt('/after')).toBe('a');
  });

  test('a target that answers garbage or hangs up is a 502', async () => {
    expect(await get(node, '/garbage')).toMatchObject({ status: 502 });
    expect(await get(node, '/hang-up')).toMatchObject({ status: 502 });
    expect(await nameAt('/after')).toBe('a');
  });

  test('bodies pass whole in both directions, with a length and in chunks', async () => {
    expect((await echo(node, '/', { method: 'POST', body: 'x'.repeat(200_000) })).body).toBe(200_000);
    const chunked = await raw(
      node,
      80,
      `POST / HTTP/1.1\r\n${host}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n`,
    );
    expect(chunked.body).toContain('"body":11');
    const old = parseAnswer((await raw(node, 80, `GET /chunks HTTP/1.0\r\n${host}\r\n`)).text);
    expect(old).toMatchObject({ status: 200, body: 'onetwo' });
    expect((await raw(node, 80, `HEAD / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)).body).toBe('');
  });
});

test('ALB-022 one instance serves on two ports', async () => {
  const group = await site.group('ports');
  await site.elb.send(
    new RegisterTargetsCommand({
      TargetGroupArn: group,
      Targets: [
        { Id: servers[0]!, Port: 80 },
        { Id: servers[0]!, Port: 8080 },
      ],
    }),
  );
  await site.forward(arn, group, 8200);
  await site.listens(node, 8200);
  await site.all(group, 'healthy');
  expect(Object.keys(await site.health(group)).sort()).toEqual([`${servers[0]}:80`, `${servers[0]}:8080`]);
  const ports = new Set<number>();
  await eventually(
    async () => {
      ports.add((await echo(node, '/', { port: 8200 })).port);
      expect(ports.size).toBe(2);
    },
    { why: 'both ports answer' },
  );
});

test('ELB-029 without a deregistration delay a request in flight is cut', async () => {
  const group = await site.group('hasty', {}, [servers[0]!]);
  await site.elb.send(
    new ModifyTargetGroupAttributesCommand({
      TargetGroupArn: group,
      Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '0' }],
    }),
  );
  await site.forward(arn, group, 8201);
  await site.listens(node, 8201);
  await site.all(group, 'healthy');
  const began = Date.now();
  const answer = get(node, '/slow?8', { port: 8201 });
  await eventually(async () => expect((await get(node, '/log')).body).toContain('/slow?8'), { why: 'the request has arrived' });
  await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: group, Targets: [{ Id: servers[0]! }] }));
  expect(await answer).toMatchObject({ status: 502 });
  expect(Date.now() - began).toBeLessThan(7000);
  expect(await site.health(group)).toEqual({});
});

test('a connection changes its protocol and bytes go both ways', async () => {
  const socket = await connectInside(node, 80);
  socket.write('GET /ws HTTP/1.1\r\nHost: x.example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  const head = await readUntil(socket, '\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 101 /);
  socket.write('there and back');
  expect(await readAll(socket, (text) => text.includes('back'))).toBe('there and back');
});

function readUntil(socket: Awaited<ReturnType<typeof connectInside>>, end: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const take = (bytes: Buffer): void => {
      text += bytes.toString('latin1');
      if (!text.includes(end)) return;
      socket.off('data', take);
      resolve(text);
    };
    socket.on('data', take);
  });
}

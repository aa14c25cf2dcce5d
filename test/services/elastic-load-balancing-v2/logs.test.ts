/** Access and connection logs in S3, entry by entry, by the clock of a cloud of its own. */
import { gunzipSync } from 'node:zlib';
import { ACMClient, ImportCertificateCommand } from '@aws-sdk/client-acm';
import {
  CreateListenerCommand,
  CreateRuleCommand,
  DescribeLoadBalancerAttributesCommand,
  ModifyLoadBalancerAttributesCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { S3 } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  advanceClock,
  cloudTime,
  eventually,
  machinesRefused,
  type OwnCloud,
  refused,
  startOwnCloud,
} from '../../support/cloud.ts';
import { connectInside, get, raw, readAll, Site } from './support.ts';
import { makePair, opensslRefused, shake } from './tls.ts';
import { closingFrame, frameOf, nextBytes } from './websocket.ts';

let cloud: OwnCloud;
let site: Site;
let s3: S3;
let arn = '';
let node = '';
let group = '';
let server = '';
let certificate = '';

beforeEach((context) => context.skip((machinesRefused() ?? opensslRefused) !== undefined, machinesRefused() ?? opensslRefused));

beforeAll(async () => {
  if ((machinesRefused() ?? opensslRefused) !== undefined) return;
  cloud = await startOwnCloud();
  site = new Site(cloud.endpoint, cloud.data);
  const config = site.lab.account.config({ endpoint: cloud.endpoint });
  s3 = new S3({ ...config, forcePathStyle: true });
  await site.build('10.9');
  server = await site.server('a', 0);
  group = await site.group('web', {}, [server]);
  arn = (await site.balancer('logged')).LoadBalancerArn!;
  node = (await site.nodes(arn))['us-east-1a']!;
  const listener = await site.forward(arn, group);
  const pair = makePair('www.example.com');
  const imported = await new ACMClient(config).send(
    new ImportCertificateCommand({ Certificate: Buffer.from(pair.certificate), PrivateKey: Buffer.from(pair.key) }),
  );
  certificate = imported.CertificateArn!;
  await site.elb.send(
    new CreateListenerCommand({
      ...{ LoadBalancerArn: arn, Protocol: 'HTTPS', Port: 443, Certificates: [{ CertificateArn: certificate }] },
      DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
    }),
  );
  await site.listens(node, 443);
  await site.elb.send(
    new CreateRuleCommand({
      ...{ ListenerArn: listener, Priority: 7, Conditions: [{ Field: 'path-pattern', Values: ['/away'] }] },
      Actions: [{ Type: 'redirect', RedirectConfig: { Protocol: 'HTTPS', Port: '443', StatusCode: 'HTTP_301' } }],
    }),
  );
  await site.all(group, 'healthy');
}, 120_000);

afterAll(async () => {
  if (cloud !== undefined) expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

const set = (attributes: Record<string, string>) =>
  site.elb.send(
    new ModifyLoadBalancerAttributesCommand({
      LoadBalancerArn: arn,
      Attributes: Object.entries(attributes).map(([Key, Value]) => ({ Key, Value })),
    }),
  );
const attributes = async (): Promise<Record<string, string>> => {
  const { Attributes } = await site.elb.send(new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: arn }));
  return Object.fromEntries(Attributes!.map(({ Key, Value }) => [Key!, Value!]));
};
const allow = (Bucket: string, Principal: Record<string, string>, folder = '') =>
  s3.putBucketPolicy({
    Bucket,
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          ...{ Effect: 'Allow', Principal, Action: 's3:PutObject' },
          Resource: `arn:aws:s3:::${Bucket}/${folder}AWSLogs/${site.lab.account.id}/*`,
        },
      ],
    }),
  });
const keysOf = async (Bucket: string): Promise<string[]> =>
  ((await s3.listObjectsV2({ Bucket })).Contents ?? []).map(({ Key }) => Key!).sort();
const linesOf = async (Bucket: string, Key: string): Promise<string[]> => {
  const { Body } = await s3.getObject({ Bucket, Key });
  return gunzipSync(await Body!.transformToByteArray())
    .toString()
    .trimEnd()
    .split('\n');
};

/** Fields of an entry: texts in quotes are one field each. */
const fieldsOf = (line: string): string[] => line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
const service = { Service: 'logdelivery.elasticloadbalancing.amazonaws.com' };

/** Opens a WebSocket over a connection, says one thing and closes it. */
async function chat(open: () => ReturnType<typeof connectInside>): Promise<void> {
  const socket = await open();
  socket.write(
    'GET /chat HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  expect((await nextBytes(socket)).toString()).toMatch(/^HTTP\/1\.1 101 /);
  socket.write(frameOf('hello'));
  expect((await nextBytes(socket)).toString()).toContain('HELLO');
  socket.write(closingFrame);
  await readAll(socket);
}

test('logs are turned on only where the bucket takes them', async () => {
  const Bucket = `logs-refused-${site.lab.account.id}`;
  const on = (bucket: string) => ({ 'access_logs.s3.enabled': 'true', 'access_logs.s3.bucket': bucket });
  const denied = (bucket: string): string => `Access Denied for bucket: ${bucket}. Please check S3bucket permission`;
  expect(await attributes()).toMatchObject({ 'access_logs.s3.enabled': 'false', 'connection_logs.s3.enabled': 'false' });
  await refused(set(on(Bucket)), 'InvalidConfigurationRequest', denied(Bucket));
  await s3.createBucket({ Bucket });
  await refused(set(on(Bucket)), 'InvalidConfigurationRequest', denied(Bucket));
  await allow(Bucket, { Service: 'delivery.logs.amazonaws.com' });
  await refused(set(on(Bucket)), 'InvalidConfigurationRequest', denied(Bucket));
  await allow(Bucket, service, 'other/');
  await refused(set(on(Bucket)), 'InvalidConfigurationRequest', denied(Bucket));
  await refused(set({ 'access_logs.s3.enabled': 'true' }), 'ValidationError', /'access_logs\.s3\.bucket' must be specified/);
  await refused(set({ 'access_logs.s3.prefix': 'my/AWSLogs' }), 'InvalidConfigurationRequest', /is not a valid value/);
  await refused(set({ 'access_logs.s3.enabled': 'yes' }), 'InvalidConfigurationRequest');
  expect(await attributes()).toMatchObject({ 'access_logs.s3.enabled': 'false', 'access_logs.s3.bucket': '' });
  expect(await keysOf(Bucket)).toEqual([]);
  // Policies from before 2022 name the account that the Region's load balancers come by.
  await allow(Bucket, { AWS: 'arn:aws:iam::127311923021:root' });
  await set(on(Bucket));
  expect(await keysOf(Bucket)).toEqual([`AWSLogs/${site.lab.account.id}/ELBAccessLogTestFile`]);
  await set({ 'access_logs.s3.enabled': 'false' });
});

test('ALB-046 ALB-047 every request and WebSocket is an entry of a file that comes every five minutes', async () => {
  const Bucket = `logs-${site.lab.account.id}`;
  await s3.createBucket({ Bucket });
  await allow(Bucket, service, 'my/site/');
  await set({
    'access_logs.s3.enabled': 'true',
    'access_logs.s3.bucket': Bucket,
    'access_logs.s3.prefix': 'my/site',
    'connection_logs.s3.enabled': 'true',
    'connection_logs.s3.bucket': Bucket,
    'connection_logs.s3.prefix': 'my/site',
  });
  const root = `my/site/AWSLogs/${site.lab.account.id}`;
  expect(await keysOf(Bucket)).toEqual([`${root}/ELBAccessLogTestFile`, `${root}/ELBConnectionLogTestFile`]);
  // From when the nodes log on, what is asked is there.
  await eventually(
    async () => {
      await get(node, '/early', { data: cloud.data });
      await advanceClock(cloud.endpoint, 300_000);
      expect((await keysOf(Bucket)).length).toBeGreaterThan(3);
    },
    { why: 'logs have begun' },
  );
  const known = await keysOf(Bucket);
  const began = await cloudTime(cloud.endpoint);
  const agent = { 'user-agent': 'tester/1.0 "quoted"' };
  await get(node, '/hello?x=1', { headers: agent, data: cloud.data });
  await get(node, '/status?404', { data: cloud.data });
  await get(node, '/away?to=1', { data: cloud.data });
  await get(node, '/garbage', { data: cloud.data });
  await raw(node, 80, 'no request\r\n\r\n', cloud.data);
  await raw(node, 80, 'GET /doubt HTTP/1.1\r\nHost: x.example.com\r\nContent-Length: 2\r\n\r\nab', cloud.data);
  const secure = await shake(node, 443, { servername: 'www.example.com' }, cloud.data);
  secure.write('GET /secret HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n');
  await readAll(secure);
  await chat(() => connectInside(node, 80, cloud.data));
  await chat(() => shake(node, 443, {}, cloud.data));
  await expect(shake(node, 443, { minVersion: 'TLSv1.3' }, cloud.data)).rejects.toThrow();
  await advanceClock(cloud.endpoint, 300_000);
  const fresh = await eventually(
    async () => {
      const keys = (await keysOf(Bucket)).filter((key) => !known.includes(key));
      expect(keys).toHaveLength(2);
      return keys;
    },
    { why: 'one file of each kind has come' },
  );
  const ended = await cloudTime(cloud.endpoint);
  const part = arn.split(':loadbalancer/')[1]!;
  const rest = `${site.lab.account.id}_elasticloadbalancing_us-east-1_${part.replaceAll('/', '\\.')}_(\\d{8}T\\d{4})Z_${node.replaceAll('.', '\\.')}_[0-9a-z]{8}\\.log\\.gz$`;
  const folder = `^${root}/elasticloadbalancing/us-east-1/\\d{4}/\\d\\d/\\d\\d/`;
  const access = fresh.find((key) => new RegExp(`${folder}${rest}`).test(key))!;
  const connections = fresh.find((key) => new RegExp(`${folder}conn_log\\.${rest}`).test(key))!;
  expect(access).toBeDefined();
  expect(connections).toBeDefined();
  expect(Number(/_\d{8}T\d\d(\d\d)Z_/.exec(access)![1]) % 5).toBe(0);
  const entries = (await linesOf(Bucket, access)).map(fieldsOf);
  for (const entry of entries) {
    expect(entry, entry.join(' ')).toHaveLength(30);
    for (const at of [1, 21]) {
      expect(entry[at]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      expect(Date.parse(entry[at]!)).toBeGreaterThan(began - 5000);
      expect(Date.parse(entry[at]!)).toBeLessThanOrEqual(ended);
    }
    expect(entry[2]).toBe(part);
    expect(entry[3]).toMatch(/^198\.18\.\d+\.\d+:\d+$/);
    expect(entry[29]).toMatch(/^TID_[0-9a-f]+$/);
  }
  const find = (text: string, kind?: string): string[] =>
    entries.find((entry) => entry[12]!.includes(text) && (kind === undefined || entry[0] === kind))!;
  const plain = find('/hello');
  expect(plain).toEqual([
    ...['http', expect.any(String), part, expect.any(String), expect.stringMatching(/^10\.9\.1\.\d+:80$/)],
    ...[5, 6, 7].map(() => expect.stringMatching(/^\d+\.\d{3}$/)),
    ...['200', '200', expect.stringMatching(/^\d{2,3}$/), expect.stringMatching(/^\d{3}$/)],
    ...['"GET http://site.example.com:80/hello?x=1 HTTP/1.1"', '"tester/1.0 \\"quoted\\""', '-', '-', group],
    ...[expect.stringMatching(/^"Root=1-[0-9a-f]{8}-[0-9a-f]{24}"$/), '"-"', '"-"', '0', expect.any(String)],
    ...['"forward"', '"-"', '"-"', `"${plain[4]}"`, '"200"', '"-"', '"-"', expect.any(String)],
  ]);
  expect(find('/status').slice(8, 10)).toEqual(['404', '404']);
  const away = find('/away');
  expect([away[4], ...away.slice(5, 10)]).toEqual(['-', '-1', '-1', '-1', '301', '-']);
  expect([away[16], away[20], away[22]]).toEqual(['-', '7', '"redirect"']);
  expect(away[23]).toBe('"https://site.example.com:443/away?to=1"');
  expect(find('/garbage').slice(8, 10)).toEqual(['502', '-']);
  const malformed = entries.find((entry) => entry[8] === '400')!;
  expect(malformed[12]).toMatch(/^"- http:\/\/[\d.]+:80- -"$/);
  expect(malformed.slice(27, 29)).toEqual(['"Severe"', '"BadUri"']);
  expect(find('/doubt').slice(27, 29)).toEqual(['"Ambiguous"', '"UndefinedContentLengthSemantics"']);
  const https = find('/secret');
  expect([https[0], https[15], https[18], https[19]]).toEqual(['https', 'TLSv1.2', '"www.example.com"', `"${certificate}"`]);
  expect(https[14]).toMatch(/ECDHE.*GCM/);
  for (const kind of ['ws', 'wss']) expect(find('/chat', kind).slice(8, 10)).toEqual(['101', '101']);
  // Connections share their names with the requests that came over them.
  const lines = (await linesOf(Bucket, connections)).map(fieldsOf);
  for (const line of lines) expect(line, line.join(' ')).toHaveLength(12);
  const over = lines.find((line) => line[11] === https[29])!;
  expect(over.slice(3)).toEqual([
    ...['443', 'TLSv1.2', expect.stringMatching(/ECDHE/), expect.stringMatching(/^\d\.\d{3}$/), '"-"', '-', '-', 'Success'],
    https[29],
  ]);
  expect(lines.find((line) => line[11] === plain[29])!.slice(3, 11)).toEqual(['80', '-', '-', '-', '"-"', '-', '-', '-']);
  expect(lines.filter((line) => line[10] === 'Failed:UnmappedConnectionError')).toHaveLength(1);
}, 60_000);

/** The first line of the bucket's files of this form that matches, once five minutes have passed; does `act` again until there is one. */
async function nextLine(Bucket: string, form: RegExp, line: RegExp, act: () => Promise<unknown>): Promise<string[]> {
  return eventually(
    async () => {
      await act();
      await advanceClock(cloud.endpoint, 300_000);
      const files = (await keysOf(Bucket)).filter((key) => form.test(key));
      const lines = (await Promise.all(files.map((key) => linesOf(Bucket, key)))).flat();
      const found = lines.find((one) => line.test(one));
      expect(found, lines.join('\n')).toBeDefined();
      return found!.split(' ');
    },
    { why: `a line like ${line.source} has come` },
  );
}

test('a network load balancer logs its TLS connections, where the bucket lets the delivery of logs in', async () => {
  const Bucket = `tls-logs-${site.lab.account.id}`;
  await s3.createBucket({ Bucket });
  const nlb = (await site.balancer('secure', { Type: 'network' })).LoadBalancerArn!;
  const tcp = await site.group('tcp', { Protocol: 'TCP', HealthCheckProtocol: 'HTTP', HealthCheckTimeoutSeconds: 5 });
  const made = await site.elb.send(
    new CreateListenerCommand({
      ...{ LoadBalancerArn: nlb, Protocol: 'TLS', Port: 443, Certificates: [{ CertificateArn: certificate }] },
      DefaultActions: [{ Type: 'forward', TargetGroupArn: tcp }],
    }),
  );
  await site.elb.send(new RegisterTargetsCommand({ TargetGroupArn: tcp, Targets: [{ Id: server }] }));
  const turnOn = () =>
    site.elb.send(
      new ModifyLoadBalancerAttributesCommand({
        LoadBalancerArn: nlb,
        Attributes: [
          { Key: 'access_logs.s3.enabled', Value: 'true' },
          { Key: 'access_logs.s3.bucket', Value: Bucket },
        ],
      }),
    );
  await allow(Bucket, service);
  await refused(turnOn(), 'InvalidConfigurationRequest', `Access Denied for bucket: ${Bucket}. Please check S3bucket permission`);
  const Principal = { Service: 'delivery.logs.amazonaws.com' };
  const own = `arn:aws:s3:::${Bucket}`;
  const Condition = { StringEquals: { 's3:x-amz-acl': 'bucket-owner-full-control' } };
  const Statement = [
    { Effect: 'Allow', Principal, Action: 's3:PutObject', Resource: `${own}/AWSLogs/${site.lab.account.id}/*`, Condition },
    { Effect: 'Allow', Principal, Action: 's3:GetBucketAcl', Resource: own },
  ];
  await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  await turnOn();
  await site.all(tcp, 'healthy');
  const address = (await site.nodes(nlb))['us-east-1a']!;
  const connect = async (): Promise<void> => {
    const socket = await shake(address, 443, { servername: 'www.example.com' }, cloud.data);
    socket.write('GET /tls HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n');
    expect(await readAll(socket)).toContain('"/tls"');
    await expect(shake(address, 443, { minVersion: 'TLSv1.3' }, cloud.data)).rejects.toThrow();
  };
  const id = nlb.split(':loadbalancer/')[1]!;
  const name = `${site.lab.account.id}_elasticloadbalancing_us-east-1_${id.replaceAll('/', '\\.')}_\\d{8}T\\d{4}Z_[0-9a-z]{8}\\.log\\.gz`;
  const form = new RegExp(`^AWSLogs/${site.lab.account.id}/elasticloadbalancing/us-east-1/\\d{4}/\\d\\d/\\d\\d/${name}$`);
  const listener = made.Listeners![0]!.ListenerArn!.split('/').at(-1)!;
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
  const number = expect.stringMatching(/^\d+$/);
  const head = [
    ...['tls', '2.0', time, id, listener],
    ...[expect.stringMatching(/^198\.18\.0\.1:\d+$/), expect.stringMatching(/^10\.9\.1\.\d+:443$/), number, number],
  ];
  expect(await nextLine(Bucket, form, / tlsv12 /, connect)).toEqual([
    ...head,
    ...[expect.stringMatching(/^[1-9]\d+$/), expect.stringMatching(/^[1-9]\d+$/), '-', certificate, '-'],
    ...[expect.stringMatching(/^ECDHE-RSA-AES\d+-GCM-SHA\d+$/), 'tlsv12', '-', 'www.example.com', '-', '-', '-', time],
  ]);
  expect(await nextLine(Bucket, form, / 0 0 - - /, connect)).toEqual([
    ...head,
    '0',
    '0',
    '-',
    '-',
    '-',
    '-',
    '-',
    '-',
    '-',
    '-',
    '-',
    '-',
    time,
  ]);
}, 60_000);

test('health check logs tell what each node found at each target', async () => {
  const Bucket = `health-logs-${site.lab.account.id}`;
  const on = {
    'health_check_logs.s3.enabled': 'true',
    'health_check_logs.s3.bucket': Bucket,
    'health_check_logs.s3.prefix': 'checks',
  };
  await s3.createBucket({ Bucket });
  await refused(set(on), 'InvalidConfigurationRequest', `Access Denied for bucket: ${Bucket}. Please check S3bucket permission`);
  await allow(Bucket, service, 'checks/');
  await set(on);
  const root = `checks/AWSLogs/${site.lab.account.id}`;
  expect(await keysOf(Bucket)).toEqual([`${root}/ELBHealthCheckLogTestFile`]);
  const part = arn.split(':loadbalancer/')[1]!;
  const name = `health_check_log_${site.lab.account.id}_elasticloadbalancing_us-east-1_${part.replaceAll('/', '\\.')}_\\d{8}T\\d{4}Z_${node.replaceAll('.', '\\.')}_[0-9a-z]{8}\\.log\\.gz`;
  const form = new RegExp(`^${root}/elasticloadbalancing/us-east-1/\\d{4}/\\d\\d/\\d\\d/${name}$`);
  const found = (line: RegExp) => nextLine(Bucket, form, line, async () => {});
  const common = (entry: string[]) => {
    expect(entry[0]).toBe('http');
    expect(entry[1]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(entry[2]).toMatch(/^\d+\.\d{9}$/);
    expect(entry[3]).toMatch(/^10\.9\.1\.\d+:80$/);
    expect(entry[4]).toBe('web');
    expect(entry.slice(8)).toEqual([part, node]);
  };
  common(await found(/ PASS 200 - /));
  await get(node, '/set?503', { data: cloud.data });
  common(await found(/ FAIL 503 TargetError /));
  await get(node, '/set?404', { data: cloud.data });
  common(await found(/ FAIL 404 ResponseCodeMismatch /));
}, 60_000);

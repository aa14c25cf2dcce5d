/** Query logs, and what they show of resolvers that keep answers for their time to live. */
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import type { Instance } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab } from '../ec2/support.ts';
import { digRefused, parseDig, ZoneLab } from './support.ts';

describe('query logs', () => {
  let cloud: OwnCloud;
  let lab: Lab;
  let zone: ZoneLab;
  let logs: CloudWatchLogs;
  let client: Instance;

  beforeEach((context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    context.skip(digRefused !== undefined, digRefused);
  });
  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud({ args: [] });
    lab = new Lab(cloud.endpoint);
    zone = await new ZoneLab(cloud.endpoint).open();
    logs = new CloudWatchLogs(zone.account.config());
    const network = await lab.network('10.93');
    client = await lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
  }, 90_000);
  afterAll(async () => void (await cloud?.stop()));

  const ask = async (label: string) =>
    parseDig(await lab.run(client.PublicIpAddress!, `dig +time=2 +tries=1 ${zone.name(label)} || true`)).answer[0];
  const group = (name: string, region = 'us-east-1') => `arn:aws:logs:${region}:${zone.account.id}:log-group:${name}`;
  const configure = (CloudWatchLogsLogGroupArn: string, HostedZoneId = zone.id) =>
    zone.client.createQueryLoggingConfig({ HostedZoneId, CloudWatchLogsLogGroupArn });
  /** Lines of a name, without their time. */
  const lines = async (label: string) => {
    const { events = [] } = await logs.filterLogEvents({
      logGroupName: '/dns',
      filterPattern: `"${zone.name(label).slice(0, -1)}"`,
    });
    return events.map(({ message }) => message!.split(' ').filter((_word, index) => index !== 1));
  };

  test('a configuration needs a log group of us-east-1 that Route 53 may write to', async () => {
    await refused(configure(group('/dns')), 'NoSuchCloudWatchLogsLogGroup', undefined, 404);
    await logs.createLogGroup({ logGroupName: '/dns' });
    await refused(
      configure(group('/dns')),
      'InsufficientCloudWatchLogsResourcePolicy',
      /The ARN for the CloudWatch Logs log group is/,
    );
    await refused(configure(group('/dns', 'eu-west-1')), 'InvalidInput', 'The log group must be in the Region us-east-1.');
    await refused(configure('nonsense'), 'InvalidInput', 'The ARN of the log group is not valid: nonsense');
    await refused(configure(group('/dns'), 'Z0000'), 'NoSuchHostedZone', undefined, 404);
    await logs.putResourcePolicy({
      policyName: 'dns',
      policyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: {
          Effect: 'Allow',
          Principal: { Service: 'route53.amazonaws.com' },
          Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          Resource: `${group('/dns')}:*`,
        },
      }),
    });
    const { QueryLoggingConfig: made } = await configure(group('/dns'));
    expect(made).toMatchObject({ HostedZoneId: zone.id, CloudWatchLogsLogGroupArn: group('/dns') });
    await refused(configure(group('/dns')), 'QueryLoggingConfigAlreadyExists', undefined, 409);
    expect((await zone.client.listQueryLoggingConfigs({ HostedZoneId: zone.id })).QueryLoggingConfigs).toEqual([made]);
    expect((await zone.client.getQueryLoggingConfig({ Id: made!.Id! })).QueryLoggingConfig).toEqual(made);
    await refused(zone.client.getQueryLoggingConfig({ Id: 'none' }), 'NoSuchQueryLoggingConfig', undefined, 404);
    await zone.put(zone.record('first', 'A', ['192.0.2.1']));
    await zone.dig('first', 'A', '+subnet=203.0.113.0/24');
    await zone.dig('nothing', 'A', '+tcp');
    const words = (label: string) => zone.name(label).slice(0, -1);
    await eventually(
      async () => {
        expect(await lines('first')).toEqual([
          ['1.0', zone.id, words('first'), 'A', 'NOERROR', 'UDP', 'IAD12', '127.0.0.1', '203.0.113.0/24'],
        ]);
        expect(await lines('nothing')).toEqual([
          ['1.0', zone.id, words('nothing'), 'A', 'NXDOMAIN', 'TCP', 'IAD12', '127.0.0.1', '-'],
        ]);
      },
      { why: 'the lines are in the log' },
    );
  });

  test('R53-020 a resolver keeps an answer for its TTL and does not ask again meanwhile', async () => {
    await zone.put(zone.record('kept', 'A', ['192.0.2.1'], { TTL: 300 }));
    expect((await ask('kept'))?.ttl).toBe(300);
    await advanceClock(cloud.endpoint, 100_000);
    const later = (await ask('kept'))!.ttl;
    expect(later).toBeGreaterThan(190);
    expect(later).toBeLessThanOrEqual(200);
    await ask('kept');
    expect((await zone.dig('kept')).answer[0]?.ttl).toBe(300);
    // Of three look-ups through the resolver one came to the name server; dig asked there itself.
    await eventually(async () => expect(await lines('kept')).toHaveLength(2), { why: 'two lines' });
    await advanceClock(cloud.endpoint, 201_000);
    expect((await ask('kept'))?.ttl).toBe(300);
    await eventually(async () => expect(await lines('kept')).toHaveLength(3), { why: 'the first look-up after the TTL' });
    expect(new Set((await lines('kept')).map((line) => line.at(-2)))).toEqual(new Set(['169.254.169.253', '127.0.0.1']));
  });

  test('R53-022 a low TTL brings changes quickly, at the price of more queries', async () => {
    await zone.put(zone.record('low', 'A', ['192.0.2.1'], { TTL: 60 }), zone.record('high', 'A', ['192.0.2.1'], { TTL: 86_400 }));
    const both = `for n in low high; do dig +short +time=2 +tries=1 $n.${zone.name()}; done`;
    // Only what the test moves passes, however busy the machine is.
    await admin('POST', 'clock', { speed: 0 }, cloud.endpoint);
    for (let second = 0; second < 600; second += 1) {
      await lab.run(client.PublicIpAddress!, both);
      await advanceClock(cloud.endpoint, 1000);
    }
    await admin('POST', 'clock', { speed: 1 }, cloud.endpoint);
    await eventually(async () => expect((await lines('low')).length).toBeGreaterThanOrEqual(9), { why: 'the lines are there' });
    expect((await lines('low')).length).toBeLessThanOrEqual(11);
    expect(await lines('high')).toHaveLength(1);
    await zone.put(zone.record('low', 'A', ['192.0.2.2'], { TTL: 60 }), zone.record('high', 'A', ['192.0.2.2'], { TTL: 86_400 }));
    await advanceClock(cloud.endpoint, 60_000);
    expect([(await ask('low'))?.data, (await ask('high'))?.data]).toEqual(['192.0.2.2', '192.0.2.1']);
  }, 120_000);

  test('without its configuration a zone leaves no line', async () => {
    const [made] = (await zone.client.listQueryLoggingConfigs({})).QueryLoggingConfigs!;
    await zone.client.deleteQueryLoggingConfig({ Id: made!.Id! });
    await refused(zone.client.deleteQueryLoggingConfig({ Id: made!.Id! }), 'NoSuchQueryLoggingConfig');
    await zone.put(zone.record('silent', 'A', ['192.0.2.1']));
    await zone.dig('silent');
    const { QueryLoggingConfig: again } = await configure(group('/dns'));
    await zone.put(zone.record('loud', 'A', ['192.0.2.1']));
    await zone.dig('loud');
    await eventually(async () => expect(await lines('loud')).toHaveLength(1), { why: 'a later line' });
    expect([await lines('silent'), again?.HostedZoneId]).toEqual([[], zone.id]);
  });
});

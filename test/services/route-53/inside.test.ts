/** Health checks that probe a real instance by the cloud's clock, and zones as instances see them, private ones among them. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { type Instance, ModifyVpcAttributeCommand } from '@aws-sdk/client-ec2';
import { type HealthCheckConfig, type HealthCheckRegion, type ResourceRecordSet, Route53 } from '@aws-sdk/client-route-53';
import { S3 } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab, type Network } from '../ec2/support.ts';
import { digRefused, parseDig, ZoneLab } from './support.ts';

const checkers = '198.18.0.128/25';
/** Six checkers are enough where their number does not matter. */
const few: HealthCheckRegion[] = ['us-east-1', 'eu-west-1', 'sa-east-1'];

describe('zones and health checks inside', () => {
  let cloud: OwnCloud;
  let lab: Lab;
  let zone: ZoneLab;
  let network: Network;
  let other: Network;
  let a: Instance;
  let b: Instance;
  let client: Route53;
  let reference = 0;

  beforeEach((context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    context.skip(digRefused !== undefined, digRefused);
  });

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud({ args: [] });
    lab = new Lab(cloud.endpoint);
    client = new Route53(lab.account.config());
    zone = await new ZoneLab(cloud.endpoint).open();
    [network, other] = await Promise.all([lab.network('10.71'), lab.network('10.72')]);
    for (const { vpcId } of [network, other])
      await lab.ec2.send(new ModifyVpcAttributeCommand({ VpcId: vpcId, EnableDnsHostnames: { Value: true } }));
    await lab.allow(network.groupId, 'tcp', 81, 81, checkers);
    [a, b] = (await Promise.all(
      [network, other].map(({ subnetId, groupId }) => lab.launchAgent({ SubnetId: subnetId, SecurityGroupIds: [groupId] })),
    )) as [Instance, Instance];
  }, 90_000);
  afterAll(async () => void (await cloud?.stop()));
  /** What is watched no longer must not slow the rounds of later tests. */
  afterEach(async () => {
    if (zone === undefined) return;
    const { HealthChecks = [] } = await zone.client.listHealthChecks({});
    const parentsFirst = HealthChecks.sort((one) => (one.HealthCheckConfig?.Type === 'CALCULATED' ? -1 : 1));
    for (const { Id } of parentsFirst) await zone.client.deleteHealthCheck({ HealthCheckId: Id! });
  });

  const run = (at: Instance, command: string) => lab.run(at.PublicIpAddress!, command);
  /** dig at an instance, through its resolver unless `words` name another server. */
  const ask = async (at: Instance, words: string) => parseDig(await run(at, `dig +time=2 +tries=1 ${words} || true`));
  const make = async (config: Partial<HealthCheckConfig>, as: Route53 = zone.client): Promise<string> => {
    reference += 1;
    const base = { Type: 'HTTP' as const, IPAddress: a.PublicIpAddress!, RequestInterval: 10, Regions: few };
    const given = config.Type === 'CALCULATED' || config.Type === 'CLOUDWATCH_METRIC' ? {} : base;
    const made = await as.createHealthCheck({
      CallerReference: `r${reference}`,
      HealthCheckConfig: { ...given, ...config } as HealthCheckConfig,
    });
    return made.HealthCheck!.Id!;
  };
  const rounds = async (count: number) => {
    for (let i = 0; i < count; i += 1) await advanceClock(cloud.endpoint, 10_000);
  };
  const statuses = async (id: string) =>
    ((await zone.client.getHealthCheckStatus({ HealthCheckId: id })).HealthCheckObservations ?? []).map(
      ({ StatusReport }) => StatusReport!.Status!,
    );
  /** Which of two answers a failover record gives, whose primary has this check: what the check's verdict is. */
  const verdict = async (id: string): Promise<string | undefined> => {
    const label = `v-${id.slice(0, 8)}`;
    const put = (SetIdentifier: 'PRIMARY' | 'SECONDARY', value: string) =>
      zone.record(label, 'A', [value], {
        SetIdentifier,
        Failover: SetIdentifier,
        TTL: 1,
        ...(SetIdentifier === 'PRIMARY' ? { HealthCheckId: id } : {}),
      });
    await zone.put(put('PRIMARY', '192.0.2.1'), put('SECONDARY', '192.0.2.2'));
    return (await zone.dig(label)).answer[0]?.data === '192.0.2.1' ? 'healthy' : 'unhealthy';
  };

  test('R53-006 R53-009 name servers and the VPC resolver answer on port 53, by UDP and TCP', async () => {
    await zone.put(zone.record('www', 'A', ['192.0.2.53']));
    const server = (await ask(a, zone.nameServers[0]!)).answer[0]!.data;
    for (const words of [`@${server}`, `@${server} +tcp`, '', '+tcp'])
      expect((await ask(a, `${words} ${zone.name('www')}`)).answer, words).toMatchObject([{ data: '192.0.2.53' }]);
  });

  test('R53-018 a CNAME leads elsewhere, an NS record hands a subdomain on', async () => {
    const child = await new ZoneLab(cloud.endpoint).open(`dev.${zone.name()}`);
    await child.put(child.record('x', 'A', ['192.0.2.77']));
    await zone.put(
      zone.record(
        'dev',
        'NS',
        child.nameServers.map((name) => `${name}.`),
      ),
      zone.record('cn', 'CNAME', [child.name('x')]),
    );
    expect((await ask(a, `x.dev.${zone.name()}`)).answer).toMatchObject([{ data: '192.0.2.77' }]);
    expect((await ask(a, zone.name('cn'))).answer).toMatchObject([{ type: 'CNAME' }, { type: 'A', data: '192.0.2.77' }]);
  });

  test('R53-021 a resolver keeps an answer for its TTL, the name server has the new one at once', async () => {
    await zone.put(zone.record('kept', 'A', ['192.0.2.1'], { TTL: 86_400 }));
    expect((await ask(a, zone.name('kept'))).answer[0]).toMatchObject({ ttl: 86_400, data: '192.0.2.1' });
    await zone.put(zone.record('kept', 'A', ['192.0.2.2'], { TTL: 86_400 }));
    expect((await zone.dig('kept')).answer[0]?.data).toBe('192.0.2.2');
    await advanceClock(cloud.endpoint, 3_600_000);
    const later = (await ask(a, zone.name('kept'))).answer[0]!;
    expect([later.data, later.ttl <= 82_800, later.ttl > 82_000]).toEqual(['192.0.2.1', true, true]);
    await advanceClock(cloud.endpoint, 23 * 3_600_000);
    expect((await ask(a, zone.name('kept'))).answer[0]?.data).toBe('192.0.2.2');
  });

  test('R53-030 a bucket with a website is served under a record of its own name, and under no other', async () => {
    const s3 = new S3({ ...zone.account.config(), forcePathStyle: true });
    const Bucket = zone.name('site').replace(/\.$/, '');
    await s3.createBucket({ Bucket });
    await s3.deletePublicAccessBlock({ Bucket });
    const read = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` };
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement: [read] }) });
    await s3.putObject({ Bucket, Key: 'index.html', Body: 'this is the site', ContentType: 'text/html' });
    await s3.putBucketWebsite({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' } } });
    const to = (label: string, DNSName: string): ResourceRecordSet => ({
      Name: zone.name(label),
      Type: 'A',
      AliasTarget: { HostedZoneId: 'Z3AQBSTGFYJSTF', DNSName, EvaluateTargetHealth: false },
    });
    const endpoint = 's3-website-us-east-1.amazonaws.com';
    await zone.put(to('site', endpoint), to('other', endpoint), to('direct', `${Bucket}.${endpoint}`));
    const visit = (label: string, words = '') =>
      run(a, `curl -s -m 5 ${words} -w ' %{http_code}' http://${zone.name(label).slice(0, -1)}/`);
    expect(await visit('site')).toBe('this is the site 200');
    for (const label of ['other', 'direct']) {
      const answer = await visit(label);
      expect(answer).toMatch(/404 Not Found[\s\S]*NoSuchBucket[\s\S]*The specified bucket does not exist[\s\S]* 404$/);
      expect(answer).toContain(`BucketName: ${zone.name(label).slice(0, -1)}`);
    }
    expect(await visit('site', '-X POST')).toMatch(/MethodNotAllowed[\s\S]* 405$/);
    await s3.deleteBucketWebsite({ Bucket });
    expect(await visit('site')).toMatch(/NoSuchWebsiteConfiguration[\s\S]* 404$/);
    for (const name of [`${Bucket}.s3.amazonaws.com`, 's3.us-east-1.amazonaws.com'])
      await refused(
        zone.change({ Action: 'CREATE', ResourceRecordSet: to('rest', name) }),
        'InvalidChangeBatch',
        /but the alias target name does not lie within the target zone/,
      );
  });

  test('R53-010 R53-011 a private zone answers in its VPCs only, and hides the public one there', async () => {
    const name = `app.${zone.name()}`;
    const open = await new ZoneLab(cloud.endpoint).open(name);
    await open.put(open.record('www', 'A', ['192.0.2.80']));
    const own = { VPCId: network.vpcId, VPCRegion: 'us-east-1' as const };
    const made = await client.createHostedZone({ Name: name, CallerReference: 'private', VPC: own });
    const HostedZoneId = made.HostedZone!.Id!.split('/').at(-1)!;
    const record = (label: string, Value: string) => ({
      Name: `${label}.${name}`,
      Type: 'A' as const,
      TTL: 5,
      ResourceRecords: [{ Value }],
    });
    await client.changeResourceRecordSets({
      HostedZoneId,
      ChangeBatch: {
        Changes: [
          { Action: 'CREATE', ResourceRecordSet: record('www', '10.71.1.80') },
          { Action: 'CREATE', ResourceRecordSet: record('only', '10.71.1.81') },
        ],
      },
    });
    await eventually(async () => expect((await ask(a, `www.${name}`)).answer[0]?.data).toBe('10.71.1.80'), {
      why: 'private answer',
    });
    expect((await ask(b, `www.${name}`)).answer[0]?.data).toBe('192.0.2.80');
    expect((await open.dig('www')).answer[0]?.data).toBe('192.0.2.80');
    expect([
      (await ask(a, `only.${name}`)).answer[0]?.data,
      (await ask(b, `only.${name}`)).status,
      (await open.dig('only')).status,
    ]).toEqual(['10.71.1.81', 'NXDOMAIN', 'NXDOMAIN']);
    const second = { VPCId: other.vpcId, VPCRegion: 'us-east-1' as const };
    await client.associateVPCWithHostedZone({ HostedZoneId, VPC: second });
    await eventually(async () => expect((await ask(b, `only.${name}`)).answer[0]?.data).toBe('10.71.1.81'), {
      why: 'the association',
    });
    await refused(
      client.associateVPCWithHostedZone({ HostedZoneId, VPC: second }),
      'ConflictingDomainExists',
      /has already been associated with the hosted zone/,
    );
    await client.disassociateVPCFromHostedZone({ HostedZoneId, VPC: second });
    await refused(client.disassociateVPCFromHostedZone({ HostedZoneId, VPC: own }), 'LastVPCAssociation');
    await refused(client.associateVPCWithHostedZone({ HostedZoneId: open.id, VPC: second }), 'PublicZoneVPCAssociation');
  });

  test("another account's VPC needs the zone owner's authorisation", async () => {
    const stranger = new Lab(cloud.endpoint);
    const theirs = { VPCId: await stranger.vpc('10.73.0.0/16'), VPCRegion: 'us-east-1' as const };
    const made = await client.createHostedZone({
      Name: 'shared.internal',
      CallerReference: 'shared',
      VPC: { VPCId: network.vpcId, VPCRegion: 'us-east-1' },
    });
    const HostedZoneId = made.HostedZone!.Id!.split('/').at(-1)!;
    const route53 = new Route53(stranger.account.config());
    await refused(route53.associateVPCWithHostedZone({ HostedZoneId, VPC: theirs }), 'NotAuthorizedException');
    await client.createVPCAssociationAuthorization({ HostedZoneId, VPC: theirs });
    await route53.associateVPCWithHostedZone({ HostedZoneId, VPC: theirs });
    expect((await client.getHostedZone({ Id: HostedZoneId })).VPCs).toHaveLength(2);
    const missing = { VPCId: 'vpc-00000000000000000', VPCRegion: 'us-east-1' as const };
    await refused(client.createHostedZone({ Name: 'x.internal', CallerReference: 'x', VPC: missing }), 'InvalidVPCId');
  });

  test('checkers of eight Regions probe, and tell DNS, the API and CloudWatch', async () => {
    await run(a, 'touch /up');
    const id = await make({ ResourcePath: '/?test%20-e%20/up', Regions: undefined });
    await rounds(1);
    const seen = (await zone.client.getHealthCheckStatus({ HealthCheckId: id })).HealthCheckObservations!;
    expect([seen.length, new Set(seen.map(({ Region }) => Region)).size]).toEqual([16, 8]);
    expect(seen[0]!.StatusReport!.Status).toBe('Success: HTTP Status Code 200, OK');
    expect(await verdict(id)).toBe('healthy');
    await run(a, 'rm /up');
    await rounds(3);
    expect(await verdict(id)).toBe('unhealthy');
    const cloudwatch = new CloudWatch(zone.account.config());
    const { Metrics } = await cloudwatch.listMetrics({
      Namespace: 'AWS/Route53',
      Dimensions: [{ Name: 'HealthCheckId', Value: id }],
    });
    expect(Metrics?.map(({ MetricName }) => MetricName).sort()).toEqual(['HealthCheckPercentageHealthy', 'HealthCheckStatus']);
    const reasons = (await zone.client.getHealthCheckLastFailureReason({ HealthCheckId: id })).HealthCheckObservations!;
    expect(reasons[0]!.StatusReport!.Status).toBe('Failure: HTTP Status Code 500, Internal Server Error');
    await run(a, 'touch /up');
    await rounds(3);
    expect(await verdict(id)).toBe('healthy');
  });

  test('R53-062 a text counts in the first 5,120 bytes only', async () => {
    const page = (before: number) => `/?head%20-c%20${before}%20/dev/zero;echo%20GOOD`;
    const match = { Type: 'HTTP_STR_MATCH' as const, SearchString: 'GOOD', FailureThreshold: 1 };
    const [early, late, never] = await Promise.all([
      make({ ...match, ResourcePath: page(5000) }),
      make({ ...match, ResourcePath: page(5120) }),
      make({ ...match, ResourcePath: '/?true' }),
    ]);
    await rounds(1);
    expect([await verdict(early), await verdict(late), await verdict(never)]).toEqual(['healthy', 'unhealthy', 'unhealthy']);
    expect((await statuses(never))[0]).toMatch(
      /^Failure: HTTP Status Code 200, OK\. The response body does not contain the search string/,
    );
  });

  test('R53-064 a checker turns after three results in a row, or after as many as are set', async () => {
    await run(a, 'touch /three');
    const path = '/?test%20-e%20/three';
    const id = await make({ ResourcePath: path });
    expect((await zone.client.getHealthCheck({ HealthCheckId: id })).HealthCheck?.HealthCheckConfig?.FailureThreshold).toBe(3);
    await rounds(1);
    await run(a, 'rm /three');
    await rounds(2);
    expect(await verdict(id)).toBe('healthy');
    await rounds(1);
    expect(await verdict(id)).toBe('unhealthy');
    for (const good of [1, 10]) await make({ ResourcePath: path, FailureThreshold: good });
    for (const bad of [0, 11])
      await refused(make({ FailureThreshold: bad }), 'InvalidInput', /healthCheckConfig\.failureThreshold/);
  });

  test('R53-068 R53-066 R53-060 security groups must let checkers in; more than 18 % of them suffice', async () => {
    await run(a, 'python3 -m http.server 82 --directory /tmp > /dev/null 2>&1 & sleep 1');
    await run(a, 'python3 -m http.server 81 --directory /tmp > /dev/null 2>&1 & echo $! > /pid81; sleep 1');
    const shut = await make({ Port: 82, FailureThreshold: 1, Regions: undefined });
    const open = await make({ Type: 'TCP', Port: 81, FailureThreshold: 1 });
    await rounds(1);
    expect([await verdict(shut), await verdict(open)]).toEqual(['unhealthy', 'healthy']);
    expect((await statuses(shut))[0]).toBe('Failure: Connection timed out');
    const { CheckerIpRanges = [] } = await zone.client.getCheckerIpRanges({});
    expect(CheckerIpRanges).toHaveLength(8);
    const ips = (await zone.client.getHealthCheckStatus({ HealthCheckId: shut })).HealthCheckObservations!.map(
      ({ IPAddress }) => IPAddress!,
    );
    for (const ip of ips.slice(0, 2)) await lab.allow(network.groupId, 'tcp', 82, 82, `${ip}/32`);
    await rounds(1);
    expect(await verdict(shut)).toBe('unhealthy');
    await lab.allow(network.groupId, 'tcp', 82, 82, `${ips[2]}/32`);
    await rounds(1);
    expect(await verdict(shut)).toBe('healthy');
    for (const range of CheckerIpRanges) await lab.allow(network.groupId, 'tcp', 82, 82, range);
    await rounds(1);
    expect((await statuses(shut)).every((status) => status.startsWith('Success'))).toBe(true);
    await run(a, 'kill $(cat /pid81)');
    await rounds(1);
    expect(await verdict(open)).toBe('unhealthy');
    expect((await statuses(open))[0]).toBe('Failure: Connection refused');
  }, 90_000);

  test('R53-069 R53-070 R53-071 calculated checks count their children, up to 256', async () => {
    const [one, two, three] = await Promise.all([
      make({ ResourcePath: '/?true' }),
      make({ ResourcePath: '/?test%20-e%20/c2', FailureThreshold: 1 }),
      make({ ResourcePath: '/?test%20-e%20/c3', FailureThreshold: 1 }),
    ]);
    const ChildHealthChecks = [one!, two!, three!];
    const sum = (HealthThreshold: number, more = {}) => make({ Type: 'CALCULATED', HealthThreshold, ChildHealthChecks, ...more });
    const [atLeast, or, and, not, always, never] = await Promise.all([
      sum(2),
      sum(1),
      sum(3),
      sum(3, { Inverted: true }),
      sum(0),
      sum(4),
    ]);
    await run(a, 'touch /c2; rm -f /c3');
    await rounds(1);
    const all = async () => Promise.all([atLeast, or, and, not, always, never].map((id) => verdict(id!)));
    expect(await all()).toEqual(['healthy', 'healthy', 'unhealthy', 'healthy', 'healthy', 'unhealthy']);
    await run(a, 'rm /c2');
    await rounds(1);
    expect(await all()).toEqual(['unhealthy', 'healthy', 'unhealthy', 'healthy', 'healthy', 'unhealthy']);
    const many = (count: number) =>
      make({ Type: 'CALCULATED', HealthThreshold: 1, ChildHealthChecks: Array.from({ length: count }, () => one!) });
    await many(255);
    await refused(many(257), 'InvalidInput', /childHealthChecks/);
    await refused(zone.client.deleteHealthCheck({ HealthCheckId: one! }), 'HealthCheckInUse');
  });

  test('R53-059 what a health check may be', async () => {
    const { HealthCheck } = await zone.client.createHealthCheck({
      CallerReference: 'plain',
      HealthCheckConfig: { Type: 'HTTPS', IPAddress: a.PublicIpAddress! },
    });
    expect(HealthCheck?.HealthCheckConfig).toMatchObject({
      RequestInterval: 30,
      FailureThreshold: 3,
      Port: 443,
      EnableSNI: true,
    });
    await refused(make({ RequestInterval: 20 }), 'InvalidInput', /RequestInterval must be 10 or 30/);
    await refused(make({ Regions: ['us-east-1', 'eu-west-1'] }), 'InvalidInput', /regions/);
    await refused(
      make({ IPAddress: '10.0.0.5' }),
      'InvalidInput',
      'Invalid parameter : IP address 10.0.0.5 is in a private or reserved range',
    );
    const id = await make({ ResourcePath: '/?true', Regions: ['us-east-1', 'eu-west-1', 'sa-east-1'] });
    await make({ Type: 'TCP', Port: 81 });
    await make({ Type: 'CALCULATED', HealthThreshold: 0 });
    await make({ Type: 'CLOUDWATCH_METRIC', AlarmIdentifier: { Name: 'any', Region: 'us-east-1' } });
    await rounds(1);
    const seen = (await zone.client.getHealthCheckStatus({ HealthCheckId: id })).HealthCheckObservations!;
    expect([...new Set(seen.map(({ Region }) => Region))].sort()).toEqual(['eu-west-1', 'sa-east-1', 'us-east-1']);
  });

  test('R53-072 a check on an alarm follows it, and DNS fails over', async () => {
    const cloudwatch = new CloudWatch(zone.account.config());
    const alarm = {
      AlarmName: 'private',
      Namespace: 'App',
      MetricName: 'load',
      Statistic: 'Average' as const,
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 10,
      ComparisonOperator: 'GreaterThanThreshold' as const,
    };
    await cloudwatch.putMetricAlarm(alarm);
    const on = (InsufficientDataHealthStatus: 'Healthy' | 'Unhealthy' | 'LastKnownStatus') =>
      make({
        Type: 'CLOUDWATCH_METRIC',
        AlarmIdentifier: { Name: 'private', Region: 'us-east-1' },
        InsufficientDataHealthStatus,
      });
    const [good, bad, last] = await Promise.all([on('Healthy'), on('Unhealthy'), on('LastKnownStatus')]);
    const all = async () => Promise.all([good!, bad!, last!].map(verdict));
    expect(await all()).toEqual(['healthy', 'unhealthy', 'healthy']);
    const put = async (StateValue: 'ALARM' | 'OK' | 'INSUFFICIENT_DATA', wanted: string[]) => {
      await cloudwatch.setAlarmState({ AlarmName: 'private', StateValue, StateReason: 'test' });
      await eventually(async () => expect(await all()).toEqual(wanted), { why: `verdicts after ${StateValue}` });
    };
    await put('ALARM', ['unhealthy', 'unhealthy', 'unhealthy']);
    await put('INSUFFICIENT_DATA', ['healthy', 'unhealthy', 'unhealthy']);
    await put('OK', ['healthy', 'healthy', 'healthy']);
  });

  test('R53-043 R53-048 R53-056 records whose check fails step back, and all of them answer when none is left', async () => {
    await run(a, 'touch /h1 /h2');
    const [one, two] = await Promise.all(
      ['/h1', '/h2'].map((file) => make({ ResourcePath: `/?test%20-e%20${file}`, FailureThreshold: 1 })),
    );
    const set = (label: string, SetIdentifier: string, value: string, HealthCheckId: string | undefined, more: object) =>
      zone.record(label, 'A', [value], { SetIdentifier, ...(HealthCheckId === undefined ? {} : { HealthCheckId }), ...more });
    await zone.put(
      set('w', '1', '192.0.2.1', one, { Weight: 1 }),
      set('w', '2', '192.0.2.2', two, { Weight: 1 }),
      set('l', '1', '192.0.2.1', one, { Region: 'us-east-1' }),
      set('l', '2', '192.0.2.2', two, { Region: 'ap-northeast-2' }),
      set('g', '1', '192.0.2.1', one, { GeoLocation: { CountryCode: 'DE' } }),
      set('g', '2', '192.0.2.2', two, { GeoLocation: { CountryCode: '*' } }),
      set('m', '1', '192.0.2.1', one, { MultiValueAnswer: true }),
      set('m', '2', '192.0.2.2', two, { MultiValueAnswer: true }),
      set('m', '3', '192.0.2.3', undefined, { MultiValueAnswer: true }),
    );
    const admin = await fetch(`${cloud.endpoint}/_pilvi/places`, {
      method: 'POST',
      body: JSON.stringify({
        places: [{ cidr: '203.0.113.0/24', continent: 'EU', country: 'DE', latitude: 38.9, longitude: -77.4 }],
      }),
    });
    expect(admin.status).toBe(200);
    const answers = async (label: string) => {
      const seen = new Set<string>();
      for (let i = 0; i < 12; i += 1)
        for (const { data } of (await zone.dig(label, 'A', '+subnet=203.0.113.5/32')).answer) seen.add(data);
      return [...seen]
        .sort()
        .map((one) => one.slice(-1))
        .join('');
    };
    const all = async () => [await answers('w'), await answers('l'), await answers('g'), await answers('m')];
    await rounds(1);
    expect(await all()).toEqual(['12', '1', '1', '123']);
    await run(a, 'rm /h1');
    await rounds(1);
    expect(await all()).toEqual(['2', '2', '2', '23']);
    await run(a, 'rm /h2');
    await rounds(1);
    expect(await all()).toEqual(['12', '1', '1', '3']);
    await run(a, 'touch /h1 /h2');
    await rounds(1);
    expect(await all()).toEqual(['12', '1', '1', '123']);
  }, 60_000);

  test('R53-045 a non-alias primary needs a check, and there is one of each', async () => {
    const set = (SetIdentifier: string, Failover: 'PRIMARY' | 'SECONDARY', more = {}) =>
      zone.record('fo', 'A', ['192.0.2.1'], { SetIdentifier, Failover, ...more });
    const create = (ResourceRecordSet: ReturnType<typeof set>) => zone.change({ Action: 'CREATE', ResourceRecordSet });
    await refused(
      create(set('p', 'PRIMARY')),
      'InvalidChangeBatch',
      /A non-alias primary ResourceRecordSet must have an associated health check/,
    );
    const HealthCheckId = await make({ Type: 'CALCULATED', HealthThreshold: 1 });
    await zone.put(
      set('p', 'PRIMARY', { HealthCheckId }),
      zone.record('fo', 'A', ['192.0.2.2'], { SetIdentifier: 's', Failover: 'SECONDARY', HealthCheckId }),
    );
    await refused(create(set('p2', 'PRIMARY', { HealthCheckId })), 'InvalidChangeBatch', /failover PRIMARY cannot be created/);
    await refused(create(set('s2', 'SECONDARY')), 'InvalidChangeBatch', /failover SECONDARY cannot be created/);
    expect((await zone.dig('fo')).answer[0]?.data).toBe('192.0.2.1');
  });
});

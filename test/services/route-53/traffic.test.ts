/** What happens around an answer: clients connect by themselves, servers stop and start, checkers come as a server's own log shows them. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { type Instance, ModifyVpcAttributeCommand } from '@aws-sdk/client-ec2';
import type { HealthCheckConfig, HealthCheckRegion } from '@aws-sdk/client-route-53';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab, type Network } from '../ec2/support.ts';
import { askMany } from './many.ts';
import { digRefused, parseDig, ZoneLab } from './support.ts';

const checkers = '198.18.0.128/25';
const three: HealthCheckRegion[] = ['us-east-1', 'eu-west-1', 'sa-east-1'];

/** A server on port 81 that answers the status in the path, and writes a line for each request. On 8443 the same behind a certificate of its own. */
const server = `
import http.server, ssl, threading, os
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open('/web.log', 'a') as log:
            log.write(self.client_address[0] + ' ' + self.path + ' ' + self.headers.get('user-agent', '') + '\\n')
        self.send_response(int(self.path.strip('/') or 200))
        self.send_header('location', '/500')
        self.end_headers()
    def log_message(self, *words):
        pass
os.system('openssl req -x509 -newkey rsa:2048 -nodes -keyout /key.pem -out /cert.pem -days 2 -subj /CN=nobody 2> /dev/null')
tls = http.server.ThreadingHTTPServer(('0.0.0.0', 8443), Server)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/cert.pem', '/key.pem')
tls.socket = context.wrap_socket(tls.socket, server_side=True)
threading.Thread(target=tls.serve_forever).start()
http.server.ThreadingHTTPServer(('0.0.0.0', 81), Server).serve_forever()
`;

describe('answers and traffic', () => {
  let cloud: OwnCloud;
  let lab: Lab;
  let zone: ZoneLab;
  let network: Network;
  let client: Instance;
  let one: Instance;
  let two: Instance;
  let reference = 0;

  beforeEach((context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    context.skip(digRefused !== undefined, digRefused);
  });
  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud({ args: [] });
    lab = new Lab(cloud.endpoint);
    zone = await new ZoneLab(cloud.endpoint).open();
    network = await lab.network('10.91');
    for (const port of [81, 8443]) await lab.allow(network.groupId, 'tcp', port, port, checkers);
    const launch = () => lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
    [client, one, two] = (await Promise.all([launch(), launch(), launch()])) as [Instance, Instance, Instance];
    await start(one);
  }, 120_000);
  afterAll(async () => void (await cloud?.stop()));
  afterEach(async () => {
    if (zone === undefined) return;
    for (const { Id } of (await zone.client.listHealthChecks({})).HealthChecks ?? [])
      await zone.client.deleteHealthCheck({ HealthCheckId: Id! });
  });

  const run = (at: Instance, command: string) => lab.run(at.PublicIpAddress!, command);
  const start = async (at: Instance) => {
    const text = Buffer.from(server).toString('base64');
    await run(at, `echo ${text} | base64 -d > /server.py; python3 /server.py > /dev/null 2>&1 & echo $! > /server.pid`);
    await run(at, 'for i in $(seq 100); do curl -sk https://127.0.0.1:8443/200 && exit 0; sleep 0.1; done; exit 1');
    await run(at, 'rm -f /web.log');
  };
  const stop = (at: Instance) => run(at, 'kill -9 $(cat /server.pid)');
  const ask = async (words: string) => parseDig(await run(client, `dig +time=2 +tries=1 ${words} || true`));
  const make = async (config: Partial<HealthCheckConfig>): Promise<string> => {
    reference += 1;
    const made = await zone.client.createHealthCheck({
      CallerReference: `t${reference}`,
      HealthCheckConfig: { Type: 'HTTP', IPAddress: one.PublicIpAddress!, Port: 81, ResourcePath: '/200', ...config },
    });
    return made.HealthCheck!.Id!;
  };
  const rounds = async (count: number, millis = 10_000) => {
    for (let i = 0; i < count; i += 1) await advanceClock(cloud.endpoint, millis);
  };
  const observe = async (id: string) =>
    (await zone.client.getHealthCheckStatus({ HealthCheckId: id })).HealthCheckObservations ?? [];
  const healthy = async (id: string) =>
    (await observe(id)).every(({ StatusReport }) => StatusReport!.Status!.startsWith('Success'));
  const logged = async () =>
    (await run(one, 'cat /web.log 2> /dev/null || true'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ({ ip: line.split(' ')[0]!, agent: line.split(' ').slice(2).join(' ') }));

  test('R53-008 DNS answers the name, the traffic goes past it', async (context) => {
    const capture = await run(client, 'command -v tcpdump || true');
    context.skip(capture === '', 'tcpdump is not installed (package tcpdump)');
    const name = zone.name('past');
    await run(
      one,
      'mkdir -p /www; echo page > /www/index.html; (python3 -m http.server 8080 --directory /www > /dev/null 2>&1 &)',
    );
    await lab.allow(network.groupId, 'tcp', 8080, 8080, '0.0.0.0/0');
    await zone.put(zone.record('past', 'A', [one.PublicIpAddress!]));
    const nameServer = (await ask(zone.nameServers[0]!)).answer[0]!.data;
    await run(
      client,
      `(tcpdump -lnni any --immediate-mode 'host ${nameServer} or host ${one.PublicIpAddress!}' > /capture 2> /tcpdump.err & echo $! > /tcpdump.pid); for i in $(seq 50); do grep -q listening /tcpdump.err && break; sleep 0.1; done`,
    );
    expect((await ask(`@${nameServer} ${name}`)).answer[0]?.data).toBe(one.PublicIpAddress);
    expect(await run(client, `curl -s http://${name.slice(0, -1)}:8080/`)).toBe('page');
    await run(client, 'sleep 0.5; kill $(cat /tcpdump.pid)');
    const packets = (await run(client, 'cat /capture')).split('\n').filter((line) => line.includes(' > '));
    const toServers = packets.filter((line) => line.includes(`${nameServer}.`));
    expect(toServers.length).toBeGreaterThanOrEqual(2);
    for (const line of toServers) expect(line).toContain(`${nameServer}.53`);
    expect(packets.filter((line) => line.includes(`${one.PublicIpAddress!}.8080`)).length).toBeGreaterThan(4);
    // A connection that stands goes on when the name is gone and no resolver answers.
    const slow = `python3 -c "
import http.client, time
c = http.client.HTTPConnection('${name.slice(0, -1)}', 8080)
c.connect(); open('/connected', 'w').close()
while not __import__('os').path.exists('/go'): time.sleep(0.05)
c.request('GET', '/'); print(c.getresponse().read().decode())"`;
    const running = run(client, slow.replaceAll('\n', '\n'));
    await run(client, 'for i in $(seq 100); do test -e /connected && exit 0; sleep 0.05; done; exit 1');
    await lab.ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsSupport: { Value: false } }));
    await zone.change({ Action: 'DELETE', ResourceRecordSet: zone.record('past', 'A', [one.PublicIpAddress!]) });
    await run(client, `for i in $(seq 50); do dig +time=1 +tries=1 ${name} > /dev/null || break; sleep 0.1; done; touch /go`);
    expect(await running).toBe('page');
    await lab.ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsSupport: { Value: true } }));
    await run(
      client,
      `for i in $(seq 50); do dig +time=1 +tries=1 ${zone.name()} SOA > /dev/null && exit 0; sleep 0.1; done; exit 1`,
    );
  }, 60_000);

  test('R53-034 R53-036 all values in changing order, clients spread, and health is of no account', async () => {
    const values = [client, one, two].map(({ PublicIpAddress }) => PublicIpAddress!);
    for (const at of [client, one, two])
      await run(
        at,
        `mkdir -p /who; echo ${at.PublicIpAddress!} > /who/index.html; (python3 -m http.server 82 --directory /who > /dev/null 2>&1 & echo $! > /who.pid); sleep 0.5`,
      );
    await lab.allow(network.groupId, 'tcp', 82, 82, '0.0.0.0/0');
    await zone.put(zone.record('three', 'A', values));
    expect((await zone.dig('three')).answer.map(({ data }) => data).sort()).toEqual([...values].sort());
    const first = await askMany(zone.port, zone.name('three'), 600);
    for (const value of values) expect(first.get(value)).toBeGreaterThan(140);
    const url = `http://${zone.name('three').slice(0, -1)}:82/`;
    await run(client, `(for i in $(seq 300); do curl -s -m 2 ${url}; done > /answers 2>&1; touch /asked) > /dev/null 2>&1 &`);
    await eventually(() => run(client, 'test -e /asked'), { why: '300 clients were served', timeoutMs: 30_000 });
    const spread = await run(client, 'sort /answers | uniq -c');
    const counts = new Map(spread.split('\n').map((line) => line.trim().split(' ').reverse() as [string, string]));
    expect([...counts.keys()].sort()).toEqual([...values].sort());
    for (const value of values) expect(Number(counts.get(value))).toBeGreaterThan(55);
    const check = await make({
      IPAddress: two.PublicIpAddress!,
      Port: 82,
      ResourcePath: '/',
      FailureThreshold: 1,
      RequestInterval: 10,
    });
    await zone.put(zone.record('three', 'A', values, { HealthCheckId: check }));
    await run(two, 'kill -9 $(cat /who.pid)');
    await rounds(2);
    expect(await healthy(check)).toBe(false);
    expect((await zone.dig('three')).answer.map(({ data }) => data).sort()).toEqual([...values].sort());
    await zone.put(zone.record('three', 'A', values));
  }, 90_000);

  test('R53-044 a failover record gives the secondary while the primary’s server is down', async () => {
    const HealthCheckId = await make({ RequestInterval: 10, Regions: three });
    const set = (SetIdentifier: string, Failover: 'PRIMARY' | 'SECONDARY', value: string, more = {}) =>
      zone.record('duty', 'A', [value], { SetIdentifier, Failover, TTL: 10, ...more });
    await zone.put(set('p', 'PRIMARY', one.PublicIpAddress!, { HealthCheckId }), set('s', 'SECONDARY', two.PublicIpAddress!));
    const seen = async () => [(await zone.dig('duty')).answer[0]?.data, (await ask(zone.name('duty'))).answer[0]?.data];
    await rounds(1);
    expect(await seen()).toEqual([one.PublicIpAddress, one.PublicIpAddress]);
    await stop(one);
    // Threshold times interval, and the TTL for the resolver's sake.
    await rounds(3);
    expect((await zone.dig('duty')).answer[0]?.data).toBe(two.PublicIpAddress);
    await rounds(1);
    expect(await seen()).toEqual([two.PublicIpAddress, two.PublicIpAddress]);
    await start(one);
    await rounds(4);
    expect(await seen()).toEqual([one.PublicIpAddress, one.PublicIpAddress]);
    await zone.change(
      { Action: 'DELETE', ResourceRecordSet: set('p', 'PRIMARY', one.PublicIpAddress!, { HealthCheckId }) },
      { Action: 'DELETE', ResourceRecordSet: set('s', 'SECONDARY', two.PublicIpAddress!) },
    );
  }, 60_000);

  test('R53-061 only 2xx and 3xx pass, redirects are not followed and certificates not judged', async () => {
    const good = await Promise.all(
      ['/200', '/204', '/301'].map((ResourcePath) => make({ ResourcePath, Regions: three, RequestInterval: 10 })),
    );
    const bad = await Promise.all(
      ['/404', '/500'].map((ResourcePath) => make({ ResourcePath, Regions: three, RequestInterval: 10 })),
    );
    const secure = await make({ Type: 'HTTPS', Port: 8443, Regions: three, RequestInterval: 10 });
    const names = [...good, ...bad, secure];
    await zone.put(
      ...names.flatMap((HealthCheckId, n) => [
        zone.record(`s${n}`, 'A', ['192.0.2.1'], { SetIdentifier: 'p', Failover: 'PRIMARY', HealthCheckId }),
        zone.record(`s${n}`, 'A', ['192.0.2.2'], { SetIdentifier: 's', Failover: 'SECONDARY' }),
      ]),
    );
    const verdicts = () =>
      Promise.all(names.map(async (_id, n) => (await zone.dig(`s${n}`)).answer[0]?.data.replace('192.0.2.', '')));
    // The first look was at creation.
    await rounds(1);
    expect(await verdicts()).toEqual(['1', '1', '1', '1', '1', '1']);
    await rounds(1);
    expect(await verdicts()).toEqual(['1', '1', '1', '2', '2', '1']);
    const status = (await observe(good[2]!))[0]!.StatusReport!.Status;
    expect(status).toBe('Success: HTTP Status Code 301, Moved Permanently');
    for (const [n, HealthCheckId] of names.entries())
      await zone.change(
        {
          Action: 'DELETE',
          ResourceRecordSet: zone.record(`s${n}`, 'A', ['192.0.2.1'], { SetIdentifier: 'p', Failover: 'PRIMARY', HealthCheckId }),
        },
        {
          Action: 'DELETE',
          ResourceRecordSet: zone.record(`s${n}`, 'A', ['192.0.2.2'], { SetIdentifier: 's', Failover: 'SECONDARY' }),
        },
      );
  }, 60_000);

  test('R53-058 R53-065 checkers of eight Regions come with their name; the API and CloudWatch say what they saw', async () => {
    await run(one, 'rm -f /web.log');
    const id = await make({});
    await rounds(1, 30_000);
    const seen = await observe(id);
    expect(seen.every(({ StatusReport }) => StatusReport!.Status === 'Success: HTTP Status Code 200, OK')).toBe(true);
    const regionOf = new Map(seen.map(({ Region, IPAddress }) => [IPAddress!, Region!]));
    const log = await logged();
    expect(new Set(log.map(({ ip }) => regionOf.get(ip))).size).toBe(8);
    expect(new Set(log.map(({ ip }) => ip)).size).toBe(16);
    for (const { agent } of log) expect(agent).toContain(`Amazon-Route53-Health-Check-Service (ref ${id}`);
    const cloudwatch = new CloudWatch(zone.account.config());
    const last = async () => {
      const now = ((await (await fetch(`${cloud.endpoint}/_pilvi/clock`)).json()) as { time: string }).time;
      const end = Date.parse(now);
      const { Datapoints = [] } = await cloudwatch.getMetricStatistics({
        Namespace: 'AWS/Route53',
        MetricName: 'HealthCheckStatus',
        Dimensions: [{ Name: 'HealthCheckId', Value: id }],
        StartTime: new Date(end - 600_000),
        EndTime: new Date(end + 60_000),
        Period: 60,
        Statistics: ['Minimum'],
      });
      return Datapoints.sort((a, b) => b.Timestamp!.getTime() - a.Timestamp!.getTime())[0]?.Minimum;
    };
    expect(await last()).toBe(1);
    await stop(one);
    await rounds(5, 30_000);
    expect(await healthy(id)).toBe(false);
    expect(await last()).toBe(0);
    await start(one);
  }, 60_000);

  test('R53-067 R53-063 only the chosen Regions check, each checker at its interval', async () => {
    await run(one, 'rm -f /web.log');
    const id = await make({ Regions: three });
    const made = (await zone.client.getHealthCheck({ HealthCheckId: id })).HealthCheck?.HealthCheckConfig;
    expect([made?.RequestInterval, made?.Regions]).toEqual([30, three]);
    await refused(make({ RequestInterval: 20 }), 'InvalidInput', /RequestInterval must be 10 or 30/);
    await refused(make({ Regions: three.slice(1) }), 'InvalidInput', /regions/);
    await rounds(12);
    const regionOf = new Map((await observe(id)).map(({ Region, IPAddress }) => [IPAddress!, Region!]));
    expect([...new Set(regionOf.values())].sort()).toEqual([...three].sort());
    const counts = new Map<string, number>();
    for (const { ip } of await logged()) counts.set(ip, (counts.get(ip) ?? 0) + 1);
    expect([...counts.keys()].sort()).toEqual([...regionOf.keys()].sort());
    // 120 seconds at 30 seconds, the first at once.
    for (const count of counts.values()) expect(count).toBe(5);
    await zone.client.deleteHealthCheck({ HealthCheckId: id });
    await run(one, 'rm -f /web.log');
    const quick = await make({ Regions: three, RequestInterval: 10 });
    await rounds(6);
    const log = await logged();
    expect(log.filter(({ ip }) => ip === log[0]!.ip)).toHaveLength(7);
    const { HealthCheck } = await zone.client.updateHealthCheck({ HealthCheckId: quick, FailureThreshold: 2 });
    expect(HealthCheck?.HealthCheckConfig?.RequestInterval).toBe(10);
  }, 60_000);

  test('R53-041 of weighted records only healthy ones are answered, by their weights; all of them when none is healthy', async () => {
    await run(one, 'mkdir -p /h; touch /h/1 /h/2 /h/3');
    const checks = await Promise.all(
      ['1', '2', '3'].map((n) =>
        make({ Port: 80, ResourcePath: `/?test%20-e%20/h/${n}`, Regions: three, RequestInterval: 10, FailureThreshold: 1 }),
      ),
    );
    const sets = checks.map((HealthCheckId, n) =>
      zone.record('heavy', 'A', [`192.0.2.${n + 1}`], { SetIdentifier: `${n}`, Weight: [60, 30, 10][n]!, HealthCheckId }),
    );
    await zone.put(...sets);
    const shares = async () => {
      const first = await askMany(zone.port, zone.name('heavy'), 600);
      return [1, 2, 3].map((n) => (first.get(`192.0.2.${n}`) ?? 0) / 600);
    };
    const near = (seen: number[], wanted: number[]) => {
      for (const [n, share] of wanted.entries())
        if (share === 0) expect(seen[n]).toBe(0);
        else expect(Math.abs(seen[n]! - share), `${seen} for ${wanted}`).toBeLessThan(0.08);
    };
    await rounds(1);
    near(await shares(), [0.6, 0.3, 0.1]);
    await run(one, 'rm /h/1');
    await rounds(1);
    near(await shares(), [0, 0.75, 0.25]);
    await run(one, 'rm /h/2 /h/3');
    await rounds(1);
    near(await shares(), [0.6, 0.3, 0.1]);
    await zone.change(...sets.map((ResourceRecordSet) => ({ Action: 'DELETE' as const, ResourceRecordSet })));
  }, 60_000);
});

/** What breaks the cloud and what empties it, in a cloud of one's own: zones that go down, restarts, resets, many launches at once. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  DescribeAvailabilityZonesCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  type Instance,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { admin, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { agentAtEachBoot, Lab, type Network } from '../ec2/support.ts';

const slow = 150_000;
const run = promisify(execFile);

let cloud: OwnCloud;
beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
beforeAll(async () => {
  cloud = await startOwnCloud();
}, slow);
afterAll(async () => {
  const output = await cloud.stop();
  expect(output).not.toContain('by a bug of Pilvi');
}, slow);

/** The command line tool against this cloud; its standard output, trimmed. */
async function pilvi(...args: readonly string[]): Promise<string> {
  const [before, rest] = args.includes('--') ? [args.slice(0, args.indexOf('--')), args.slice(args.indexOf('--'))] : [args, []];
  return (await run(process.execPath, ['dist/pilvi.js', ...before, '--data', cloud.data, ...rest])).stdout.trim();
}

const entries = (folder: string) => readdir(path.join(cloud.data, 'machines', folder)).catch(() => []);
const page = (instance: Instance) => fetchInside(instance.PublicIpAddress!, 80, '/?hostname', cloud.endpoint);
const answers = (instance: Instance) =>
  eventually(async () => expect(await page(instance)).toMatchObject({ status: 200 }), {
    why: `${instance.InstanceId} answers`,
    timeoutMs: 30_000,
  });

/** What is left on the machine: networks and machines' namespaces, containers, volumes. */
async function leftovers(): Promise<{ namespaces: string[]; containers: string[]; volumes: string[] }> {
  const listed = await pilvi('shell', '--', 'ip', 'netns', 'list');
  return {
    namespaces: listed.split('\n').filter((line) => /(^|\W)(i|vpc)-[0-9a-f]|^pilvi/.test(line)),
    containers: await entries('run/.runtime'),
    volumes: await entries('store/volumes'),
  };
}
const nothing = { namespaces: [], containers: [], volumes: [] };

describe('a zone goes down', () => {
  let lab: Lab;
  let net: Network;
  let inA: Instance;
  let inB: Instance;

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    lab = new Lab(cloud.endpoint);
    net = await lab.network('10.40');
    const other = await lab.subnet(net.vpcId, '10.40.2.0/24', 'us-east-1b', true);
    [inA, inB] = await Promise.all([
      lab.launchAgent({ SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] }, agentAtEachBoot),
      lab.launchAgent({ SubnetId: other, SecurityGroupIds: [net.groupId] }, agentAtEachBoot),
    ]);
  }, slow);

  test('EC2-032 the private address does not answer from the internet, the public one does', async () => {
    const curl = (address: string) =>
      pilvi('shell', '--', 'curl', '-s', '-m', '2', `http://${address}/?hostname`).catch(
        (error: { code?: number }) => error.code,
      );
    expect(await curl(inA.PublicIpAddress!)).toContain('ip-10-40-1-');
    expect([7, 28]).toContain(await curl(inA.PrivateIpAddress!));
  });

  test('pilvi shell enters an instance, and says what it cannot enter', async () => {
    expect(await pilvi('shell', inA.InstanceId!, '--', 'hostname')).toBe(await lab.run(inA.PublicIpAddress!, 'hostname'));
    await expect(pilvi('shell', 'i-0123456789abcdef0', '--', 'hostname')).rejects.toThrow('No machine runs behind');
  });

  test(
    'INFRA-009 its instances stop answering, those of other zones go on, and launches go elsewhere',
    async () => {
      expect(await pilvi('chaos', 'zone', 'us-east-1a', 'down')).toMatch(/^Zone us-east-1a is down since /);
      expect(await page(inA)).toBe('ETIMEDOUT');
      expect(await page(inB)).toMatchObject({ status: 200 });
      const status = await lab.ec2.send(new DescribeInstanceStatusCommand({ InstanceIds: [inA.InstanceId!, inB.InstanceId!] }));
      const byId = new Map(status.InstanceStatuses!.map((one) => [one.InstanceId, one.SystemStatus!.Status]));
      expect([byId.get(inA.InstanceId), byId.get(inB.InstanceId)]).toEqual(['impaired', 'ok']);
      const zones = await lab.ec2.send(
        new DescribeAvailabilityZonesCommand({ Filters: [{ Name: 'state', Values: ['unavailable'] }] }),
      );
      expect(zones.AvailabilityZones!.map((zone) => zone.ZoneName)).toEqual(['us-east-1a']);
      await refused(
        lab.launch({ SubnetId: net.subnetId }),
        'InsufficientInstanceCapacity',
        'We currently do not have sufficient t2.micro capacity in the Availability Zone you requested (us-east-1a). Our system will be working on provisioning additional capacity. You can currently get t2.micro capacity by not specifying an Availability Zone in your request or choosing us-east-1b, us-east-1c, us-east-1d, us-east-1e, us-east-1f.',
        500,
      );
      const elsewhere = await lab.launch({ Placement: { AvailabilityZone: 'us-east-1b' } });
      expect((await lab.inState(elsewhere, 'running')).Placement!.AvailabilityZone).toBe('us-east-1b');
      const anywhere = await lab.instance(await lab.launch());
      expect(anywhere.Placement!.AvailabilityZone).not.toBe('us-east-1a');
      await lab.ec2.send(new StopInstancesCommand({ InstanceIds: [inA.InstanceId!] }));
      await lab.inState(inA.InstanceId!, 'stopped');
      await refused(
        lab.ec2.send(new StartInstancesCommand({ InstanceIds: [inA.InstanceId!] })),
        'InsufficientInstanceCapacity',
        /^We currently do not have sufficient t2\.micro capacity/,
      );
      await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [elsewhere, anywhere.InstanceId!] }));
    },
    slow,
  );

  test(
    'INFRA-009 it stays down over a crash of the cloud, and what was there runs again when it is back',
    async () => {
      const { data } = cloud;
      await cloud.kill();
      cloud = await startOwnCloud({ data });
      lab = new Lab(cloud.endpoint, lab.account);
      await answers(inB);
      expect(await pilvi('chaos')).toMatch(/^Zone us-east-1a is down since /);
      expect(await pilvi('chaos', 'zone', 'us-east-1a', 'up')).toBe('Nothing is broken.');
      await lab.ec2.send(new StartInstancesCommand({ InstanceIds: [inA.InstanceId!] }));
      await lab.inState(inA.InstanceId!, 'running');
      expect(await pilvi('shell', inA.InstanceId!, '--', 'hostname')).toContain('ip-10-40-1-');
      await expect(pilvi('chaos', 'zone', 'mars-1a', 'down')).rejects.toThrow('zone must be the name or the id of a zone.');
    },
    slow,
  );
});

describe('many at once', () => {
  test(
    'twenty instances launched together run, and leave nothing behind',
    async () => {
      const lab = new Lab(cloud.endpoint);
      const before = await leftovers();
      const started = await lab.ec2.send(
        new RunInstancesCommand({ ImageId: await lab.image(), InstanceType: 't2.nano', MinCount: 20, MaxCount: 20 }),
      );
      const ids = started.Instances!.map((one) => one.InstanceId!);
      expect(new Set(started.Instances!.map((one) => one.PrivateIpAddress)).size).toBe(20);
      const states = async () => {
        const found = await lab.ec2.send(new DescribeInstancesCommand({ InstanceIds: ids }));
        return [...new Set(found.Reservations!.flatMap((one) => one.Instances!).map((one) => one.State!.Name))];
      };
      await eventually(async () => expect(await states()).toEqual(['running']), { why: 'all run', timeoutMs: 60_000 });
      expect((await leftovers()).containers).toHaveLength(before.containers.length + 20);
      await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: ids }));
      await eventually(async () => expect(await states()).toEqual(['terminated']), { why: 'all end', timeoutMs: 60_000 });
      await eventually(async () => expect(await leftovers()).toEqual(before), { why: 'nothing is left', timeoutMs: 30_000 });
    },
    slow,
  );

  test('a client token launches once, also when asked many times at once, and only for the same request', async () => {
    const lab = new Lab(cloud.endpoint);
    const ImageId = await lab.image();
    const ask = (InstanceType: 't2.nano' | 't2.micro') =>
      lab.ec2.send(new RunInstancesCommand({ ImageId, InstanceType, MinCount: 1, MaxCount: 1, ClientToken: 'once' }));
    const answers = await Promise.all([ask('t2.nano'), ask('t2.nano'), ask('t2.nano')]);
    expect(new Set(answers.map((one) => one.Instances![0]!.InstanceId)).size).toBe(1);
    expect(new Set(answers.map((one) => one.ReservationId)).size).toBe(1);
    await refused(
      ask('t2.micro'),
      'IdempotentParameterMismatch',
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    );
    expect((await lab.ec2.send(new DescribeInstancesCommand({}))).Reservations).toHaveLength(1);
  });
});

describe('a reset', () => {
  test(
    'of one account ends its machines, frees its addresses and leaves the others alone',
    async () => {
      const [gone, kept] = [new Lab(cloud.endpoint), new Lab(cloud.endpoint)];
      const [goneNet, keptNet] = [await gone.network('10.60'), await kept.network('10.60')];
      const [one, other] = await Promise.all([
        gone.launchAgent({ SubnetId: goneNet.subnetId, SecurityGroupIds: [goneNet.groupId] }),
        kept.launchAgent({ SubnetId: keptNet.subnetId, SecurityGroupIds: [keptNet.groupId] }),
      ]);
      const held = async () => {
        const found = (await admin('GET', 'inspect?prefix=c/ec2.publicIps/r&limit=1000', undefined, cloud.endpoint)) as {
          rows: { value: { address: string; account: string } }[];
        };
        return found.rows.filter(({ value }) => value.account === gone.account.id).map(({ value }) => value.address);
      };
      expect(await held()).toEqual([one.PublicIpAddress]);
      // One more, in the middle of its launch.
      await gone.launch({ SubnetId: goneNet.subnetId });
      await admin('POST', 'reset', { account: gone.account.id }, cloud.endpoint);
      expect(await page(one)).not.toMatchObject({ status: 200 });
      expect(await held()).toEqual([]);
      expect((await gone.ec2.send(new DescribeInstancesCommand({}))).Reservations).toEqual([]);
      expect((await gone.ec2.send(new DescribeVpcsCommand({}))).Vpcs!.map((vpc) => vpc.CidrBlock)).toEqual(['172.31.0.0/16']);
      expect((await gone.ec2.send(new DescribeSubnetsCommand({}))).Subnets!.every((subnet) => subnet.DefaultForAz)).toBe(true);
      const left = await leftovers();
      const keptVolume = other.BlockDeviceMappings![0]!.Ebs!.VolumeId;
      expect(left.containers).toContain(other.InstanceId);
      expect(left.containers).not.toContain(one.InstanceId);
      expect(left.volumes).toContain(keptVolume);
      expect(left.volumes).not.toContain(one.BlockDeviceMappings![0]!.Ebs!.VolumeId);
      await answers(other);
    },
    slow,
  );

  test(
    'of everything leaves no machine, no network and no volume',
    async () => {
      await admin('POST', 'reset', {}, cloud.endpoint);
      await eventually(async () => expect(await leftovers()).toEqual(nothing), { why: 'nothing is left', timeoutMs: 30_000 });
    },
    slow,
  );
});

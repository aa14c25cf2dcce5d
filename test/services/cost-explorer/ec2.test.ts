/** What volumes, snapshots and instances cost, as Cost Explorer shows it, by the clock of a cloud of one's own. */
import type { CreateVolumeCommandInput, VolumeType } from '@aws-sdk/client-ec2';
import { EC2, waitUntilSnapshotCompleted, waitUntilVolumeAvailable } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab } from '../ec2/support.ts';
import { day, type Figure, hour, usageOf } from './support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

const zone = 'us-east-1a';

function bench() {
  const account = freshAccount(cloud.endpoint);
  const ec2 = new EC2(account.config());
  const volume = async (input: Partial<CreateVolumeCommandInput>) => {
    const { VolumeId = '' } = await ec2.createVolume({ AvailabilityZone: zone, ...input });
    await waitUntilVolumeAvailable({ client: ec2, maxWaitTime: 20, minDelay: 0.05, maxDelay: 0.1 }, { VolumeIds: [VolumeId] });
    return VolumeId;
  };
  const snapshot = async (VolumeId: string) => {
    const { SnapshotId = '' } = await ec2.createSnapshot({ VolumeId });
    const wait = { client: ec2, maxWaitTime: 20, minDelay: 0.05, maxDelay: 0.1 };
    await waitUntilSnapshotCompleted(wait, { SnapshotIds: [SnapshotId] });
    return SnapshotId;
  };
  /** What was used, once a figure is there. */
  const usage = (key: string) =>
    eventually(
      async () => {
        const found = await usageOf(account);
        expect([...found.keys()]).toContain(key);
        return found;
      },
      { why: `${key} is metered` },
    );
  return { account, ec2, volume, snapshot, usage };
}

const rate = ({ cost, amount }: Figure) => cost / amount;
const advance = (millis: number) => advanceClock(cloud.endpoint, millis);

test('EBS-032 EBS-036 volumes cost what they are provisioned with: io2 as io1 up to 32,000 IOPS and less above, sc1 least of all', async () => {
  const { account, ec2, volume, usage } = bench();
  const sizes: Record<string, number> = { gp2: 100, gp3: 100, io1: 100, io2: 100, st1: 125, sc1: 125, standard: 100 };
  const ids: Record<string, string> = {};
  for (const [type, Size] of Object.entries(sizes)) {
    const Iops = type === 'io1' ? 5000 : type === 'io2' ? 40_000 : undefined;
    ids[type] = await volume({ VolumeType: type as VolumeType, Size, Iops });
  }
  const more = { AvailabilityZone: zone, VolumeType: 'io1' as const, Size: 100, Iops: 5001 };
  await refused(ec2.createVolume(more), 'InvalidParameterCombination', /ratio of 50.010000 is too high; maximum is 50$/);
  await ec2.deleteVolume({ VolumeId: ids['st1'] });
  await advance(2 * day);
  const found = await usage('EBS:VolumeUsage.sc1');
  const names: Record<string, string> = { io1: 'EBS:VolumeUsage.piops', standard: 'EBS:VolumeUsage' };
  const of = (type: string) => found.get(names[type] ?? `EBS:VolumeUsage.${type}`)!;
  expect(rate(of('io2'))).toBeCloseTo(rate(of('io1')), 6);
  const [one, two, above] = ['EBS:VolumeP-IOPS.piops', 'EBS:VolumeP-IOPS.io2', 'EBS:VolumeP-IOPS.io2.tier2'];
  expect(rate(found.get(two!)!)).toBeCloseTo(rate(found.get(one!)!), 6);
  expect(rate(found.get(above!)!)).toBeLessThan(rate(found.get(two!)!));
  // 32,000 of 40,000, beside 5,000, over nearly the same time.
  expect(found.get(two!)!.amount / found.get(above!)!.amount).toBeCloseTo(4, 1);
  expect(found.get(two!)!.amount / found.get(one!)!.amount).toBeCloseTo(32 / 5, 1);
  expect(of('gp2')).toMatchObject({ unit: 'GB-Mo' });
  // A day at least, and less than the two that passed.
  expect(of('gp2').amount).toBeGreaterThan(100 / 31 - 0.01);
  expect(of('gp2').amount).toBeLessThan(200 / 28);
  for (const type of ['gp2', 'gp3', 'io1', 'io2', 'standard']) expect(rate(of('sc1'))).toBeLessThan(rate(of(type)));
  // What was deleted costs its seconds.
  expect(rate(of('sc1'))).toBeLessThan(rate(of('st1')));
  expect(of('st1').amount).toBeLessThan(0.01);

  // A change is paid for from its time on.
  await ec2.modifyVolume({ VolumeId: ids['gp3'], Iops: 4000, Throughput: 250 });
  await eventually(async () => expect((await ec2.describeVolumes({ VolumeIds: [ids['gp3']!] })).Volumes?.[0]?.Iops).toBe(4000), {
    why: 'the volume has its new shape',
  });
  await advance(2 * day);
  const later = await eventually(
    async () => {
      const figures = await usageOf(account);
      expect(figures.get('EBS:VolumeP-IOPS.gp3')?.amount).toBeGreaterThan(1000 / 31 - 0.5);
      return figures;
    },
    { why: 'the new shape is metered' },
  );
  expect(later.get('EBS:VolumeP-IOPS.gp3')!.amount).toBeLessThan(2000 / 28);
  expect(later.get('EBS:VolumeP-Throughput.gp3')!.unit).toBe('GiBps-mo');
}, 30_000);

test('EBS-017 EBS-021 a snapshot costs a quarter in the archive, a fast restore by the hour and zone, and its volumes are read at full speed at once', async (context) => {
  context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
  const { account, ec2, volume, snapshot, usage } = bench();
  const lab = new Lab(cloud.endpoint, account);
  const network = await lab.network('10.83');
  const { PublicIpAddress: ip = '', InstanceId = '' } = await lab.launchAgent({
    SubnetId: network.subnetId,
    SecurityGroupIds: [network.groupId],
  });
  const attach = async (VolumeId: string, Device: string) => {
    await ec2.attachVolume({ VolumeId, Device, InstanceId });
    await eventually(() => lab.run(ip, `test -b ${Device}`), { why: `${Device} is there` });
  };
  const filled = await volume({ Size: 1, VolumeType: 'gp3' });
  await attach(filled, '/dev/sdf');
  await lab.run(ip, 'dd if=/dev/urandom of=/dev/sdf bs=1M count=96 oflag=direct');
  const id = await snapshot(filled);
  await advance(day);
  const standard = (await usage('EBS:SnapshotUsage')).get('EBS:SnapshotUsage')!;
  expect(standard.amount).toBeGreaterThan(0);

  const zones = { SourceSnapshotIds: [id], AvailabilityZones: [zone] };
  await refused(ec2.enableFastSnapshotRestores({ ...zones, AvailabilityZones: ['eu-west-1a'] }), 'InvalidZone.NotFound');
  await ec2.enableFastSnapshotRestores(zones);
  const restores = async () => (await ec2.describeFastSnapshotRestores({})).FastSnapshotRestores ?? [];
  await advance(2 * 60_000);
  await eventually(async () => expect((await restores())[0]?.State).toBe('enabled'), { why: 'the fast restore is enabled' });
  const quick = await volume({ Size: 1, VolumeType: 'gp3', SnapshotId: id });
  const elsewhere = await volume({ Size: 1, VolumeType: 'gp3', SnapshotId: id, AvailabilityZone: 'us-east-1b' });
  const shown = (await ec2.describeVolumes({ VolumeIds: [quick, elsewhere] })).Volumes;
  expect(shown?.find(({ VolumeId }) => VolumeId === quick)?.FastRestored).toBe(true);
  expect(shown?.find(({ VolumeId }) => VolumeId === elsewhere)?.FastRestored).not.toBe(true);
  await attach(quick, '/dev/sdg');
  const read =
    'b=$(date +%s%N); dd if=/dev/sdg of=/dev/null bs=1M count=96 iflag=direct; e=$(date +%s%N); echo $(((e - b) / 1000000))';
  const [first, second] = [
    Number((await lab.run(ip, read)).split('\n').at(-1)),
    Number((await lab.run(ip, read)).split('\n').at(-1)),
  ];
  expect(first / second).toBeLessThan(1.5);
  await advance(day);
  const fast = (await usage('EBS:FastSnapshotRestore')).get('EBS:FastSnapshotRestore')!;
  expect(fast).toMatchObject({ unit: 'DSU-Hrs' });
  await ec2.disableFastSnapshotRestores(zones);
  await advance(2 * 60_000);
  await eventually(async () => expect(await restores()).toEqual([]), { why: 'it is disabled' });

  await ec2.modifySnapshotTier({ SnapshotId: id, StorageTier: 'archive' });
  await advance(2 * 60_000);
  const tier = async () => (await ec2.describeSnapshots({ SnapshotIds: [id] })).Snapshots?.[0]?.StorageTier;
  await eventually(async () => expect(await tier()).toBe('archive'), { why: 'it is archived' });
  await advance(2 * day);
  const before = await usage('EBS:SnapshotArchiveStorage');
  await advance(10 * day);
  const after = await eventually(
    async () => {
      const found = await usageOf(account);
      expect(found.get('EBS:SnapshotArchiveStorage')!.amount).toBeGreaterThan(
        before.get('EBS:SnapshotArchiveStorage')!.amount * 3,
      );
      return found;
    },
    { why: 'the archive is metered' },
  );
  const archived = after.get('EBS:SnapshotArchiveStorage')!;
  expect(rate(archived) / rate(standard)).toBeCloseTo(0.25, 3);
  // In the archive nothing is paid for the standard tier, and nothing for what was disabled.
  expect(after.get('EBS:SnapshotUsage')!.amount).toBeCloseTo(before.get('EBS:SnapshotUsage')!.amount, 8);
  expect(after.get('EBS:FastSnapshotRestore')!.amount).toBeCloseTo(before.get('EBS:FastSnapshotRestore')!.amount, 8);
  const hours = after.get('EBS:FastSnapshotRestore')!.amount;
  expect(hours).toBeGreaterThan(24);
  expect(hours).toBeLessThan(24.2);
  // Whatever leaves the archive before ninety days pays for them.
  await ec2.deleteSnapshot({ SnapshotId: id });
  await advance(day);
  const early = (await usage('EBS:SnapshotArchiveEarlyDelete')).get('EBS:SnapshotArchiveEarlyDelete')!;
  expect(early.amount / archived.amount).toBeGreaterThan(5);
}, 60_000);

test('IAM-044 an instance costs its hours, and users, roles and policies cost nothing', async (context) => {
  context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
  const { account, ec2, usage } = bench();
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'ann' });
  await iam.createGroup({ GroupName: 'staff' });
  await iam.addUserToGroup({ GroupName: 'staff', UserName: 'ann' });
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  await iam.createRole({ RoleName: 'host', AssumeRolePolicyDocument: JSON.stringify(trust) });
  const document = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] };
  const { Policy } = await iam.createPolicy({ PolicyName: 'all', PolicyDocument: JSON.stringify(document) });
  await iam.attachRolePolicy({ RoleName: 'host', PolicyArn: Policy?.Arn });
  await advance(day);
  expect([...(await usageOf(account)).keys()]).toEqual([]);

  const lab = new Lab(cloud.endpoint, account);
  const id = await lab.launch({ InstanceType: 't3.micro' });
  await lab.inState(id, 'running');
  await advance(10 * hour);
  await ec2.stopInstances({ InstanceIds: [id] });
  await lab.inState(id, 'stopped');
  await advance(2 * day);
  const found = await usage('BoxUsage:t3.micro');
  expect([...found.keys()].sort()).toEqual(['BoxUsage:t3.micro', 'EBS:VolumeUsage.gp3']);
  expect(found.get('BoxUsage:t3.micro')!.unit).toBe('Hrs');
  expect(found.get('BoxUsage:t3.micro')!.amount).toBeCloseTo(10, 1);
  expect(rate(found.get('BoxUsage:t3.micro')!)).toBeCloseTo(0.0104, 6);
}, 30_000);

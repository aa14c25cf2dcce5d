/** What snapshots do in time, in a cloud of their own: tiers, the recycle bin, locks; and what of an encrypted volume lies on the host's disk. */
import { execFileSync } from 'node:child_process';
import {
  AttachVolumeCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DeleteSnapshotCommand,
  DescribeSnapshotsCommand,
  DescribeSnapshotTierStatusCommand,
  DescribeVolumesCommand,
  DescribeVolumesModificationsCommand,
  EC2Client,
  ListSnapshotsInRecycleBinCommand,
  LockSnapshotCommand,
  ModifySnapshotTierCommand,
  ModifyVolumeCommand,
  RestoreSnapshotFromRecycleBinCommand,
  RestoreSnapshotTierCommand,
  UnlockSnapshotCommand,
} from '@aws-sdk/client-ec2';
import { CreateRuleCommand, DeleteRuleCommand, RbinClient } from '@aws-sdk/client-rbin';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  advanceClock,
  eventually,
  freshAccount,
  type OwnCloud,
  refused,
  startOwnCloud,
  type TestAccount,
} from '../../support/cloud.ts';
import { Lab } from './support.ts';

const hour = 3_600_000;
const day = 24 * hour;
const zone = 'us-east-1a';

let cloud: OwnCloud;
let account: TestAccount;
let ec2: EC2Client;
let rbin: RbinClient;

beforeAll(async () => {
  cloud = await startOwnCloud();
  account = freshAccount(cloud.endpoint);
  ec2 = new EC2Client(account.config());
  rbin = new RbinClient(account.config());
});

afterAll(async () => {
  await cloud?.stop();
});

async function snapshot(): Promise<{ volumeId: string; id: string }> {
  const { VolumeId: volumeId } = await ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, Size: 1, VolumeType: 'gp3' }));
  await eventually(
    async () =>
      expect((await ec2.send(new DescribeVolumesCommand({ VolumeIds: [volumeId!] }))).Volumes![0]!.State).toBe('available'),
    { why: 'the volume is available' },
  );
  const { SnapshotId: id } = await ec2.send(new CreateSnapshotCommand({ VolumeId: volumeId! }));
  await eventually(async () => expect((await shown(id!)).State).toBe('completed'), { why: 'the snapshot is completed' });
  return { volumeId: volumeId!, id: id! };
}

const shown = async (id: string) => (await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))).Snapshots![0]!;

test('EBS-018 an archived snapshot is of no use until it is restored, 24 to 72 hours later', async () => {
  const { id } = await snapshot();
  const restore = () => ec2.send(new RestoreSnapshotTierCommand({ SnapshotId: id, PermanentRestore: true }));
  await refused(restore(), 'InvalidParameterCombination', /not in the archive tier/);
  await ec2.send(new ModifySnapshotTierCommand({ SnapshotId: id, StorageTier: 'archive' }));
  await advanceClock(cloud.endpoint, hour);
  await eventually(async () => expect((await shown(id)).StorageTier).toBe('archive'), { why: 'it is archived' });
  const make = () => ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, SnapshotId: id }));
  await refused(make(), 'IncorrectState', /archived/);
  await refused(ec2.send(new RestoreSnapshotTierCommand({ SnapshotId: id, TemporaryRestoreDays: 181 })), 'InvalidParameterValue');
  await restore();
  await advanceClock(cloud.endpoint, 23 * hour);
  const status = async () =>
    (await ec2.send(new DescribeSnapshotTierStatusCommand({ Filters: [{ Name: 'snapshot-id', Values: [id] }] })))
      .SnapshotTierStatuses![0]!;
  expect(await status()).toMatchObject({ StorageTier: 'archive', LastTieringOperationStatus: 'permanent-restore-in-progress' });
  await refused(make(), 'IncorrectState');
  await advanceClock(cloud.endpoint, 49 * hour);
  await eventually(
    async () =>
      expect(await status()).toMatchObject({
        StorageTier: 'standard',
        LastTieringOperationStatus: 'permanent-restore-completed',
      }),
    { why: 'it is restored' },
  );
  expect((await make()).SnapshotId).toBe(id);
});

test('a temporary restore ends after its days', async () => {
  const { id } = await snapshot();
  await ec2.send(new ModifySnapshotTierCommand({ SnapshotId: id, StorageTier: 'archive' }));
  await advanceClock(cloud.endpoint, hour);
  await ec2.send(new RestoreSnapshotTierCommand({ SnapshotId: id, TemporaryRestoreDays: 3 }));
  await advanceClock(cloud.endpoint, 25 * hour);
  await eventually(async () => expect((await shown(id)).StorageTier).toBe('standard'), { why: 'it is restored' });
  await advanceClock(cloud.endpoint, 3 * day);
  await eventually(async () => expect((await shown(id)).StorageTier).toBe('archive'), { why: 'it is archived again' });
});

test('EBS-019 EBS-020 under a retention rule a deleted snapshot can be restored for 1 to 365 days', async () => {
  const rule = (days: number) =>
    rbin.send(
      new CreateRuleCommand({
        ResourceType: 'EBS_SNAPSHOT',
        RetentionPeriod: { RetentionPeriodValue: days, RetentionPeriodUnit: 'DAYS' },
      }),
    );
  await refused(rule(0), 'ValidationException', /between 1 and 365/);
  await refused(rule(366), 'ValidationException', /between 1 and 365/);
  const longest = await rule(365);
  expect(longest).toMatchObject({ RetentionPeriod: { RetentionPeriodValue: 365 }, Status: 'available' });
  await rbin.send(new DeleteRuleCommand({ Identifier: longest.Identifier! }));
  await rule(1);
  const { id } = await snapshot();
  const binned = async () =>
    (await ec2.send(new ListSnapshotsInRecycleBinCommand({}))).Snapshots!.map(({ SnapshotId }) => SnapshotId);
  const restore = () => ec2.send(new RestoreSnapshotFromRecycleBinCommand({ SnapshotId: id }));
  await refused(restore(), 'InvalidSnapshot.NotFound');
  await ec2.send(new DeleteSnapshotCommand({ SnapshotId: id }));
  expect(await binned()).toContain(id);
  await refused(shown(id), 'InvalidSnapshot.NotFound');
  await refused(ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, SnapshotId: id })), 'InvalidSnapshot.NotFound');
  expect(await restore()).toMatchObject({ SnapshotId: id, State: 'completed' });
  expect(await binned()).not.toContain(id);
  expect((await ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, SnapshotId: id }))).SnapshotId).toBe(id);
  await ec2.send(new DeleteSnapshotCommand({ SnapshotId: id }));
  await advanceClock(cloud.endpoint, day + hour);
  await eventually(async () => expect(await binned()).not.toContain(id), { why: 'the bin is emptied' });
  await refused(restore(), 'InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
});

test('a locked snapshot cannot be deleted, and in compliance mode not unlocked', async () => {
  const { id } = await snapshot();
  await ec2.send(new LockSnapshotCommand({ SnapshotId: id, LockMode: 'governance', LockDuration: 10 }));
  await refused(ec2.send(new DeleteSnapshotCommand({ SnapshotId: id })), 'SnapshotLocked');
  await ec2.send(new UnlockSnapshotCommand({ SnapshotId: id }));
  await ec2.send(new LockSnapshotCommand({ SnapshotId: id, LockMode: 'compliance', LockDuration: 1 }));
  await refused(ec2.send(new UnlockSnapshotCommand({ SnapshotId: id })), 'SnapshotLocked');
  await advanceClock(cloud.endpoint, day + hour);
  await ec2.send(new DeleteSnapshotCommand({ SnapshotId: id }));
});

test('a modification is optimizing, then completed, and the next one comes six hours later', async () => {
  const { volumeId } = await snapshot();
  const modify = (Size: number) => ec2.send(new ModifyVolumeCommand({ VolumeId: volumeId, Size }));
  const state = async () =>
    (await ec2.send(new DescribeVolumesModificationsCommand({ VolumeIds: [volumeId] }))).VolumesModifications![0]!
      .ModificationState;
  await modify(2);
  await eventually(async () => expect(await state()).toBe('optimizing'), { why: 'it is optimizing' });
  await advanceClock(cloud.endpoint, hour);
  await eventually(async () => expect(await state()).toBe('completed'), { why: 'it is completed' });
  await refused(modify(3), 'VolumeModificationRateExceeded');
  await advanceClock(cloud.endpoint, 6 * hour);
  expect((await modify(3)).VolumeModification!.TargetSize).toBe(3);
});

test('EBS-042 what is written to an encrypted volume is on no disk of the host as it was written', async (context) => {
  context.skip(cloud.limits.length > 0, cloud.limits[0]);
  const lab = new Lab(cloud.endpoint, account);
  const network = await lab.network('10.71');
  const guest = await lab.launchAgent({
    InstanceType: 't3.micro',
    SubnetId: network.subnetId,
    SecurityGroupIds: [network.groupId],
  });
  const found: Record<string, number> = {};
  for (const [device, Encrypted] of [
    ['/dev/sdf', true],
    ['/dev/sdg', false],
  ] as const) {
    const { VolumeId: id } = await ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, Size: 1, Encrypted }));
    await eventually(() => ec2.send(new AttachVolumeCommand({ VolumeId: id!, InstanceId: guest.InstanceId!, Device: device })), {
      why: 'it can be attached',
    });
    const listed = async () => (await ec2.send(new DescribeVolumesCommand({ VolumeIds: [id!] }))).Volumes![0]!;
    expect((await listed()).Encrypted).toBe(Encrypted);
    if (Encrypted) expect((await listed()).KmsKeyId).toContain(':key/');
    const mark = `PLAINTEXT-${Encrypted ? 'secret' : 'open'}`;
    await eventually(() => lab.run(guest.PublicIpAddress!, `test -b ${device}`), { why: 'the device is there' });
    await lab.run(
      guest.PublicIpAddress!,
      `printf 'PLAIN''TEXT-${Encrypted ? 'secret' : 'open'}' | dd of=${device} bs=4096 conv=sync,fsync oflag=direct`,
    );
    // The guest reads it back, with no set-up of its own.
    expect(await lab.run(guest.PublicIpAddress!, `head -c ${mark.length} ${device}`)).toBe(mark);
    execFileSync('sync', ['-f', cloud.data]);
    found[mark] =
      execFileSync('sh', ['-c', `grep -rlF -- '${mark}' "$1/machines/pilvi-disks" | wc -l`, 'count', cloud.data])
        .toString()
        .trim() === '0'
        ? 0
        : 1;
  }
  expect(found).toEqual({ 'PLAINTEXT-secret': 0, 'PLAINTEXT-open': 1 });
}, 60_000);

/** EBS volumes in instances: attached, formatted, mounted, measured, detached, snapshotted. */
import {
  AttachVolumeCommand,
  CopySnapshotCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  type CreateVolumeCommandInput,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  DetachVolumeCommand,
  EC2Client,
  type Instance,
  ModifyInstanceAttributeCommand,
  ModifyVolumeCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  type Volume,
} from '@aws-sdk/client-ec2';
import { CreateKeyCommand, DisableKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

const zone = 'us-east-1a';
const refusal = machinesRefused();
const lab = new Lab();
const kms = new KMSClient(lab.account.config());
const west = new EC2Client(lab.account.config({ region: 'eu-west-1' }));

let network: Network;
let otherSubnet: string;
let one: Instance;
let two: Instance;

async function shown(id: string): Promise<Volume> {
  return (await lab.ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }))).Volumes![0]!;
}

async function state(id: string, wanted: string): Promise<Volume> {
  return eventually(
    async () => {
      const volume = await shown(id);
      expect(volume.State).toBe(wanted);
      if (wanted === 'in-use') expect(volume.Attachments!.map(({ State }) => State)).not.toContain('attaching');
      return volume;
    },
    { why: `${id} becomes ${wanted}` },
  );
}

async function volume(ask: Partial<CreateVolumeCommandInput> = {}): Promise<string> {
  const input = {
    AvailabilityZone: zone,
    ...(ask.SnapshotId === undefined ? { Size: 1 } : {}),
    VolumeType: 'gp3' as const,
    ...ask,
  };
  const { VolumeId: id } = await lab.ec2.send(new CreateVolumeCommand(input));
  await state(id!, 'available');
  return id!;
}

const attach = (id: string, instance: Instance, device = '/dev/sdf') =>
  lab.ec2.send(new AttachVolumeCommand({ VolumeId: id, InstanceId: instance.InstanceId!, Device: device }));

async function attached(id: string, instance: Instance, device = '/dev/sdf'): Promise<void> {
  await attach(id, instance, device);
  await state(id, 'in-use');
}

async function detached(id: string, instance?: Instance): Promise<void> {
  await lab.ec2.send(
    new DetachVolumeCommand({ VolumeId: id, ...(instance === undefined ? {} : { InstanceId: instance.InstanceId! }) }),
  );
  await state(id, 'available');
}

const run = (instance: Instance, command: string): Promise<string> => lab.run(instance.PublicIpAddress!, command);

async function snapshot(id: string): Promise<string> {
  const { SnapshotId } = await lab.ec2.send(new CreateSnapshotCommand({ VolumeId: id }));
  await eventually(
    async () =>
      expect((await lab.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [SnapshotId!] }))).Snapshots![0]!.State).toBe(
        'completed',
      ),
    { why: 'the snapshot is completed' },
  );
  return SnapshotId!;
}

/** Makes an ext4 file system with one file on it, and leaves it unmounted. */
async function fill(instance: Instance, device: string, text: string): Promise<void> {
  await run(
    instance,
    `mkfs.ext4 -q ${device} && mkdir -p /fill && mount ${device} /fill && echo '${text}' > /fill/file && umount /fill`,
  );
}

const read = (instance: Instance, device: string): Promise<string> =>
  run(instance, `mkdir -p /look && mount -o ro ${device} /look && cat /look/file && umount /look`);

const launch = (subnetId = network.subnetId, type: 't3.micro' | 'm1.small' = 't3.micro'): Promise<Instance> =>
  lab.launchAgent({ InstanceType: type, SubnetId: subnetId, SecurityGroupIds: [network.groupId] });

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  network = await lab.network('10.70');
  otherSubnet = await lab.subnet(network.vpcId, '10.70.2.0/24', 'us-east-1b', true);
  [one, two] = await Promise.all([launch(), launch()]);
}, 60_000);

describe('attaching', () => {
  test('EBS-001 EBS-004 a volume appears in the running guest, is formatted and mounted there, and moves with its data', async () => {
    const id = await volume();
    await attached(id, one);
    expect(await run(one, 'lsblk -dbno NAME,SIZE,TYPE')).toMatch(/^nvme1n1 +1073741824 disk$/);
    expect(await run(one, 'readlink -f /dev/sdf')).toBe('/dev/nvme1n1');
    await fill(one, '/dev/xvdf', 'moved');
    await detached(id);
    expect(await run(one, 'ls /dev/nvme* 2> /dev/null | wc -l')).toBe('0');
    await attached(id, two);
    expect(await read(two, '/dev/sdf')).toBe('moved');
    await detached(id);
  });

  test('EBS-005 a volume is on one instance at a time', async () => {
    const id = await volume();
    await attached(id, one);
    await refused(attach(id, two), 'VolumeInUse', `${id} is already attached to an instance`);
    await refused(attach(await volume(), one), 'InvalidParameterValue', /Attachment point \/dev\/sdf is already in use/);
    await detached(id);
    await refused(
      lab.ec2.send(new DetachVolumeCommand({ VolumeId: id })),
      'IncorrectState',
      `Volume '${id}' is in the 'available' state.`,
    );
    await refused(attach(id, one, '/dev/nonsense'), 'InvalidParameterValue', /is not a valid EBS device name/);
  });

  test('EBS-006 several volumes are on one instance, up to the limit of its type', async () => {
    const ids = await Promise.all([volume(), volume(), volume()]);
    const letters = 'ghi';
    for (const [index, id] of ids.entries()) await attached(id, one, `/dev/sd${letters[index]}`);
    expect((await run(one, 'lsblk -dno NAME')).split('\n').sort()).toEqual(['nvme1n1', 'nvme2n1', 'nvme3n1']);
    const mappings = (await lab.instance(one.InstanceId!)).BlockDeviceMappings!;
    expect(mappings.map(({ DeviceName }) => DeviceName)).toEqual(['/dev/xvda', '/dev/sdg', '/dev/sdh', '/dev/sdi']);
    // A Nitro instance has 28 places; one is the interface's, one the root's.
    const more = await Promise.all(Array.from({ length: 23 }, () => volume()));
    const names = 'jklmnopqrstuvwxyz'.split('').map((letter) => `/dev/sd${letter}`);
    const places = [...names, ...'abcdefghij'.split('').map((letter) => `/dev/xvdb${letter}`)];
    for (const [index, id] of more.entries()) await attach(id, one, places[index]!);
    await refused(attach(await volume(), one, '/dev/xvdcz'), 'AttachmentLimitExceeded');
    for (const id of [...ids, ...more]) await lab.ec2.send(new DetachVolumeCommand({ VolumeId: id }));
    for (const id of [...ids, ...more]) await state(id, 'available');
  }, 60_000);

  test('EBS-007 EBS-039 a volume attaches only in its own zone, also with Multi-Attach', async () => {
    const id = await volume({ AvailabilityZone: 'us-east-1b' });
    await refused(
      attach(id, one),
      'InvalidVolume.ZoneMismatch',
      `The volume '${id}' is not in the same availability zone as instance '${one.InstanceId}'`,
    );
    const shared = await volume({
      AvailabilityZone: 'us-east-1b',
      VolumeType: 'io2',
      Size: 4,
      Iops: 100,
      MultiAttachEnabled: true,
    });
    await refused(attach(shared, one), 'InvalidVolume.ZoneMismatch');
    const there = await launch(otherSubnet);
    await attached(id, there);
    expect(await run(there, 'test -b /dev/sdf && echo block')).toBe('block');
  }, 30_000);

  test('a mounted volume stays busy until it is unmounted, or is torn out by force', async () => {
    const id = await volume();
    await attached(id, one);
    await run(one, 'mkfs.ext4 -q /dev/sdf && mkdir -p /busy && mount /dev/sdf /busy');
    await lab.ec2.send(new DetachVolumeCommand({ VolumeId: id }));
    await eventually(async () => expect((await shown(id)).Attachments![0]!.State).toBe('busy'), { why: 'the volume is busy' });
    await run(one, 'umount /busy');
    await state(id, 'available');
    await attached(id, one);
    await run(one, 'mount /dev/sdf /busy');
    await lab.ec2.send(new DetachVolumeCommand({ VolumeId: id, Force: true }));
    await state(id, 'available');
    expect(await run(one, 'grep -c busy /proc/mounts || true')).toBe('0');
  });

  test("a guest mounts its own disks and nothing else's", async () => {
    expect(await run(one, 'mount --bind /proc /mnt 2>&1 || echo refused')).toMatch(/refused$/);
    expect(await run(one, 'mknod /dev/host b 7 200 && mount -t ext4 /dev/host /mnt 2>&1 || echo refused')).toMatch(
      /not a disk of this machine[\s\S]*refused$/,
    );
    expect(await run(one, 'mount -t tmpfs none /proc 2>&1 || echo refused')).toMatch(/kept by the machine[\s\S]*refused$/);
    expect(await run(one, 'cat /dev/host 2>&1 || echo refused')).toMatch(/refused$/);
  });

  test('EBS-009 size is asked for, and is what the guest sees', async () => {
    await refused(lab.ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone })), 'MissingParameter');
    const id = await volume({ Size: 7 });
    await attached(id, two);
    expect(await run(two, 'blockdev --getsize64 /dev/sdf')).toBe(String(7 * 1024 ** 3));
    await detached(id);
  });

  test('EBS-010 a volume grows while it is mounted, and does not shrink', async () => {
    const id = await volume({ Size: 10 });
    await attached(id, two);
    await run(two, 'mkfs.xfs -q -f /dev/sdf && mkdir -p /grow && mount /dev/sdf /grow && echo kept > /grow/file');
    await refused(lab.ec2.send(new ModifyVolumeCommand({ VolumeId: id, Size: 5 })), 'InvalidParameterValue');
    await lab.ec2.send(new ModifyVolumeCommand({ VolumeId: id, Size: 20 }));
    await eventually(async () => expect(await run(two, 'blockdev --getsize64 /dev/sdf')).toBe(String(20 * 1024 ** 3)), {
      why: 'the device is larger',
    });
    await run(two, 'xfs_growfs /grow');
    expect(await run(two, 'df -BG --output=size /grow | tail -1 | tr -d " "')).toBe('20G');
    expect(await run(two, 'cat /grow/file')).toBe('kept');
    await run(two, 'umount /grow');
    await detached(id);
  });

  test('EBS-037 EBS-005 two instances read and write one Multi-Attach volume', async () => {
    const id = await volume({ VolumeType: 'io2', Size: 4, Iops: 1000, MultiAttachEnabled: true });
    await attached(id, one);
    await attached(id, two);
    await run(one, 'printf from-one | dd of=/dev/sdf bs=4096 conv=sync oflag=direct');
    expect(await run(two, 'dd if=/dev/sdf bs=4096 count=1 iflag=direct 2> /dev/null | head -c 8')).toBe('from-one');
    await run(two, 'printf from-two | dd of=/dev/sdf bs=4096 seek=9 conv=sync oflag=direct');
    expect(await run(one, 'dd if=/dev/sdf bs=4096 skip=9 count=1 iflag=direct 2> /dev/null | head -c 8')).toBe('from-two');
    await lab.ec2.send(new DetachVolumeCommand({ VolumeId: id, InstanceId: one.InstanceId! }));
    await lab.ec2.send(new DetachVolumeCommand({ VolumeId: id, InstanceId: two.InstanceId! }));
    await state(id, 'available');
  });
});

describe('life and end of the instance', () => {
  test('EBS-002 EBS-003 EBS-011 EBS-012 volumes go or stay with the instance as their flags say, and keep their data', async () => {
    const mapping = (DeviceName: string, DeleteOnTermination?: boolean) => ({
      DeviceName,
      Ebs: {
        VolumeSize: DeviceName === '/dev/xvda' ? 8 : 1,
        ...(DeleteOnTermination === undefined ? {} : { DeleteOnTermination }),
      },
    });
    const guest = await lab.launchAgent({
      InstanceType: 't3.micro',
      SubnetId: network.subnetId,
      SecurityGroupIds: [network.groupId],
      BlockDeviceMappings: [mapping('/dev/sdg'), mapping('/dev/sdh', false)],
    });
    const later = await volume();
    await attached(later, guest, '/dev/sdi');
    const flags = async () =>
      Object.fromEntries(
        (await lab.instance(guest.InstanceId!)).BlockDeviceMappings!.map(({ DeviceName, Ebs }) => [
          DeviceName,
          Ebs!.DeleteOnTermination,
        ]),
      );
    expect(await flags()).toEqual({ '/dev/xvda': true, '/dev/sdg': true, '/dev/sdh': false, '/dev/sdi': false });
    const mappings = (await lab.instance(guest.InstanceId!)).BlockDeviceMappings!;
    const idOf = (device: string): string => mappings.find(({ DeviceName }) => DeviceName === device)!.Ebs!.VolumeId!;
    await fill(guest, '/dev/sdh', 'outlives');
    await lab.ec2.send(
      new ModifyInstanceAttributeCommand({
        InstanceId: guest.InstanceId!,
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { DeleteOnTermination: false } }],
      }),
    );
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [guest.InstanceId!] }));
    await lab.inState(guest.InstanceId!, 'terminated');
    for (const device of ['/dev/xvda', '/dev/sdh', '/dev/sdi']) expect((await shown(idOf(device))).State).toBe('available');
    await refused(shown(idOf('/dev/sdg')), 'InvalidVolume.NotFound');
    await attached(idOf('/dev/sdh'), two, '/dev/sdp');
    expect(await read(two, '/dev/sdp')).toBe('outlives');
    await detached(idOf('/dev/sdh'));
  }, 60_000);

  test('EBS-023 SSD types boot, HDD types only hold data', async () => {
    const root = (VolumeType: 'io2' | 'st1' | 'sc1') => ({
      DeviceName: '/dev/xvda',
      Ebs: { VolumeType, VolumeSize: VolumeType === 'io2' ? 8 : 125, ...(VolumeType === 'io2' ? { Iops: 100 } : {}) },
    });
    for (const type of ['st1', 'sc1'] as const)
      await refused(lab.launch({ BlockDeviceMappings: [root(type)] }), 'InvalidBlockDeviceMapping', /boot volume/);
    const id = await lab.launch({
      SubnetId: network.subnetId,
      BlockDeviceMappings: [root('io2'), { DeviceName: '/dev/sdf', Ebs: { VolumeType: 'st1', VolumeSize: 125 } }],
    });
    await lab.inState(id, 'running');
    const found = await lab.ec2.send(new DescribeVolumesCommand({ Filters: [{ Name: 'attachment.instance-id', Values: [id] }] }));
    expect(found.Volumes!.map(({ VolumeType }) => VolumeType).sort()).toEqual(['io2', 'st1']);
  }, 30_000);
});

describe('snapshots', () => {
  test('EBS-013 EBS-014 a snapshot of a mounted volume holds its moment', async () => {
    const id = await volume();
    await attached(id, one);
    await run(one, 'mkfs.ext4 -q /dev/sdf && mkdir -p /snap && mount /dev/sdf /snap && echo before > /snap/file');
    const taken = await snapshot(id);
    await run(one, 'echo after > /snap/file && sync');
    const copy = await volume({ SnapshotId: taken });
    await attached(copy, two);
    expect(await read(two, '/dev/sdf')).toBe('before');
    expect(await run(one, 'cat /snap/file && umount /snap')).toBe('after');
    await Promise.all([detached(copy), detached(id)]);
  });

  test('EBS-015 a snapshot is restored in other zones, and by a copy in another Region', async () => {
    const id = await volume();
    await attached(id, one);
    await fill(one, '/dev/sdf', 'everywhere');
    await detached(id);
    const taken = await snapshot(id);
    const third = await lab.subnet(network.vpcId, '10.70.3.0/24', 'us-east-1c', true);
    for (const [AvailabilityZone, subnetId] of [
      ['us-east-1b', otherSubnet],
      ['us-east-1c', third],
    ] as const) {
      const there = await launch(subnetId);
      await attached(await volume({ SnapshotId: taken, AvailabilityZone }), there);
      expect(await read(there, '/dev/sdf')).toBe('everywhere');
    }
    const { SnapshotId: copy } = await west.send(new CopySnapshotCommand({ SourceRegion: 'us-east-1', SourceSnapshotId: taken }));
    const listed = async () => (await west.send(new DescribeSnapshotsCommand({ SnapshotIds: [copy!] }))).Snapshots![0]!;
    await eventually(async () => expect((await listed()).State).toBe('completed'), { why: 'the copy is completed' });
    expect((await listed()).FullSnapshotSizeInBytes).toBeGreaterThan(0);
    await refused(
      lab.ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, SnapshotId: copy! })),
      'InvalidSnapshot.NotFound',
    );
  }, 60_000);
});

describe('speed', () => {
  /** Real seconds that a command takes in the guest. */
  const seconds = async (instance: Instance, command: string): Promise<number> =>
    Number(
      await run(
        instance,
        `begin=$(date +%s%N); { ${command}; } 2> /dev/null; end=$(date +%s%N); echo $(((end - begin) / 1000000))`,
      ),
    ) / 1000;
  const mibPerSecond = async (instance: Instance, device: string, mib: number): Promise<number> =>
    mib / (await seconds(instance, `dd if=${device} of=/dev/null bs=1M count=${mib} iflag=direct`));
  /** Four readers at once: one alone waits for each answer, and measures that. */
  const readsPerSecond = async (instance: Instance, device: string, count: number): Promise<number> => {
    const reader = `dd if=${device} of=/dev/null bs=4k count=${count / 4} iflag=direct`;
    return count / (await seconds(instance, `${reader} & ${reader} & ${reader} & ${reader} & wait`));
  };

  test('EBS-026 a gp3 volume gives 3,000 IOPS and 125 MiB/s', async () => {
    const id = await volume({ Size: 10 });
    expect(await shown(id)).toMatchObject({ Iops: 3000, Throughput: 125 });
    await attached(id, two, '/dev/sdq');
    const written = 150 / (await seconds(two, 'dd if=/dev/zero of=/dev/sdq bs=1M count=150 oflag=direct'));
    expect(written).toBeGreaterThan(95);
    expect(written).toBeLessThan(150);
    const operations = await readsPerSecond(two, '/dev/sdq', 4000);
    expect(operations).toBeGreaterThan(2200);
    expect(operations).toBeLessThan(3500);
    await detached(id);
  }, 30_000);

  test('EBS-028 an io1 volume holds the IOPS it was given', async () => {
    await refused(
      lab.ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, Size: 200, VolumeType: 'io1' })),
      'MissingParameter',
    );
    await refused(
      lab.ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, Size: 200, VolumeType: 'io2' })),
      'MissingParameter',
    );
    const id = await volume({ Size: 200, VolumeType: 'io1', Iops: 10_000 });
    expect((await shown(id)).Iops).toBe(10_000);
    await attached(id, two, '/dev/sdr');
    const operations = await readsPerSecond(two, '/dev/sdr', 16_000);
    expect(operations).toBeGreaterThan(7000);
    expect(operations).toBeLessThan(11_500);
    await detached(id);
  }, 30_000);

  test('EBS-035 EBS-036 st1 streams 500 MiB/s, sc1 of its size 250', async () => {
    await refused(
      lab.ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, Size: 2048, VolumeType: 'st1', Iops: 500 })),
      'InvalidParameterCombination',
    );
    const speeds: number[] = [];
    for (const VolumeType of ['st1', 'sc1'] as const) {
      const id = await volume({ Size: 4096, VolumeType });
      await attached(id, two, '/dev/sds');
      speeds.push(await mibPerSecond(two, '/dev/sds', 400));
      await detached(id);
    }
    expect(speeds[0]).toBeGreaterThan(350);
    expect(speeds[0]).toBeLessThan(600);
    expect(speeds[1]).toBeGreaterThan(175);
    expect(speeds[1]).toBeLessThan(300);
  }, 30_000);

  test('EBS-045 an encrypted volume is used without set-up, and is as quick as a plain one', async () => {
    const speeds: number[] = [];
    for (const Encrypted of [false, true]) {
      const id = await volume({ Size: 4, Encrypted });
      await attached(id, two, '/dev/sdt');
      await fill(two, '/dev/sdt', 'no key in sight');
      expect(await read(two, '/dev/sdt')).toBe('no key in sight');
      speeds.push(await readsPerSecond(two, '/dev/sdt', 4000));
      await detached(id);
    }
    expect(speeds[1]! / speeds[0]!).toBeGreaterThan(0.75);
    expect(speeds[1]! / speeds[0]!).toBeLessThan(1.33);
  }, 30_000);
});

test('EBS-040 a Multi-Attach volume is on at most sixteen instances', async () => {
  const started = await lab.ec2.send(
    new RunInstancesCommand({
      ImageId: await lab.image(),
      InstanceType: 't3.nano',
      MinCount: 17,
      MaxCount: 17,
      SubnetId: network.subnetId,
    }),
  );
  const ids = started.Instances!.map(({ InstanceId }) => InstanceId!);
  for (const id of ids) await lab.inState(id, 'running');
  const id = await volume({ VolumeType: 'io2', Size: 4, Iops: 100, MultiAttachEnabled: true });
  for (const instance of ids.slice(0, 16)) await attach(id, { InstanceId: instance });
  await refused(attach(id, { InstanceId: ids[16]! }), 'AttachmentLimitExceeded');
  await lab.ec2.send(new DetachVolumeCommand({ VolumeId: id, InstanceId: ids[0]! }));
  await eventually(async () => expect((await shown(id)).Attachments).toHaveLength(15), { why: 'one is detached' });
  await attach(id, { InstanceId: ids[16]! });
  await eventually(
    async () => expect((await shown(id)).Attachments!.filter(({ State }) => State === 'attached')).toHaveLength(16),
    { why: 'sixteen are attached' },
  );
  await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: ids }));
}, 60_000);

describe('encryption', () => {
  test('EBS-046 EBS-044 EBS-047 EBS-048 volumes are encrypted under a KMS key, snapshots too, and nothing of them is ever plain again', async () => {
    const byDefault = await volume({ Encrypted: true });
    expect((await shown(byDefault)).KmsKeyId).toMatch(/^arn:aws:kms:us-east-1:\d{12}:key\//);
    const { KeyMetadata: key } = await kms.send(new CreateKeyCommand({}));
    const own = await volume({ Encrypted: true, KmsKeyId: key!.KeyId! });
    expect(await shown(own)).toMatchObject({ Encrypted: true, KmsKeyId: key!.Arn });
    await attached(own, one);
    await fill(one, '/dev/sdf', 'secret');
    await detached(own);
    const taken = await snapshot(own);
    const listed = await lab.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [taken] }));
    expect(listed.Snapshots![0]).toMatchObject({ Encrypted: true, KmsKeyId: key!.Arn });
    await refused(
      lab.ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, SnapshotId: taken, Encrypted: false })),
      'InvalidParameterCombination',
    );
    const again = await volume({ SnapshotId: taken });
    expect(await shown(again)).toMatchObject({ Encrypted: true, KmsKeyId: key!.Arn });
    await attached(again, two);
    expect(await read(two, '/dev/sdf')).toBe('secret');
    await detached(again);

    const plain = await volume();
    await attached(plain, one);
    await fill(one, '/dev/sdf', 'was plain');
    await detached(plain);
    const source = await snapshot(plain);
    const copied = await lab.ec2.send(
      new CopySnapshotCommand({ SourceRegion: 'us-east-1', SourceSnapshotId: source, Encrypted: true }),
    );
    const both = async () =>
      (await lab.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [source, copied.SnapshotId!] }))).Snapshots!;
    await eventually(async () => expect((await both()).map(({ State }) => State)).toEqual(['completed', 'completed']), {
      why: 'copied',
    });
    expect((await both()).map(({ SnapshotId, Encrypted }) => [SnapshotId, Encrypted])).toContainEqual([source, false]);
    const encrypted = await volume({ SnapshotId: copied.SnapshotId! });
    expect((await shown(encrypted)).Encrypted).toBe(true);
    await attached(encrypted, one);
    expect(await read(one, '/dev/sdf')).toBe('was plain');
    await detached(encrypted);
    const copyOfEncrypted = await lab.ec2.send(new CopySnapshotCommand({ SourceRegion: 'us-east-1', SourceSnapshotId: taken }));
    const last = await lab.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [copyOfEncrypted.SnapshotId!] }));
    expect(last.Snapshots![0]!.Encrypted).toBe(true);

    await kms.send(new DisableKeyCommand({ KeyId: key!.KeyId! }));
    await refused(attach(own, one), 'InvalidKmsKey.InvalidState');
    expect((await shown(own)).State).toBe('available');
  }, 60_000);
});

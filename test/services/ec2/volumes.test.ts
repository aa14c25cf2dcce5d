/** EBS volumes by the API alone: types, sizes, performance, and the refusals. */
import {
  CreateVolumeCommand,
  type CreateVolumeCommandInput,
  DeleteVolumeCommand,
  DescribeVolumesCommand,
  DescribeVolumesModificationsCommand,
  EC2Client,
  ModifyVolumeCommand,
  type Volume,
} from '@aws-sdk/client-ec2';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually, freshAccount, refused } from '../../support/cloud.ts';

const account = freshAccount();
const ec2 = new EC2Client(account.config());
const zone = 'us-east-1a';

type Ask = Partial<CreateVolumeCommandInput>;
const create = (ask: Ask): Promise<Volume> => ec2.send(new CreateVolumeCommand({ AvailabilityZone: zone, ...ask }));

async function shown(id: string): Promise<Volume> {
  return (await ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }))).Volumes![0]!;
}

async function available(ask: Ask): Promise<Volume> {
  const { VolumeId: id } = await create(ask);
  return eventually(
    async () => {
      const volume = await shown(id!);
      expect(volume.State).toBe('available');
      return volume;
    },
    { why: 'the volume is available' },
  );
}

/** Each size or value that must work, and each that must not, of one type. */
async function bounds(good: readonly Ask[], bad: readonly [Ask, string, RegExp][]): Promise<void> {
  for (const ask of good) {
    const volume = await create(ask);
    expect(volume.Size).toBe(ask.Size);
    await eventually(() => ec2.send(new DeleteVolumeCommand({ VolumeId: volume.VolumeId! })), {
      why: 'the volume can be deleted',
    });
  }
  for (const [ask, code, message] of bad) await refused(create(ask), code, message);
}

describe('types of volumes', () => {
  beforeAll(async () => {
    await ec2.send(new DescribeVolumesCommand({}));
  });

  test('EBS-022 each volume type is made as asked, and an unknown one is refused', async () => {
    const asks: Ask[] = [
      { VolumeType: 'gp2', Size: 10 },
      { VolumeType: 'gp3', Size: 10, Iops: 4000, Throughput: 250 },
      { VolumeType: 'io1', Size: 10, Iops: 500 },
      { VolumeType: 'io2', Size: 10, Iops: 5000 },
      { VolumeType: 'st1', Size: 125 },
      { VolumeType: 'sc1', Size: 125 },
      { VolumeType: 'standard', Size: 10 },
    ];
    for (const ask of asks) {
      const volume = await available(ask);
      expect(volume).toMatchObject({ VolumeType: ask.VolumeType, Size: ask.Size, AvailabilityZone: zone, Encrypted: false });
      if (ask.Iops !== undefined) expect(volume.Iops).toBe(ask.Iops);
      expect(volume.Throughput).toBe(ask.Throughput);
    }
    await refused(create({ VolumeType: 'gp9' as never, Size: 10 }), 'InvalidParameterValue', 'Unknown volume type: gp9');
  });

  test('EBS-024 gp2 volumes are 1 GiB to 16 TiB', async () => {
    await bounds(
      [
        { VolumeType: 'gp2', Size: 1 },
        { VolumeType: 'gp2', Size: 16_384 },
      ],
      [
        [{ VolumeType: 'gp2', Size: 16_385 }, 'InvalidParameterValue', /too large/],
        [{ VolumeType: 'gp2', Size: 0 }, 'InvalidParameterValue', /too small/],
      ],
    );
  });

  test('EBS-025 gp2 has 3 IOPS for each GiB, from 100 to 16,000, and takes no Iops', async () => {
    for (const [size, iops] of [
      [10, 100],
      [100, 300],
      [1000, 3000],
      [5334, 16_000],
      [10_000, 16_000],
    ] as const)
      expect((await create({ VolumeType: 'gp2', Size: size })).Iops).toBe(iops);
    await refused(
      create({ VolumeType: 'gp2', Size: 100, Iops: 300 }),
      'InvalidParameterCombination',
      'The parameter iops is not supported for gp2 volumes.',
    );
  });

  test('EBS-027 gp3 takes more IOPS and throughput at any size within its ratios, also later', async () => {
    const { VolumeId: id } = await available({ VolumeType: 'gp3', Size: 200 });
    await ec2.send(new ModifyVolumeCommand({ VolumeId: id!, Iops: 16_000, Throughput: 1000 }));
    await eventually(async () => expect(await shown(id!)).toMatchObject({ Size: 200, Iops: 16_000, Throughput: 1000 }), {
      why: 'the volume is faster',
    });
    await bounds(
      [{ VolumeType: 'gp3', Size: 65_536, Iops: 80_000, Throughput: 2000 }],
      [
        [{ VolumeType: 'gp3', Size: 200, Iops: 80_001 }, 'InvalidParameterValue', /too high; maximum is 80000/],
        [{ VolumeType: 'gp3', Size: 200, Iops: 16_000, Throughput: 2001 }, 'InvalidParameterValue', /maximum is 2000/],
        [{ VolumeType: 'gp3', Size: 65_537 }, 'InvalidParameterValue', /too large/],
        [{ VolumeType: 'gp3', Size: 10, Iops: 5001 }, 'InvalidParameterCombination', /ratio of 500.1\d* is too high/],
        [{ VolumeType: 'gp3', Size: 10, Throughput: 751 }, 'InvalidParameterCombination', /Throughput .* ratio/],
      ],
    );
  });

  test('EBS-029 io1 volumes are 4 GiB to 16 TiB, io2 up to 64 TiB', async () => {
    await bounds(
      [
        { VolumeType: 'io1', Size: 4, Iops: 100 },
        { VolumeType: 'io1', Size: 16_384, Iops: 100 },
        { VolumeType: 'io2', Size: 65_536, Iops: 100 },
      ],
      [
        [{ VolumeType: 'io1', Size: 3, Iops: 100 }, 'InvalidParameterValue', /too small; minimum is 4 GiB/],
        [{ VolumeType: 'io1', Size: 16_385, Iops: 100 }, 'InvalidParameterValue', /too large/],
        [{ VolumeType: 'io2', Size: 65_537, Iops: 100 }, 'InvalidParameterValue', /too large/],
        [{ VolumeType: 'io1', Size: 100 }, 'MissingParameter', /iops/],
        [{ VolumeType: 'io2', Size: 100 }, 'MissingParameter', /iops/],
      ],
    );
  });

  test('EBS-031 EBS-033 IOPS stay within 50 for each GiB of io1 and 1,000 of io2, up to 256,000', async () => {
    await bounds(
      [
        { VolumeType: 'io1', Size: 100, Iops: 5000 },
        { VolumeType: 'io1', Size: 2000, Iops: 64_000 },
        { VolumeType: 'io2', Size: 100, Iops: 100_000 },
        { VolumeType: 'io2', Size: 256, Iops: 256_000 },
      ],
      [
        [{ VolumeType: 'io1', Size: 100, Iops: 5001 }, 'InvalidParameterCombination', /maximum is 50/],
        [{ VolumeType: 'io1', Size: 2000, Iops: 64_001 }, 'InvalidParameterValue', /maximum is 64000/],
        [{ VolumeType: 'io2', Size: 255, Iops: 256_000 }, 'InvalidParameterCombination', /maximum is 1000/],
        [{ VolumeType: 'io2', Size: 300, Iops: 256_001 }, 'InvalidParameterValue', /maximum is 256000/],
      ],
    );
  });

  test('EBS-034 st1 and sc1 volumes are 125 GiB to 16 TiB', async () => {
    for (const VolumeType of ['st1', 'sc1'] as const) {
      await bounds(
        [
          { VolumeType, Size: 125 },
          { VolumeType, Size: 16_384 },
        ],
        [
          [{ VolumeType, Size: 124 }, 'InvalidParameterValue', /too small; minimum is 125/],
          [{ VolumeType, Size: 16_385 }, 'InvalidParameterValue', /too large/],
        ],
      );
    }
  });

  test('EBS-038 Multi-Attach is for io1 and io2 only', async () => {
    expect((await create({ VolumeType: 'io1', Size: 4, Iops: 100, MultiAttachEnabled: true })).MultiAttachEnabled).toBe(true);
    await refused(create({ VolumeType: 'gp3', Size: 4, MultiAttachEnabled: true }), 'InvalidParameterCombination', /io1 and io2/);
  });
});

describe('refusals', () => {
  test('a volume needs a size or a snapshot, and a zone of the Region', async () => {
    await refused(create({}), 'MissingParameter', 'The request must contain the parameter size/snapshot');
    await refused(create({ Size: 1, AvailabilityZone: 'eu-west-1a' }), 'InvalidZone.NotFound');
    await refused(create({ SnapshotId: 'snap-0123456789abcdef0' }), 'InvalidSnapshot.NotFound');
    await refused(create({ SnapshotId: 'snap-x' }), 'InvalidSnapshot.Malformed');
    await refused(create({ Size: 1, KmsKeyId: 'alias/aws/ebs' }), 'InvalidParameterDependency');
  });

  test('a change cannot shrink, comes once in six hours, and is told of', async () => {
    const { VolumeId: id } = await available({ VolumeType: 'gp3', Size: 10 });
    await refused(ec2.send(new DescribeVolumesModificationsCommand({ VolumeIds: [id!] })), 'InvalidVolumeModification.NotFound');
    await refused(ec2.send(new ModifyVolumeCommand({ VolumeId: id!, Size: 5 })), 'InvalidParameterValue', /cannot be smaller/);
    const { VolumeModification: first } = await ec2.send(new ModifyVolumeCommand({ VolumeId: id!, Size: 20, VolumeType: 'gp2' }));
    expect(first).toMatchObject({ ModificationState: 'modifying', OriginalSize: 10, TargetSize: 20, TargetVolumeType: 'gp2' });
    await refused(ec2.send(new ModifyVolumeCommand({ VolumeId: id!, Size: 30 })), 'IncorrectModificationState');
    await eventually(async () => expect(await shown(id!)).toMatchObject({ Size: 20, VolumeType: 'gp2', Iops: 100 }), {
      why: 'the volume has the new shape',
    });
  });

  test('volumes that do not exist, and ids that are none', async () => {
    await refused(
      ec2.send(new DeleteVolumeCommand({ VolumeId: 'vol-0123456789abcdef0' })),
      'InvalidVolume.NotFound',
      "The volume 'vol-0123456789abcdef0' does not exist.",
    );
    await refused(ec2.send(new DeleteVolumeCommand({ VolumeId: 'x' })), 'InvalidVolume.Malformed');
  });
});

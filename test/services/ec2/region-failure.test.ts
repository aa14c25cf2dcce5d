/** What outlives the failure of a host, and of a Region, in a cloud of its own. */
import {
  AttachVolumeCommand,
  CopySnapshotCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  DescribeRegionsCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  type Instance,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { agentAtEachBoot, Lab } from './support.ts';

const refusal = machinesRefused();
let cloud: OwnCloud;
let lab: Lab;

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  cloud = await startOwnCloud();
  lab = new Lab(cloud.endpoint);
}, 40_000);

afterAll(async () => {
  await cloud?.stop();
});

/** Attaches a new volume as /dev/sdf and waits until the guest has it. */
async function attachNew(where: Lab, guest: Instance, input: { Size?: number; SnapshotId?: string }): Promise<string> {
  const { VolumeId } = await where.ec2.send(
    new CreateVolumeCommand({ AvailabilityZone: guest.Placement!.AvailabilityZone!, ...input }),
  );
  await eventually(
    () => where.ec2.send(new AttachVolumeCommand({ VolumeId: VolumeId!, InstanceId: guest.InstanceId!, Device: '/dev/sdf' })),
    { why: 'the volume can be attached' },
  );
  await eventually(() => where.run(guest.PublicIpAddress!, 'test -b /dev/sdf'), { why: 'the guest has the volume' });
  return VolumeId!;
}

const write = (device: string, text: string) =>
  `printf ${text} | dd of=${device} bs=4096 seek=10 conv=sync oflag=direct 2> /dev/null`;
const read = (device: string) => `dd if=${device} bs=4096 skip=10 count=1 iflag=direct 2> /dev/null | tr -d '\\0'`;

test('ISTORE-006 when its host fails an instance loses its local disks, and its volumes have their data', async () => {
  const network = await lab.network('10.81');
  const guest = await lab.launchAgent(
    { SubnetId: network.subnetId, SecurityGroupIds: [network.groupId], InstanceType: 'c5d.large' },
    agentAtEachBoot,
  );
  const address = guest.PublicIpAddress!;
  const id = guest.InstanceId!;
  await attachNew(lab, guest, { Size: 1 });
  const local = `/dev/${await lab.run(address, 'lsblk -dno NAME | grep nvme26')}`;
  await lab.run(address, `${write(local, 'local')}; ${write('/dev/sdf', 'kept')}; echo root > /root-file; sync`);
  expect(await lab.run(address, read(local))).toBe('local');
  const place = async () => ((await admin('GET', `places/${id}`, undefined, cloud.endpoint)) as { place: string }).place;
  const before = await place();
  await admin('POST', 'chaos/host', { at: id, down: true }, cloud.endpoint);
  await advanceClock(cloud.endpoint, 180_000);
  await lab.answers(address);
  expect(await place()).not.toBe(before);
  expect(await lab.run(address, read(local))).toBe('');
  expect(await lab.run(address, `${read('/dev/sdf')}; cat /root-file`)).toBe('keptroot');
  await admin('POST', 'chaos/clear', {}, cloud.endpoint);
}, 60_000);

test('EBS-016 a snapshot copied to another Region has its data there, also with the first one switched off', async () => {
  const network = await lab.network('10.82');
  const guest = await lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
  const source = await attachNew(lab, guest, { Size: 1 });
  await lab.run(guest.PublicIpAddress!, write('/dev/sdf', 'across'));
  const { SnapshotId } = await lab.ec2.send(new CreateSnapshotCommand({ VolumeId: source }));
  const ireland = new Lab(cloud.endpoint, lab.account);
  Object.assign(ireland, { ec2: new EC2Client(lab.account.config({ endpoint: cloud.endpoint, region: 'eu-west-1' })) });
  const copied = await ireland.ec2.send(new CopySnapshotCommand({ SourceRegion: 'us-east-1', SourceSnapshotId: SnapshotId! }));
  await eventually(
    async () => {
      const found = await ireland.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [copied.SnapshotId!] }));
      expect(found.Snapshots![0]!.State).toBe('completed');
    },
    { why: 'the copy is completed' },
  );
  await refused(
    admin('POST', 'chaos/region', { region: 'mars-1', down: true }, cloud.endpoint).catch((error: Error) => {
      throw Object.assign(error, { Code: 'refused' });
    }),
    'refused',
    /region must be the name of a Region/,
  );
  await admin('POST', 'chaos/region', { region: 'us-east-1', down: true }, cloud.endpoint);
  await refused(lab.ec2.send(new DescribeInstancesCommand({})), 'ServiceUnavailable', 'The Region us-east-1 is down.', 503);
  await expect(lab.run(guest.PublicIpAddress!, 'true')).rejects.toThrow();
  await refused(
    ireland.ec2.send(new CopySnapshotCommand({ SourceRegion: 'us-east-1', SourceSnapshotId: SnapshotId! })),
    'Unavailable',
  );
  expect((await ireland.ec2.send(new DescribeRegionsCommand({}))).Regions!.length).toBeGreaterThan(10);
  const there = await ireland.network('10.83', 'eu-west-1a');
  const second = await ireland.launchAgent({ SubnetId: there.subnetId, SecurityGroupIds: [there.groupId] });
  await attachNew(ireland, second, { SnapshotId: copied.SnapshotId! });
  expect(await ireland.run(second.PublicIpAddress!, read('/dev/sdf'))).toBe('across');
  await admin('POST', 'chaos/region', { region: 'us-east-1', down: false }, cloud.endpoint);
  expect((await lab.instance(guest.InstanceId!)).State!.Name).toBe('running');
}, 60_000);

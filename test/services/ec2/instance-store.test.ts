/** Local disks of instance types: there without asking when NVMe, by a mapping otherwise; fast, and gone when the instance stops. */
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DescribeInstanceTypesCommand,
  DescribeVolumesCommand,
  DescribeVolumeStatusCommand,
  type Instance,
  RebootInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { admin, eventually, machinesRefused } from '../../support/cloud.ts';
import { agentAtEachBoot, Lab, type Network } from './support.ts';

const refusal = machinesRefused();
const lab = new Lab();
let network: Network;

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal === undefined) network = await lab.network('10.72');
}, 30_000);

const launch = (input: Partial<RunInstancesCommandInput>): Promise<Instance> =>
  lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId], ...input }, agentAtEachBoot);

async function typeInfo(name: string) {
  const found = await lab.ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: [name as never] }));
  return found.InstanceTypes![0]!;
}

test('ISTORE-001 local disks are those of the type, as block devices', async () => {
  const info = await typeInfo('c5d.large');
  expect(info.InstanceStorageSupported).toBe(true);
  expect(info.InstanceStorageInfo).toMatchObject({ TotalSizeInGB: 50, Disks: [{ Count: 1, SizeInGB: 50, Type: 'ssd' }] });
  const guest = await launch({ InstanceType: 'c5d.large' });
  const disks = await lab.run(guest.PublicIpAddress!, 'lsblk -dbno NAME,SIZE,TYPE');
  expect(disks).toMatch(/^nvme\d+n1 +\d+ disk$/);
  expect(Math.round(Number(disks.split(/ +/)[1]) / 1e9)).toBe(50);
  expect((await typeInfo('c5.large')).InstanceStorageSupported).toBe(false);
  const plain = await launch({ InstanceType: 'c5.large' });
  expect(await lab.run(plain.PublicIpAddress!, 'lsblk -dno NAME')).toBe('');
}, 30_000);

test('ISTORE-002 there are HDD, SSD and NVMe disks', async () => {
  const kinds = await Promise.all(['d2.xlarge', 'r3.large', 'i3.large'].map(typeInfo));
  expect(kinds.map(({ InstanceStorageInfo: info }) => [info!.Disks![0]!.Type, info!.NvmeSupport])).toEqual([
    ['hdd', 'unsupported'],
    ['ssd', 'unsupported'],
    ['ssd', 'required'],
  ]);
});

test('ISTORE-003 a mapping names the device of a disk that is not NVMe; NVMe disks need none', async () => {
  const mapped = await launch({
    InstanceType: 'r3.large',
    BlockDeviceMappings: [{ DeviceName: '/dev/sdb', VirtualName: 'ephemeral0' }],
  });
  expect(await lab.run(mapped.PublicIpAddress!, 'test -b /dev/xvdb && readlink -f /dev/sdb')).toBe('/dev/xvdb');
  const unmapped = await launch({ InstanceType: 'r3.large' });
  expect(await lab.run(unmapped.PublicIpAddress!, 'ls /dev/xvd* 2> /dev/null | wc -l')).toBe('0');
  const nvme = await launch({ InstanceType: 'i3.large' });
  expect(await lab.run(nvme.PublicIpAddress!, 'lsblk -dno NAME')).toMatch(/^nvme\dn1$/);
}, 40_000);

test('EC2-016 i, d and h1 types have local disks, which the guest sees', async () => {
  const expected = { 'i3.large': [475, 'ssd'], 'd2.xlarge': [2048, 'hdd'], 'h1.2xlarge': [2000, 'hdd'] } as const;
  const mapping = { BlockDeviceMappings: [{ DeviceName: '/dev/sdb', VirtualName: 'ephemeral0' }] };
  for (const [InstanceType, [SizeInGB, Type]] of Object.entries(expected)) {
    const info = await typeInfo(InstanceType);
    expect(info.InstanceStorageSupported).toBe(true);
    const [disk] = info.InstanceStorageInfo!.Disks!;
    expect(disk).toMatchObject({ SizeInGB, Type });
    const nvme = info.InstanceStorageInfo!.NvmeSupport === 'required';
    expect(nvme).toBe(InstanceType === 'i3.large');
    const guest = await launch({ InstanceType: InstanceType as never, ...(nvme ? {} : mapping) });
    const seen = await lab.run(guest.PublicIpAddress!, 'lsblk -dbno NAME,SIZE,TYPE');
    expect(seen).toMatch(nvme ? /^nvme0n1 +\d+ disk$/ : /^xvdb +\d+ disk$/);
    expect(Math.round(Number(seen.split(/ +/)[1]) / 1e9)).toBe(SizeInGB);
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [guest.InstanceId!] }));
  }
}, 60_000);

test('ISTORE-004 ISTORE-005 ISTORE-007 EBS-008 a local disk is quicker than a volume, is no volume, and lives until the stop; a volume whose path is cut stands still', async () => {
  const guest = await launch({ InstanceType: 'c5d.large' });
  const id = guest.InstanceId!;
  const address = guest.PublicIpAddress!;
  const volumes = async () =>
    (await lab.ec2.send(new DescribeVolumesCommand({ Filters: [{ Name: 'attachment.instance-id', Values: [id] }] }))).Volumes!;
  expect((await volumes()).map(({ Size }) => Size)).toEqual([8]);
  const disk = `/dev/${await lab.run(address, 'lsblk -dno NAME')}`;
  const { VolumeId } = await lab.ec2.send(
    new CreateVolumeCommand({ AvailabilityZone: guest.Placement!.AvailabilityZone!, Size: 10, VolumeType: 'gp3' }),
  );
  await eventually(() => lab.ec2.send(new AttachVolumeCommand({ VolumeId: VolumeId!, InstanceId: id, Device: '/dev/sdf' })), {
    why: 'the volume can be attached',
  });
  await eventually(() => lab.run(address, 'test -b /dev/sdf'), { why: 'the volume is there' });
  const micros = async (device: string): Promise<number> =>
    Number(
      await lab.run(
        address,
        `dd if=/dev/zero of=${device} bs=1M count=8 oflag=direct 2> /dev/null; begin=$(date +%s%N); dd if=${device} of=/dev/null bs=4k count=2000 iflag=direct 2> /dev/null; end=$(date +%s%N); echo $(((end - begin) / 2000000))`,
      ),
    );
  expect(await micros(disk)).toBeLessThan(await micros('/dev/sdf'));
  const status = async () =>
    (await lab.ec2.send(new DescribeVolumeStatusCommand({ VolumeIds: [VolumeId!] }))).VolumeStatuses![0]!.VolumeStatus!.Status;
  expect(await status()).toBe('ok');
  await admin('POST', 'chaos/volume', { volume: VolumeId, down: true });
  expect(await status()).toBe('impaired');
  // The machine's bound is set by reconciliation, a moment later.
  await eventually(
    async () => {
      await lab.run(
        address,
        'rm -f /run/came; (dd if=/dev/sdf of=/dev/null bs=4k count=1 iflag=direct; touch /run/came) > /dev/null 2>&1 &',
      );
      expect(await lab.run(address, 'timeout 1 sh -c "until [ -e /run/came ]; do sleep 0.05; done"; echo $?')).toBe('124');
    },
    { why: 'a read stands still' },
  );
  await admin('POST', 'chaos/volume', { volume: VolumeId, down: false });
  await eventually(() => lab.run(address, 'test -e /run/came'), { why: 'the read goes on' });
  expect(await status()).toBe('ok');
  await lab.run(address, `printf local-bytes | dd of=${disk} bs=4096 seek=100 conv=sync oflag=direct`);
  const read = (where: string) => lab.run(where, `dd if=${disk} bs=4096 skip=100 count=1 2> /dev/null | tr -d '\\0'`);
  await lab.run(address, 'touch /run/before');
  await lab.ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }));
  await eventually(async () => expect(await lab.run(address, 'test -e /run/before; echo $?')).toBe('1'), {
    why: 'it has rebooted',
    timeoutMs: 25_000,
  });
  expect(await read(address)).toBe('local-bytes');
  await lab.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  await lab.inState(id, 'stopped');
  await lab.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
  const again = await lab.inState(id, 'running');
  await lab.answers(again.PublicIpAddress!);
  expect(await read(again.PublicIpAddress!)).toBe('');
}, 60_000);

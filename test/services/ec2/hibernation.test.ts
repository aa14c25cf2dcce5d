/** Hibernation: memory that is kept over a stop, and everything that must be so for it. */
import {
  CreateImageCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeVolumesCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, refused, startOwnCloud } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { agentAtEachBoot, Lab } from './support.ts';

const day = 24 * 3_600_000;
const unsupported = 'UnsupportedHibernationConfiguration';
const counter = `n=0; while :; do n=$((n+1)); echo $n > /tmp/count; sleep 0.05; done`;

/** An encrypted root, as hibernation wants it. */
const encryptedRoot = (VolumeSize = 8): Partial<RunInstancesCommandInput> => ({
  BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { Encrypted: true, VolumeSize } }],
});
const forHibernation = (size?: number): Partial<RunInstancesCommandInput> => ({
  ...encryptedRoot(size),
  HibernationOptions: { Configured: true },
});

async function hibernating(lab: Lab, prefix: string, more: Partial<RunInstancesCommandInput> = {}): Promise<Instance> {
  const network = await lab.network(prefix);
  const found = await lab.launchAgent(
    { SubnetId: network.subnetId, SecurityGroupIds: [network.groupId], ...forHibernation(), ...more },
    agentAtEachBoot,
  );
  await lab.run(found.PublicIpAddress!, `(${counter}) > /dev/null 2>&1 & echo $! > /tmp/pid`);
  await eventually(async () => expect(Number(await lab.run(found.PublicIpAddress!, 'cat /tmp/count'))).toBeGreaterThan(3), {
    why: 'the counter counts',
  });
  return found;
}

const hibernate = (lab: Lab, id: string) => lab.ec2.send(new StopInstancesCommand({ InstanceIds: [id], Hibernate: true }));

async function resume(lab: Lab, id: string): Promise<string> {
  await lab.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
  const { PublicIpAddress: address } = await lab.inState(id, 'running');
  await lab.answers(address!);
  return address!;
}

const uptime = async (lab: Lab, address: string): Promise<number> =>
  Number((await lab.run(address, 'cat /proc/uptime')).split(' ')[0]);

describe('machines that hibernate', () => {
  test('EC2-037 a process counts on over a hibernation, and uptime is not reset', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const lab = new Lab();
    const { InstanceId: id = '', PublicIpAddress: before = '', PrivateIpAddress: own } = await hibernating(lab, '10.61');
    const bootId = await lab.run(before, 'cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1');
    const up = await uptime(lab, before);
    const stopping = await hibernate(lab, id);
    expect(stopping.StoppingInstances![0]!.CurrentState!.Name).toBe('stopping');
    const stopped = await lab.inState(id, 'stopped');
    expect(stopped.StateReason).toEqual({
      Code: 'Client.UserInitiatedHibernate',
      Message: 'Client.UserInitiatedHibernate: User initiated hibernate',
    });
    expect(stopped.StateTransitionReason).toMatch(/^User initiated \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\)$/);
    expect(stopped.PublicIpAddress).toBeUndefined();
    // Nothing of it answers, neither where it was nor anywhere else.
    expect(await fetchInside(before, 80, '/?true')).not.toMatchObject({ status: 200 });
    const after = await resume(lab, id);
    expect((await lab.instance(id)).PrivateIpAddress).toBe(own);
    const count = Number(await lab.run(after, 'cat /tmp/count'));
    await eventually(async () => expect(Number(await lab.run(after, 'cat /tmp/count'))).toBeGreaterThan(count), {
      why: 'the counter counts on',
    });
    expect(await lab.run(after, 'kill -0 $(cat /tmp/pid); wc -l < /boots')).toBe('1');
    expect(await lab.run(after, 'cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1')).toBe(bootId);
    expect(await uptime(lab, after)).toBeGreaterThan(up);
    expect((await lab.instance(id)).StateReason).toBeUndefined();
    // A plain stop of the same instance loses it all.
    await lab.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
    expect((await lab.inState(id, 'stopped')).StateReason!.Code).toBe('Client.UserInitiatedShutdown');
    const rebooted = await resume(lab, id);
    expect(await lab.run(rebooted, 'kill -0 $(cat /tmp/pid) 2>/dev/null || echo gone')).toBe('gone');
    await hibernate(lab, id);
    await lab.inState(id, 'stopped');
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await lab.inState(id, 'terminated');
  });

  test('EC2-040 without room for the memory on the root volume a normal shutdown happens', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const lab = new Lab();
    const { InstanceId: id = '', PublicIpAddress: address = '' } = await hibernating(lab, '10.62', {
      ...forHibernation(9),
      InstanceType: 'm5.large',
    });
    // Eight GiB of memory beside two of used space do not fit into nine.
    await lab.run(address, 'fallocate -l 2G /ballast');
    const up = await uptime(lab, address);
    await hibernate(lab, id);
    expect((await lab.inState(id, 'stopped')).StateReason!.Code).toBe('Client.UserInitiatedShutdown');
    const booted = await resume(lab, id);
    expect(await lab.run(booted, 'kill -0 $(cat /tmp/pid) 2>/dev/null || echo gone')).toBe('gone');
    expect(await uptime(lab, booted)).toBeLessThan(Math.max(up, 30));
    await lab.run(booted, 'rm /ballast; sleep 600 > /dev/null 2>&1 & echo $! > /tmp/pid');
    await hibernate(lab, id);
    expect((await lab.inState(id, 'stopped')).StateReason!.Code).toBe('Client.UserInitiatedHibernate');
    expect(await lab.run(await resume(lab, id), 'kill -0 $(cat /tmp/pid) && echo lives')).toBe('lives');
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  });

  test('EC2-044 memory is kept for sixty days; after a kill of the cloud and after sixty days the start is a boot', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const cloud = await startOwnCloud();
    const lab = new Lab(cloud.endpoint);
    const { InstanceId: id = '' } = await hibernating(lab, '10.63');
    await hibernate(lab, id);
    await lab.inState(id, 'stopped');
    await advanceClock(cloud.endpoint, 59 * day);
    const kept = await resume(lab, id);
    expect(await lab.run(kept, 'kill -0 $(cat /tmp/pid) && echo lives')).toBe('lives');
    await hibernate(lab, id);
    await lab.inState(id, 'stopped');
    await advanceClock(cloud.endpoint, 61 * day);
    expect(await lab.run(await resume(lab, id), 'kill -0 $(cat /tmp/pid) 2>/dev/null || echo gone')).toBe('gone');
    await hibernate(lab, id);
    await lab.inState(id, 'stopped');
    await cloud.kill();
    const again = await startOwnCloud({ data: cloud.data });
    const later = new Lab(again.endpoint, lab.account);
    expect((await later.instance(id)).State!.Name).toBe('stopped');
    expect(await uptime(later, await resume(later, id))).toBeLessThan(60);
    await again.stop();
  });
});

describe('what hibernation asks for', () => {
  const lab = new Lab();
  const launch = async (more: Partial<RunInstancesCommandInput>) =>
    lab.ec2.send(
      new RunInstancesCommand({ ImageId: await lab.image(), InstanceType: 't3.micro', MinCount: 1, MaxCount: 1, ...more }),
    );

  test('EC2-039 the root must be an EBS volume and encrypted, and then it is', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    await refused(
      launch({ HibernationOptions: { Configured: true } }),
      unsupported,
      'The root volume must be encrypted for an instance that is configured for hibernation.',
    );
    await refused(
      launch({
        HibernationOptions: { Configured: true },
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { Encrypted: false } }],
      }),
      unsupported,
    );
    const [onStore] = (
      await lab.ec2.send(
        new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'root-device-type', Values: ['instance-store'] }] }),
      )
    ).Images!;
    expect(onStore).toMatchObject({ RootDeviceType: 'instance-store', BlockDeviceMappings: [] });
    await refused(
      launch({ ImageId: onStore!.ImageId!, HibernationOptions: { Configured: true } }),
      unsupported,
      'The root device must be an EBS volume for an instance that is configured for hibernation.',
    );
    await refused(launch({ ImageId: onStore!.ImageId! }), 'NotImplemented');
    const made = (await launch(forHibernation())).Instances![0]!;
    expect(made.HibernationOptions).toEqual({ Configured: true });
    const running = await lab.inState(made.InstanceId!, 'running');
    const root = running.BlockDeviceMappings![0]!.Ebs!.VolumeId!;
    const volume = (await lab.ec2.send(new DescribeVolumesCommand({ VolumeIds: [root] }))).Volumes![0]!;
    expect(volume).toMatchObject({ Encrypted: true, KmsKeyId: expect.stringMatching(/^arn:aws:kms:us-east-1:\d{12}:key\//) });
    const found = await lab.ec2.send(
      new DescribeInstancesCommand({ Filters: [{ Name: 'hibernation-options.configured', Values: ['true'] }] }),
    );
    expect(found.Reservations!.flatMap((one) => one.Instances!.map(({ InstanceId }) => InstanceId))).toEqual([made.InstanceId]);
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [made.InstanceId!] }));
  });

  test('EC2-042 bare metal and instances not launched for it are refused', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const types = await lab.ec2.send(new DescribeInstanceTypesCommand({ Filters: [{ Name: 'bare-metal', Values: ['true'] }] }));
    expect(types.InstanceTypes!.length).toBeGreaterThan(0);
    for (const type of types.InstanceTypes!) expect(type.HibernationSupported, type.InstanceType).toBe(false);
    await refused(
      launch({ ...forHibernation(), InstanceType: 'm5.metal' }),
      unsupported,
      'The instance type m5.metal does not support hibernation.',
    );
    const plain = (await launch({})).Instances![0]!.InstanceId!;
    await lab.inState(plain, 'running');
    await refused(
      hibernate(lab, plain),
      unsupported,
      `The instance can't be hibernated because it was not configured at launch for hibernation: ${plain}`,
    );
    expect((await lab.instance(plain)).State!.Name).toBe('running');
    const able = (await launch(forHibernation())).Instances![0]!.InstanceId!;
    await lab.inState(able, 'running');
    await refused(lab.ec2.send(new StopInstancesCommand({ InstanceIds: [plain, able], Hibernate: true })), unsupported);
    await hibernate(lab, able);
    await lab.inState(able, 'stopped');
    await refused(
      lab.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: able, InstanceType: { Value: 't3.small' } })),
      'InvalidParameterCombination',
    );
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [plain, able] }));
  });

  test('EC2-041 less than 150 GiB of memory on Linux, at most 16 GiB on Windows', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const large = (await launch({ ...forHibernation(200), InstanceType: 'm5.8xlarge' })).Instances![0]!;
    expect(large.HibernationOptions).toEqual({ Configured: true });
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [large.InstanceId!] }));
    await refused(launch({ ...forHibernation(300), InstanceType: 'm5.12xlarge' }), unsupported);
    const [windows] = (
      await lab.ec2.send(new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'platform', Values: ['windows'] }] }))
    ).Images!;
    expect(windows).toMatchObject({ Platform: 'windows', PlatformDetails: 'Windows' });
    const onWindows = (InstanceType: 'm5.2xlarge' | 'm5.xlarge') =>
      launch({
        ImageId: windows!.ImageId!,
        InstanceType,
        HibernationOptions: { Configured: true },
        BlockDeviceMappings: [{ DeviceName: '/dev/sda1', Ebs: { Encrypted: true, VolumeSize: 100 } }],
      });
    await refused(
      onWindows('m5.2xlarge'),
      unsupported,
      'The instance type m5.2xlarge does not support hibernation of Windows: it has more than 16 GiB of memory.',
    );
    // Sixteen GiB pass that check; that Windows does not boot here comes after it.
    await refused(onWindows('m5.xlarge'), 'NotImplemented');
  });

  test('an image of an encrypted root is encrypted, and what is started from it too', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const own = new Lab();
    const network = await own.network('10.64');
    const first = await own.launchAgent(
      { SubnetId: network.subnetId, SecurityGroupIds: [network.groupId], ...encryptedRoot() },
      agentAtEachBoot,
    );
    await own.run(first.PublicIpAddress!, 'echo golden > /golden; sync');
    const { ImageId } = await own.ec2.send(
      new CreateImageCommand({ InstanceId: first.InstanceId!, Name: 'golden', NoReboot: true }),
    );
    const image = await eventually(
      async () => {
        const [found] = (await own.ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }))).Images!;
        expect(found!.State).toBe('available');
        return found!;
      },
      { why: 'the image is available' },
    );
    expect(image.BlockDeviceMappings![0]!.Ebs!.Encrypted).toBe(true);
    await own.ec2.send(new TerminateInstancesCommand({ InstanceIds: [first.InstanceId!] }));
    const second = await own.launchAgent(
      { ImageId: ImageId!, SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] },
      agentAtEachBoot,
    );
    expect(await own.run(second.PublicIpAddress!, 'cat /golden')).toBe('golden');
    const root = second.BlockDeviceMappings![0]!.Ebs!.VolumeId!;
    expect((await own.ec2.send(new DescribeVolumesCommand({ VolumeIds: [root] }))).Volumes![0]!.Encrypted).toBe(true);
    await own.ec2.send(new TerminateInstancesCommand({ InstanceIds: [second.InstanceId!] }));
  });
});

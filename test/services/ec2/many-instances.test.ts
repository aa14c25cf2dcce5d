/** Many instances at once: found by filters, started and ended together, with several cards each; nothing stays behind. */
import {
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  type Filter,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

const slow = 180_000;
let cloud: OwnCloud;
let lab: Lab;
let net: Network;
let image = '';

beforeAll(async () => {
  cloud = await startOwnCloud();
  lab = new Lab(cloud.endpoint);
  net = await lab.network('10.64');
  image = await lab.image();
}, slow);
afterAll(async () => {
  await cloud?.stop();
}, slow);

const run = (input: object) =>
  lab.ec2.send(new RunInstancesCommand({ ImageId: image, InstanceType: 't2.nano', MinCount: 1, MaxCount: 1, ...input }));
const ids = async (...Filters: Filter[]) =>
  (await lab.ec2.send(new DescribeInstancesCommand({ Filters }))).Reservations!.flatMap((one) =>
    one.Instances!.map((instance) => instance.InstanceId!),
  );

test(
  'forty launches at once, each ended at once, leave nothing behind',
  async () => {
    const free = async () =>
      (await lab.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [net.subnetId] }))).Subnets![0]!.AvailableIpAddressCount;
    const before = await free();
    const started = await Promise.all(
      Array.from({ length: 40 }, () => run({ SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] })),
    );
    const all = started.map((one) => one.Instances![0]!.InstanceId!);
    expect(new Set(all).size).toBe(40);
    // Half of them end while they start.
    await Promise.all(all.slice(0, 20).map((id) => lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))));
    for (const id of all.slice(20)) await lab.inState(id, 'running');
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: all.slice(20) }));
    await eventually(async () => expect(await ids({ Name: 'instance-state-name', Values: ['terminated'] })).toHaveLength(40), {
      why: 'all are terminated',
      timeoutMs: 60_000,
    });
    expect(await free()).toBe(before);
    expect((await lab.ec2.send(new DescribeVolumesCommand({}))).Volumes).toEqual([]);
    expect((await lab.ec2.send(new DescribeNetworkInterfacesCommand({}))).NetworkInterfaces).toEqual([]);
    for (const id of all) await expect(admin('GET', `places/${id}`, undefined, cloud.endpoint)).rejects.toThrow('404');
  },
  slow,
);

test(
  'filters by row, by index and by what is joined find the same instances',
  async () => {
    const two = await run({
      MaxCount: 2,
      SubnetId: net.subnetId,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'role', Value: 'web' }] }],
    });
    const wanted = two.Instances!.map((one) => one.InstanceId!).sort();
    const [first] = two.Instances!;
    const find: [string, string, number][] = [
      ['reservation-id', two.ReservationId!, 2],
      ['subnet-id', net.subnetId, 2],
      ['tag:role', 'w?b', 2],
      ['instance-state-name', 'pending', 2],
      ['instance-state-name', '*ing', 2],
      ['network-interface.subnet-id', net.subnetId, 2],
      ['private-ip-address', first!.PrivateIpAddress!, 1],
      ['network-interface.attachment.device-index', '0', 2],
    ];
    for (const [Name, value, count] of find) {
      const values = Name === 'instance-state-name' && value === 'pending' ? ['pending', 'running'] : [value];
      const found = (await ids({ Name, Values: values }, { Name: 'instance-state-code', Values: ['0', '16'] })).sort();
      expect([Name, found.length, found.every((id) => wanted.includes(id))]).toEqual([Name, count, true]);
    }
    await refused(ids({ Name: 'no-such', Values: ['x'] }), 'InvalidParameterValue', "The filter 'no-such' is invalid");
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: wanted }));
  },
  slow,
);

test(
  'several interfaces at launch: in subnets of one zone, with addresses of their own',
  async () => {
    const second = await lab.subnet(net.vpcId, '10.64.2.0/24', 'us-east-1a');
    const elsewhere = await lab.subnet(net.vpcId, '10.64.3.0/24', 'us-east-1b');
    const cards = [
      { DeviceIndex: 1, SubnetId: second, SecondaryPrivateIpAddressCount: 2, Description: 'second' },
      { DeviceIndex: 0, SubnetId: net.subnetId, PrivateIpAddress: '10.64.1.77', Groups: [net.groupId] },
    ];
    const started = await run({ InstanceType: 'm5.large', NetworkInterfaces: cards });
    const [instance] = started.Instances!;
    expect(instance).toMatchObject({ PrivateIpAddress: '10.64.1.77', SubnetId: net.subnetId });
    const shown = instance!.NetworkInterfaces!;
    expect(shown.map((card) => [card.Attachment!.DeviceIndex, card.SubnetId, card.PrivateIpAddresses!.length])).toEqual([
      [0, net.subnetId, 1],
      [1, second, 3],
    ]);
    await lab.inState(instance!.InstanceId!, 'running');
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [instance!.InstanceId!] }));
    await lab.inState(instance!.InstanceId!, 'terminated');
    const [one, two] = [cards[0]!, cards[1]!];
    const ask = (NetworkInterfaces: object[], InstanceType = 'm5.large') => run({ InstanceType, NetworkInterfaces });
    await refused(ask([{ ...two, AssociatePublicIpAddress: true }, one]), 'InvalidParameterCombination');
    await refused(ask([one]), 'InvalidParameterValue', 'The primary network interface must have device index 0.');
    await refused(ask([two, { ...one, DeviceIndex: 0 }]), 'InvalidParameterValue');
    await refused(ask([two, { ...one, SubnetId: elsewhere }]), 'InvalidParameterCombination');
    await refused(
      ask([two, one, { DeviceIndex: 2, SubnetId: second }], 't2.micro'),
      'AttachmentLimitExceeded',
      'Interface count 3 exceeds the limit for t2.micro',
    );
    await refused(ask([two, { ...one, SecondaryPrivateIpAddressCount: 10 }]), 'PrivateIpAddressLimitExceeded');
  },
  slow,
);

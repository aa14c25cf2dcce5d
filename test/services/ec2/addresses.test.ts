/** Elastic IPs and network interfaces at the API, and Elastic IPs moving between instances. */
import {
  AllocateAddressCommand,
  AssignPrivateIpAddressesCommand,
  AssociateAddressCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeAddressesCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DetachNetworkInterfaceCommand,
  DisassociateAddressCommand,
  EC2Client,
  type Instance,
  ModifyNetworkInterfaceAttributeCommand,
  ReleaseAddressCommand,
  UnassignPrivateIpAddressesCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

const slow = 90_000;

describe('Elastic IPs', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  let net: Network;
  let a: Instance;
  let b: Instance;

  beforeAll(async () => {
    net = await lab.network('10.90');
    const placed = { SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] };
    [a, b] = await Promise.all([lab.launchAgent(placed), lab.launchAgent(placed)]);
  }, slow);

  const allocate = async () => (await ec2.send(new AllocateAddressCommand({}))) as { AllocationId: string; PublicIp: string };
  const holder = async (AllocationId: string) =>
    (await ec2.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId] }))).Addresses![0]!;

  test(
    'EIP-005 EIP-007 an address belongs to one instance at a time and moves quickly to another',
    async () => {
      const { AllocationId, PublicIp } = await allocate();
      const give = (InstanceId: string, AllowReassociation?: boolean) =>
        ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId, AllowReassociation }));
      const { AssociationId } = await give(a.InstanceId!);
      await refused(
        give(b.InstanceId!, false),
        'Resource.AlreadyAssociated',
        `resource ${AllocationId} is already associated with associate-id ${AssociationId}`,
      );
      expect((await holder(AllocationId)).InstanceId).toBe(a.InstanceId);
      await give(b.InstanceId!);
      expect((await holder(AllocationId)).InstanceId).toBe(b.InstanceId);
      if (machinesRefused() === undefined) {
        const name = `ip-${b.PrivateIpAddress!.replaceAll('.', '-')}.ec2.internal`;
        await eventually(async () => expect(await lab.run(PublicIp, 'hostname')).toBe(name), { why: 'b answers on it' });
      }
      await refused(
        ec2.send(new ReleaseAddressCommand({ AllocationId })),
        'InvalidIPAddress.InUse',
        `Address ${PublicIp} is in use.`,
      );
      await ec2.send(new DisassociateAddressCommand({ AssociationId: (await holder(AllocationId)).AssociationId! }));
      await ec2.send(new ReleaseAddressCommand({ AllocationId }));
      await refused(
        ec2.send(new ReleaseAddressCommand({ AllocationId })),
        'InvalidAllocationID.NotFound',
        `The allocation ID '${AllocationId}' does not exist`,
      );
    },
    slow,
  );

  test('EIP-001 without the Elastic IP the instance gets a public address of the provider again', async () => {
    const found = await lab.instance(a.InstanceId!);
    expect(found.PublicIpAddress).toMatch(/^198\.1[89]\./);
    expect(found.NetworkInterfaces![0]!.Association!.IpOwnerId).toBe('amazon');
    const { AllocationId, PublicIp } = await allocate();
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: a.InstanceId! }));
    const elastic = await lab.instance(a.InstanceId!);
    expect(elastic.PublicIpAddress).toBe(PublicIp);
    expect(elastic.NetworkInterfaces![0]!.Association!.IpOwnerId).toBe(lab.account.id);
    await ec2.send(new DisassociateAddressCommand({ AssociationId: (await holder(AllocationId)).AssociationId! }));
    expect((await lab.instance(a.InstanceId!)).PublicIpAddress).not.toBe(PublicIp);
    await ec2.send(new ReleaseAddressCommand({ AllocationId }));
  });

  test(
    'ENI-004 ENI-005 each private address of an interface takes an Elastic IP of its own',
    async (context) => {
      context.skip(machinesRefused() !== undefined, machinesRefused());
      const card = b.NetworkInterfaces![0]!.NetworkInterfaceId!;
      const assign = (input: object) => ec2.send(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: card, ...input }));
      await refused(
        assign({ PrivateIpAddresses: [a.PrivateIpAddress] }),
        'InvalidIPAddress.InUse',
        `Address ${a.PrivateIpAddress} is in use.`,
      );
      const second = (await assign({ SecondaryPrivateIpAddressCount: 1 })).AssignedPrivateIpAddresses![0]!.PrivateIpAddress!;
      expect(second).toMatch(/^10\.90\.1\./);
      await refused(
        assign({ SecondaryPrivateIpAddressCount: 1 }),
        'PrivateIpAddressLimitExceeded',
        'Number of private addresses will exceed limit.',
      );
      const [one, two] = [await allocate(), await allocate()];
      const give = (AllocationId: string, PrivateIpAddress: string) =>
        ec2.send(new AssociateAddressCommand({ AllocationId, NetworkInterfaceId: card, PrivateIpAddress }));
      await give(one.AllocationId, b.PrivateIpAddress!);
      await give(two.AllocationId, second);
      for (const { PublicIp } of [one, two])
        await eventually(async () => expect(await lab.run(PublicIp, 'hostname -I')).toContain(second), {
          why: `${PublicIp} answers`,
        });
      expect((await holder(two.AllocationId)).PrivateIpAddress).toBe(second);
      const remove = (address: string) =>
        ec2.send(new UnassignPrivateIpAddressesCommand({ NetworkInterfaceId: card, PrivateIpAddresses: [address] }));
      await refused(
        remove(b.PrivateIpAddress!),
        'InvalidParameterValue',
        `Some of the specified addresses are not assigned to interface ${card}`,
      );
      await remove(second);
      expect((await holder(two.AllocationId)).AssociationId).toBeUndefined();
      await ec2.send(new DisassociateAddressCommand({ AssociationId: (await holder(one.AllocationId)).AssociationId! }));
      for (const { AllocationId } of [one, two]) await ec2.send(new ReleaseAddressCommand({ AllocationId }));
    },
    slow,
  );

  test('five in a Region, five more in another', async () => {
    for (let count = 0; count < 5; count += 1) await allocate();
    await refused(allocate(), 'AddressLimitExceeded', 'The maximum number of addresses has been reached.', 400);
    const abroad = new EC2Client(lab.account.config({ region: 'eu-west-1' }));
    for (let count = 0; count < 5; count += 1) await abroad.send(new AllocateAddressCommand({}));
    await refused(abroad.send(new AllocateAddressCommand({})), 'AddressLimitExceeded');
    const all = [
      ...(await ec2.send(new DescribeAddressesCommand({}))).Addresses!,
      ...(await abroad.send(new DescribeAddressesCommand({}))).Addresses!,
    ];
    expect(new Set(all.map((one) => one.PublicIp)).size).toBe(10);
  });

  test('an address needs a target that exists and a gateway', async () => {
    const [{ AllocationId }] = (await ec2.send(new DescribeAddressesCommand({}))).Addresses! as [{ AllocationId: string }];
    await refused(
      ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: 'i-0123456789abcdef0' })),
      'InvalidInstanceID.NotFound',
    );
    await refused(ec2.send(new AssociateAddressCommand({ AllocationId })), 'MissingParameter');
    await refused(
      ec2.send(new AssociateAddressCommand({ InstanceId: a.InstanceId! })),
      'MissingParameter',
      'The request must contain the parameter AllocationId',
    );
    const lonely = await lab.vpc('10.91.0.0/16');
    const card = await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: await lab.subnet(lonely, '10.91.0.0/24') }));
    await refused(
      ec2.send(new AssociateAddressCommand({ AllocationId, NetworkInterfaceId: card.NetworkInterface!.NetworkInterfaceId! })),
      'Gateway.NotAttached',
      `Network ${lonely} is not attached to any internet gateway`,
    );
    await refused(
      ec2.send(new DisassociateAddressCommand({ AssociationId: 'eipassoc-0123456789abcdef0' })),
      'InvalidAssociationID.NotFound',
      "The association ID 'eipassoc-0123456789abcdef0' does not exist",
    );
    await refused(
      ec2.send(new DescribeAddressesCommand({ PublicIps: ['198.18.255.255'] })),
      'InvalidAddress.NotFound',
      "Address '198.18.255.255' not found.",
    );
  });
});

describe('network interfaces', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  let vpcId = '';
  let subnetId = '';
  let instanceId = '';

  beforeAll(async () => {
    vpcId = await lab.vpc('10.92.0.0/16');
    subnetId = await lab.subnet(vpcId, '10.92.1.0/24', 'us-east-1a');
    instanceId = await lab.launch({ SubnetId: subnetId });
    await lab.inState(instanceId, 'running');
  }, slow);

  const create = async (SubnetId = subnetId, more = {}) =>
    (await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId, ...more }))).NetworkInterface!;
  const attach = (NetworkInterfaceId: string, DeviceIndex = 1) =>
    ec2.send(new AttachNetworkInterfaceCommand({ InstanceId: instanceId, NetworkInterfaceId, DeviceIndex }));
  const show = async (id: string) =>
    (await ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }))).NetworkInterfaces![0]!;

  test('ENI-001 ENI-007 one is made on its own, available until attached, and deleted only when free', async () => {
    const primary = await ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'attachment.instance-id', Values: [instanceId] }] }),
    );
    expect(primary.NetworkInterfaces).toMatchObject([{ Attachment: { DeviceIndex: 0 }, Status: 'in-use' }]);
    const id = (await create()).NetworkInterfaceId!;
    expect((await show(id)).Status).toBe('available');
    const { AttachmentId } = await attach(id);
    expect(await show(id)).toMatchObject({ Status: 'in-use', Attachment: { InstanceId: instanceId, DeviceIndex: 1 } });
    await refused(
      ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id })),
      'InvalidParameterValue',
      `Network interface '${id}' is currently in use.`,
    );
    await refused(
      ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: primary.NetworkInterfaces![0]!.Attachment!.AttachmentId! })),
      'OperationNotPermitted',
      'The network interface at device index 0 cannot be detached.',
    );
    await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: AttachmentId! }));
    await ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id }));
    await refused(show(id), 'InvalidNetworkInterfaceID.NotFound', `The networkInterface ID '${id}' does not exist`);
  });

  test('ENI-004 an instance takes as many as its type says', async () => {
    const types = await ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['t2.micro'] }));
    expect(types.InstanceTypes![0]!.NetworkInfo!.MaximumNetworkInterfaces).toBe(2);
    const [one, two] = [(await create()).NetworkInterfaceId!, (await create()).NetworkInterfaceId!];
    const { AttachmentId } = await attach(one);
    await refused(
      attach(two, 1),
      'InvalidParameterValue',
      `Instance '${instanceId}' already has an interface attached at device index '1'.`,
    );
    await refused(attach(two, 2), 'AttachmentLimitExceeded', 'Interface count 3 exceeds the limit for t2.micro');
    await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: AttachmentId! }));
  });

  test('ENI-003 ENI-006 groups, description and source check belong to it and are changed one at a time', async () => {
    const groups = [await lab.group(vpcId, 'one'), await lab.group(vpcId, 'two')];
    const id = (await create(subnetId, { Groups: groups, Description: 'card' })).NetworkInterfaceId!;
    const modify = (input: object) => ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: id, ...input }));
    expect((await show(id)).Groups!.map((group) => group.GroupName).sort()).toEqual(['one', 'two']);
    await modify({ Groups: [groups[1]] });
    await modify({ SourceDestCheck: { Value: false } });
    await modify({ Description: { Value: 'changed' } });
    expect(await show(id)).toMatchObject({
      Groups: [{ GroupName: 'two' }],
      SourceDestCheck: false,
      Description: 'changed',
    });
    await refused(
      modify({ Description: { Value: 'x' }, SourceDestCheck: { Value: true } }),
      'InvalidParameterCombination',
      'Fields for multiple attribute types specified',
    );
    await refused(modify({ Groups: ['sg-0123456789abcdef0'] }), 'InvalidGroup.NotFound');
  });

  test('ENI-008 one is attached only in its own zone', async () => {
    const far = await create(await lab.subnet(vpcId, '10.92.2.0/24', 'us-east-1b'));
    expect(far.AvailabilityZone).toBe('us-east-1b');
    await refused(
      attach(far.NetworkInterfaceId!),
      'InvalidParameterCombination',
      'You may not attach a network interface to an instance if they are not in the same availability zone',
    );
  });
});

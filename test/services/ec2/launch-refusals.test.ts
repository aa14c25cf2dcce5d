/** What RunInstances refuses, and with which words. */
import {
  EC2Client,
  type RunInstancesCommandInput,
  RunInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, describe, expect, test } from 'vitest';
import { machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { agentScript, base64, Lab, type Network } from './support.ts';

const lab = new Lab();
let image = '';
let net: Network;

beforeAll(async () => {
  image = await lab.image();
  net = await lab.network('10.70');
});

const ask = (input: Partial<RunInstancesCommandInput>) =>
  lab.ec2.send(new RunInstancesCommand({ ImageId: image, InstanceType: 't2.micro', MinCount: 1, MaxCount: 1, ...input }));

test('an image must be named and exist', async () => {
  await refused(ask({ ImageId: undefined }), 'MissingParameter', 'The request must contain the parameter ImageId', 400);
  await refused(
    ask({ ImageId: 'ami-0123456789abcdef0' }),
    'InvalidAMIID.NotFound',
    "The image id '[ami-0123456789abcdef0]' does not exist",
  );
  await refused(ask({ ImageId: 'ubuntu' }), 'InvalidAMIID.Malformed', 'Invalid id: "ubuntu"');
  const id = await lab.launch({ SubnetId: net.subnetId });
  expect((await lab.instance(id)).ImageId).toBe(image);
});

test('an image belongs to one Region', async () => {
  const abroad = new EC2Client(lab.account.config({ region: 'eu-west-1' }));
  await refused(
    abroad.send(new RunInstancesCommand({ ImageId: image, MinCount: 1, MaxCount: 1 })),
    'InvalidAMIID.NotFound',
    `The image id '[${image}]' does not exist`,
  );
});

test('EC2-011 a type must exist', async () => {
  await refused(ask({ InstanceType: 't9.huge' as never }), 'InvalidParameterValue', "Invalid value 't9.huge' for InstanceType.");
});

test('EC2-020 type and image must have one architecture', async () => {
  await refused(
    ask({ InstanceType: 't4g.micro' }),
    'InvalidParameterValue',
    "The architecture 'arm64' of the specified instance type does not match the architecture 'x86_64' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
  );
});

describe('counts', () => {
  const cases: [Partial<RunInstancesCommandInput>, string, string][] = [
    [{ MinCount: undefined }, 'MissingParameter', 'The request must contain the parameter MinCount'],
    [{ MaxCount: undefined }, 'MissingParameter', 'The request must contain the parameter MaxCount'],
    [
      { MinCount: 0 },
      'InvalidParameterValue',
      'Value (0) for parameter minCount is invalid. Expecting a number greater than or equal to 1.',
    ],
    [
      { MinCount: 2 },
      'InvalidParameterValue',
      'Value (1) for parameter maxCount is invalid. Expecting a number greater than or equal to minCount.',
    ],
  ];
  test.each(cases)('%j is refused with %s', async (input, code, message) => {
    await refused(ask(input), code, message);
  });

  test('as many start as there are addresses, when that is enough', async () => {
    const small = await lab.subnet(net.vpcId, '10.70.9.0/28');
    const most = await ask({ SubnetId: small, MinCount: 5, MaxCount: 30 });
    expect(most.Instances).toHaveLength(11);
    await refused(
      ask({ SubnetId: small }),
      'InsufficientFreeAddressesInSubnet',
      'The specified subnet does not have enough free addresses to satisfy the request.',
    );
    const ids = most.Instances!.map((one) => one.InstanceId!);
    expect(most.Instances!.map((one) => one.AmiLaunchIndex)).toEqual([...ids.keys()]);
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: ids }));
  });
});

describe('what a launch names must exist and fit', () => {
  const absent = '0123456789abcdef0';
  const both = { DeviceIndex: 0, SubnetId: 'subnet-1' };
  const cases: [string, () => Partial<RunInstancesCommandInput>, string, string | RegExp][] = [
    ['a key pair', () => ({ KeyName: 'absent' }), 'InvalidKeyPair.NotFound', "The key pair 'absent' does not exist"],
    [
      'a subnet',
      () => ({ SubnetId: `subnet-${absent}` }),
      'InvalidSubnetID.NotFound',
      `The subnet ID 'subnet-${absent}' does not exist`,
    ],
    [
      'a group',
      () => ({ SubnetId: net.subnetId, SecurityGroupIds: [`sg-${absent}`] }),
      'InvalidGroup.NotFound',
      `The security group 'sg-${absent}' does not exist`,
    ],
    [
      'a group by name',
      () => ({ SecurityGroups: ['absent'] }),
      'InvalidGroup.NotFound',
      /^The security group 'absent' does not exist in default VPC 'vpc-[0-9a-f]{17}'$/,
    ],
    [
      'a zone',
      () => ({ Placement: { AvailabilityZone: 'eu-west-1a' } }),
      'InvalidParameterValue',
      'Invalid availability zone: [eu-west-1a]',
    ],
    ['user data in base64', () => ({ UserData: '#!' }), 'InvalidParameterValue', 'Invalid BASE64 encoding of user data.'],
    [
      'user data of 16 KiB at most',
      () => ({ UserData: base64('x'.repeat(16_385)) }),
      'InvalidParameterValue',
      'User data is limited to 16384 bytes',
    ],
    [
      'interfaces or a subnet',
      () => ({ SubnetId: net.subnetId, NetworkInterfaces: [{ DeviceIndex: 0 }] }),
      'InvalidParameterCombination',
      'Network interfaces and an instance-level subnet ID may not be specified on the same request',
    ],
    [
      'interfaces or groups',
      () => ({ SecurityGroupIds: [net.groupId], NetworkInterfaces: [{ DeviceIndex: 0 }] }),
      'InvalidParameterCombination',
      'Network interfaces and an instance-level security groups may not be specified on the same request',
    ],
    [
      'a primary interface',
      () => ({ NetworkInterfaces: [{ DeviceIndex: 1, SubnetId: net.subnetId }] }),
      'InvalidParameterValue',
      'The primary network interface must have device index 0.',
    ],
    [
      'an interface or what it is made of',
      () => ({ NetworkInterfaces: [{ ...both, NetworkInterfaceId: `eni-${absent}` }] }),
      'InvalidParameterCombination',
      'A network interface may not specify both a network interface ID and a subnet, groups or a private address',
    ],
    [
      'an interface that exists',
      () => ({ NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId: `eni-${absent}` }] }),
      'InvalidNetworkInterfaceID.NotFound',
      `The networkInterface ID 'eni-${absent}' does not exist`,
    ],
    [
      'a private address for one instance',
      () => ({ SubnetId: net.subnetId, PrivateIpAddress: '10.70.1.99', MaxCount: 2 }),
      'InvalidParameterCombination',
      /single instance/,
    ],
    [
      'a root disk as large as its image',
      () => ({ BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 4 } }] }),
      'InvalidBlockDeviceMapping',
      /^Volume of size 4GB is smaller than snapshot '.*', expect size >= 8GB$/,
    ],
    [
      'a root disk of EBS',
      () => ({ BlockDeviceMappings: [{ DeviceName: '/dev/xvda', VirtualName: 'ephemeral0' }] }),
      'InvalidParameterValue',
      'The root device /dev/xvda must be an EBS volume.',
    ],
    [
      'hops of metadata from 1 to 64',
      () => ({ MetadataOptions: { HttpPutResponseHopLimit: 65 } }),
      'InvalidParameterValue',
      'The value for HttpPutResponseHopLimit must be between 1 and 64.',
    ],
    [
      'credits of a burstable type',
      () => ({ InstanceType: 'm5.large', CreditSpecification: { CpuCredits: 'standard' } }),
      'InvalidParameterCombination',
      /m5\.large/,
    ],
    [
      'a profile by name or by ARN',
      () => ({ IamInstanceProfile: { Name: 'a', Arn: `arn:aws:iam::${lab.account.id}:instance-profile/a` } }),
      'InvalidParameterCombination',
      "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
    ],
    [
      'tags without the reserved prefix',
      () => ({ TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'aws:x', Value: 'y' }] }] }),
      'InvalidParameterValue',
      "Tag keys starting with 'aws:' are reserved for internal use",
    ],
  ];
  test.each(cases)('%s', async (_what, input, code, message) => {
    await refused(ask(input()), code, message);
  });

  test('SG-012 five groups at most on one interface, all of its VPC', async () => {
    const groups = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => lab.group(net.vpcId, name)));
    await refused(
      ask({ SubnetId: net.subnetId, SecurityGroupIds: groups }),
      'SecurityGroupsPerInterfaceLimitExceeded',
      'The maximum number of security groups per interface has been reached.',
    );
    const five = await ask({ SubnetId: net.subnetId, SecurityGroupIds: groups.slice(0, 5) });
    expect(five.Instances![0]!.SecurityGroups!.map((group) => group.GroupId).sort()).toEqual(groups.slice(0, 5).sort());
    const elsewhere = await lab.group(await lab.vpc('10.71.0.0/16'), 'far');
    await refused(
      ask({ SubnetId: net.subnetId, SecurityGroupIds: [elsewhere] }),
      'InvalidParameter',
      `Security group ${elsewhere} and subnet belong to different networks.`,
    );
  });
});

describe('what is not built is refused by name, never ignored', () => {
  const cases: [string, Partial<RunInstancesCommandInput>][] = [
    ['KernelId', { KernelId: 'aki-1' }],
    ['CpuOptions', { CpuOptions: { CoreCount: 1 } }],
    ['EnclaveOptions', { EnclaveOptions: { Enabled: true } }],
    ['Placement.SpreadDomain', { Placement: { SpreadDomain: 'x' } }],
    ['Ipv6AddressCount', { Ipv6AddressCount: 1 }],
  ];
  test.each(cases)('%s', async (name, input) => {
    await refused(ask(input), 'NotImplemented', `Pilvi does not implement the parameter ${name} of RunInstances.`, 501);
  });

  test('DryRun says what would happen and launches nothing', async () => {
    const before = (await lab.ec2.send(new DescribeInstancesCommand({}))).Reservations!.length;
    await refused(ask({ DryRun: true }), 'DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    expect((await lab.ec2.send(new DescribeInstancesCommand({}))).Reservations).toHaveLength(before);
  });
});

test('instances named by id must have the form of one and exist', async () => {
  const look = (id: string) => lab.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  await refused(
    look('i-0123456789abcdef0'),
    'InvalidInstanceID.NotFound',
    "The instance ID 'i-0123456789abcdef0' does not exist",
  );
  await refused(look('web-1'), 'InvalidInstanceID.Malformed', 'Invalid id: "web-1"');
  await refused(
    lab.ec2.send(new DescribeInstancesCommand({ InstanceIds: ['i-0123456789abcdef0', 'i-0123456789abcdef1'] })),
    'InvalidInstanceID.NotFound',
    "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist",
  );
  await refused(
    lab.ec2.send(new DescribeInstancesCommand({ Filters: [{ Name: 'colour', Values: ['red'] }] })),
    'InvalidParameterValue',
    "The filter 'colour' is invalid",
  );
  await refused(
    lab.ec2.send(new DescribeInstancesCommand({ MaxResults: 1 })),
    'InvalidParameterValue',
    'Value ( 1 ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.',
  );
});

test('EC2-007 EC2-008 speed by type; public address and groups as the launch asks', async () => {
  const types = await lab.ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['t2.micro', 'c5n.xlarge'] }));
  expect(new Set(types.InstanceTypes!.map((type) => type.NetworkInfo!.NetworkPerformance)).size).toBe(2);
  const chosen = await lab.group(net.vpcId, 'chosen');
  const start = async (AssociatePublicIpAddress: boolean) =>
    lab.inState(
      await lab.launch({
        NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: net.subnetId, Groups: [chosen], AssociatePublicIpAddress }],
        UserData: base64(agentScript),
      }),
      'running',
    );
  const [shown, hidden] = [await start(true), await start(false)];
  expect(hidden.PublicIpAddress).toBeUndefined();
  expect(shown.PublicIpAddress).toMatch(/^198\.1[89]\./);
  expect(shown.SecurityGroups).toEqual([{ GroupId: chosen, GroupName: 'chosen' }]);
  if (machinesRefused() !== undefined) return;
  expect(await fetchInside(shown.PublicIpAddress!, 80)).toBe('ETIMEDOUT');
  await lab.allow(chosen, 'tcp', 80, 80, '0.0.0.0/0');
  await lab.answers(shown.PublicIpAddress!);
}, 60_000);

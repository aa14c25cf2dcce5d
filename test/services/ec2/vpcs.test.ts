/** VPCs, subnets, route tables, gateways: rules of the API. What packets do is in traffic.test.ts. */
import {
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  CreateDefaultSubnetCommand,
  CreateDefaultVpcCommand,
  CreateInternetGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteInternetGatewayCommand,
  DeleteRouteCommand,
  DeleteRouteTableCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DescribeAccountAttributesCommand,
  DescribeAvailabilityZonesCommand,
  DescribeDhcpOptionsCommand,
  DescribeInternetGatewaysCommand,
  DescribeNetworkAclsCommand,
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  DetachInternetGatewayCommand,
  DisassociateRouteTableCommand,
  EC2Client,
  ModifySubnetAttributeCommand,
  ModifyVpcAttributeCommand,
  ReplaceRouteTableAssociationCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { Lab } from './support.ts';

describe('VPCs', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const createVpc = (CidrBlock?: string) => ec2.send(new CreateVpcCommand({ CidrBlock }));

  test('VPC-002 a block is /16 to /28, given at creation; the name is a tag', async () => {
    const { Vpc } = await ec2.send(
      new CreateVpcCommand({
        CidrBlock: '10.0.0.0/16',
        TagSpecifications: [{ ResourceType: 'vpc', Tags: [{ Key: 'Name', Value: 'main' }] }],
      }),
    );
    expect(Vpc).toMatchObject({ CidrBlock: '10.0.0.0/16', State: 'pending', IsDefault: false });
    const shown = await ec2.send(new DescribeVpcsCommand({ VpcIds: [Vpc!.VpcId!] }));
    expect(shown.Vpcs![0]).toMatchObject({ State: 'available', Tags: [{ Key: 'Name', Value: 'main' }] });
    await refused(createVpc('10.0.0.0/15'), 'InvalidVpc.Range', "The CIDR '10.0.0.0/15' is invalid.", 400);
    await refused(createVpc('10.0.0.0/29'), 'InvalidVpc.Range', "The CIDR '10.0.0.0/29' is invalid.");
    await refused(createVpc(), 'MissingParameter', 'The request must contain the parameter cidrBlock');
    await ec2.send(new DeleteVpcCommand({ VpcId: Vpc!.VpcId! }));
    await refused(
      ec2.send(new DescribeVpcsCommand({ VpcIds: [Vpc!.VpcId!] })),
      'InvalidVpcID.NotFound',
      `The vpc ID '${Vpc!.VpcId}' does not exist`,
    );
  });

  test('VPC-003 a block must be well-formed', async () => {
    await refused(
      createVpc('10.0.0.256/16'),
      'InvalidParameterValue',
      'Value (10.0.0.256/16) for parameter cidrBlock is invalid. This is not a valid CIDR block.',
    );
    await refused(createVpc('ten'), 'InvalidParameterValue');
  });

  test('VPC-004 private and public ranges are taken, reserved ones are not', async () => {
    for (const block of ['172.31.0.0/16', '203.0.113.0/24']) {
      const id = await lab.vpc(block);
      await ec2.send(new DeleteVpcCommand({ VpcId: id }));
    }
    await refused(createVpc('127.0.0.0/16'), 'InvalidVpc.Range', "The CIDR '127.0.0.0/16' is invalid.");
    await refused(createVpc('224.0.0.0/16'), 'InvalidVpc.Range');
  });

  test('VPC-006 a VPC spans the zones of its Region and no others', async () => {
    const id = await lab.vpc('10.1.0.0/16');
    const zones = (await ec2.send(new DescribeAvailabilityZonesCommand({}))).AvailabilityZones!;
    for (const [index, zone] of zones.entries()) {
      const made = await ec2.send(
        new CreateSubnetCommand({ VpcId: id, CidrBlock: `10.1.${index}.0/24`, AvailabilityZone: zone.ZoneName! }),
      );
      expect(made.Subnet).toMatchObject({ AvailabilityZone: zone.ZoneName, AvailabilityZoneId: zone.ZoneId });
    }
    await refused(
      ec2.send(new CreateSubnetCommand({ VpcId: id, CidrBlock: '10.1.99.0/24', AvailabilityZone: 'eu-west-1a' })),
      'InvalidParameterValue',
      /^Value \(eu-west-1a\) for parameter availabilityZone is invalid\. Subnets can currently only be created in the following availability zones: us-east-1a, /,
    );
    const abroad = new EC2Client(lab.account.config({ region: 'eu-west-1' }));
    await refused(abroad.send(new DescribeVpcsCommand({ VpcIds: [id] })), 'InvalidVpcID.NotFound');
  });

  test('a Region has room for five VPCs', async () => {
    const account = freshAccount();
    const own = new EC2Client(account.config());
    for (let index = 0; index < 4; index += 1) await own.send(new CreateVpcCommand({ CidrBlock: `10.${index}.0.0/16` }));
    await refused(
      own.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' })),
      'VpcLimitExceeded',
      'The maximum number of VPCs has been reached.',
    );
  });

  test('attributes are changed one at a time, and DNS names need DNS', async () => {
    const VpcId = await lab.vpc('10.2.0.0/16');
    const names = async () =>
      (await ec2.send(new DescribeVpcAttributeCommand({ VpcId, Attribute: 'enableDnsHostnames' }))).EnableDnsHostnames;
    expect(await names()).toEqual({ Value: false });
    await ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: true } }));
    expect(await names()).toEqual({ Value: true });
    await refused(
      ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: true }, EnableDnsSupport: { Value: true } })),
      'InvalidParameterCombination',
    );
    await ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: false } }));
    await ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsSupport: { Value: false } }));
    await refused(
      ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: true } })),
      'InvalidParameterCombination',
      'DNS Hostnames can only be enabled if DNS Support is enabled',
    );
  });
});

describe('the default VPC', () => {
  test('VPC-008 a new account has one in every Region: 172.31.0.0/16, a /20 in each zone, a gateway and the route to it', async () => {
    const account = freshAccount();
    for (const region of ['us-east-1', 'ap-northeast-2']) {
      const ec2 = new EC2Client(account.config({ region }));
      const { Vpcs } = await ec2.send(new DescribeVpcsCommand({ Filters: [{ Name: 'isDefault', Values: ['true'] }] }));
      expect(Vpcs).toHaveLength(1);
      expect(Vpcs![0]).toMatchObject({ CidrBlock: '172.31.0.0/16', IsDefault: true });
      const inVpc = { Filters: [{ Name: 'vpc-id', Values: [Vpcs![0]!.VpcId!] }] };
      const zones = (await ec2.send(new DescribeAvailabilityZonesCommand({}))).AvailabilityZones!.map((zone) => zone.ZoneName);
      const subnets = (await ec2.send(new DescribeSubnetsCommand(inVpc))).Subnets!;
      expect(subnets.map((subnet) => subnet.AvailabilityZone).sort()).toEqual(zones.sort());
      expect(subnets.every((one) => one.DefaultForAz && one.MapPublicIpOnLaunch && one.CidrBlock!.endsWith('/20'))).toBe(true);
      const gateways = await ec2.send(
        new DescribeInternetGatewaysCommand({ Filters: [{ Name: 'attachment.vpc-id', Values: [Vpcs![0]!.VpcId!] }] }),
      );
      const table = (await ec2.send(new DescribeRouteTablesCommand(inVpc))).RouteTables![0]!;
      expect(table.Routes!.find((route) => route.DestinationCidrBlock === '0.0.0.0/0')).toMatchObject({
        GatewayId: gateways.InternetGateways![0]!.InternetGatewayId,
        State: 'active',
      });
    }
  });

  test('VPC-013 an account without one must name a subnet; it and its subnets can be made again', async () => {
    const lab = new Lab();
    const { ec2 } = lab;
    const vpc = (await ec2.send(new DescribeVpcsCommand({}))).Vpcs![0]!;
    const attributes = await ec2.send(new DescribeAccountAttributesCommand({ AttributeNames: ['default-vpc'] }));
    expect(attributes.AccountAttributes![0]!.AttributeValues).toEqual([{ AttributeValue: vpc.VpcId }]);
    const options = await ec2.send(new DescribeDhcpOptionsCommand({ DhcpOptionsIds: [vpc.DhcpOptionsId!] }));
    expect(options.DhcpOptions![0]!.DhcpConfigurations).toContainEqual({
      Key: 'domain-name-servers',
      Values: [{ Value: 'AmazonProvidedDNS' }],
    });
    await refused(ec2.send(new CreateDefaultVpcCommand({})), 'DefaultVpcAlreadyExists');
    await refused(
      ec2.send(new CreateDefaultSubnetCommand({ AvailabilityZone: 'us-east-1a' })),
      'DefaultSubnetAlreadyExistsInAvailabilityZone',
      /^'subnet-[0-9a-f]{17}' is already the default subnet in us-east-1a\.$/,
    );
    await refused(ec2.send(new DeleteVpcCommand({ VpcId: vpc.VpcId! })), 'DependencyViolation');
    for (const subnet of (await ec2.send(new DescribeSubnetsCommand({}))).Subnets!)
      await ec2.send(new DeleteSubnetCommand({ SubnetId: subnet.SubnetId! }));
    const gateway = (await ec2.send(new DescribeInternetGatewaysCommand({}))).InternetGateways![0]!.InternetGatewayId!;
    await ec2.send(new DetachInternetGatewayCommand({ InternetGatewayId: gateway, VpcId: vpc.VpcId! }));
    await ec2.send(new DeleteInternetGatewayCommand({ InternetGatewayId: gateway }));
    await ec2.send(new DeleteVpcCommand({ VpcId: vpc.VpcId! }));
    const image = { ImageId: await lab.image(), MinCount: 1, MaxCount: 1 };
    await refused(
      ec2.send(new RunInstancesCommand(image)),
      'VPCIdNotSpecified',
      'No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.',
    );
    await refused(
      ec2.send(new CreateDefaultSubnetCommand({ AvailabilityZone: 'us-east-1a' })),
      'DefaultVpcDoesNotExist',
      'No default VPC exists for this account in this region.',
    );
    const other = await lab.subnet(await lab.vpc('10.3.0.0/16'), '10.3.0.0/24');
    const started = (await ec2.send(new RunInstancesCommand({ ...image, SubnetId: other }))).Instances![0]!;
    expect(started).toMatchObject({ SubnetId: other, VpcId: expect.stringMatching(/^vpc-/) });
    expect((await ec2.send(new CreateDefaultVpcCommand({}))).Vpc).toMatchObject({ CidrBlock: '172.31.0.0/16', IsDefault: true });
    expect((await ec2.send(new RunInstancesCommand(image))).Instances![0]!.PrivateIpAddress).toMatch(/^172\.31\./);
  });
});

describe('subnets', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const create = (VpcId: string, CidrBlock: string) => ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock }));

  test('VPC-009 VPC-010 VPC-011 a block lies in the VPC, overlaps no other, and loses five addresses', async () => {
    const id = await lab.vpc('10.4.0.0/16');
    const made = await create(id, '10.4.1.0/24');
    expect(made.Subnet).toMatchObject({ AvailableIpAddressCount: 251, MapPublicIpOnLaunch: false });
    expect((await create(id, '10.4.2.0/28')).Subnet!.AvailableIpAddressCount).toBe(11);
    await refused(create(id, '10.5.0.0/24'), 'InvalidSubnet.Range', "The CIDR '10.5.0.0/24' is invalid.");
    await refused(create(id, '10.4.0.0/15'), 'InvalidSubnet.Range');
    await refused(create(id, '10.4.3.0/29'), 'InvalidSubnet.Range');
    await refused(
      create(id, '10.4.1.128/25'),
      'InvalidSubnet.Conflict',
      "The CIDR '10.4.1.128/25' conflicts with another subnet",
    );
    await refused(create(id, '10.4.0.0/300'), 'InvalidParameterValue');
    await refused(
      create('vpc-0123456789abcdef0', '10.4.9.0/24'),
      'InvalidVpcID.NotFound',
      "The vpc ID 'vpc-0123456789abcdef0' does not exist",
    );
    const image = { ImageId: await lab.image(), MinCount: 1, MaxCount: 1, SubnetId: made.Subnet!.SubnetId! };
    for (const address of ['10.4.1.0', '10.4.1.1', '10.4.1.2', '10.4.1.3', '10.4.1.255'])
      await refused(
        ec2.send(new RunInstancesCommand({ ...image, PrivateIpAddress: address })),
        'InvalidParameterValue',
        "Address is in subnet's reserved address range",
      );
  });

  test('VPC-012 a subnet lies in one zone, which its instances report and no call changes', async () => {
    const id = await lab.vpc('10.6.0.0/16');
    const subnet = await lab.subnet(id, '10.6.0.0/24', 'us-east-1c');
    const run = new RunInstancesCommand({ ImageId: await lab.image(), MinCount: 2, MaxCount: 2, SubnetId: subnet });
    expect((await ec2.send(run)).Instances!.map((one) => one.Placement!.AvailabilityZone)).toEqual(['us-east-1c', 'us-east-1c']);
    const placed = new RunInstancesCommand({ ...run.input, Placement: { AvailabilityZone: 'us-east-1a' } });
    await refused(ec2.send(placed), 'InvalidParameterValue');
    await refused(
      ec2.send(new ModifySubnetAttributeCommand({ SubnetId: subnet })),
      'MissingParameter',
      'The request must contain the parameter mapPublicIpOnLaunch',
    );
    expect((await ec2.send(new DescribeSubnetsCommand({ SubnetIds: [subnet] }))).Subnets![0]!.AvailabilityZone).toBe(
      'us-east-1c',
    );
  });

  test('VPC-014 VPC-015 a private address can be asked for inside the subnet, once in the VPC', async () => {
    const id = await lab.vpc('10.7.0.0/16');
    const subnet = await lab.subnet(id, '10.7.1.0/24');
    const ask = async (PrivateIpAddress: string) =>
      ec2.send(
        new RunInstancesCommand({ ImageId: await lab.image(), MinCount: 1, MaxCount: 1, SubnetId: subnet, PrivateIpAddress }),
      );
    expect((await ask('10.7.1.10')).Instances![0]!.PrivateIpAddress).toBe('10.7.1.10');
    await refused(ask('10.7.1.10'), 'InvalidIPAddress.InUse', 'Address 10.7.1.10 is in use.');
    await refused(ask('10.7.2.10'), 'InvalidParameterValue', "Address does not fall within the subnet's address range");
    await refused(
      ec2.send(new DeleteSubnetCommand({ SubnetId: subnet })),
      'DependencyViolation',
      `The subnet '${subnet}' has dependencies and cannot be deleted.`,
    );
  });

  test('VPC-027 a created subnet gives no public address until told to', async () => {
    const own = new Lab();
    const { subnetId } = await own.network('10.8');
    const vpcId = (await own.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [subnetId] }))).Subnets![0]!.VpcId!;
    const plain = await own.subnet(vpcId, '10.8.2.0/24');
    const publicIp = async () => (await own.instance(await own.launch({ SubnetId: plain }))).PublicIpAddress;
    expect(await publicIp()).toBeUndefined();
    await own.ec2.send(new ModifySubnetAttributeCommand({ SubnetId: plain, MapPublicIpOnLaunch: { Value: true } }));
    expect(await publicIp()).toMatch(/^198\.1[89]\./);
  });
});

describe('route tables', () => {
  const lab = new Lab();
  const { ec2 } = lab;

  test('VPC-018 a VPC comes with its main table, which subnets follow and nobody deletes', async () => {
    const vpcId = await lab.vpc('10.10.0.0/16');
    const tables = await ec2.send(new DescribeRouteTablesCommand({ Filters: [{ Name: 'vpc-id', Values: [vpcId] }] }));
    expect(tables.RouteTables).toHaveLength(1);
    const [main] = tables.RouteTables!;
    await lab.subnet(vpcId, '10.10.1.0/24');
    const again = await ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [main!.RouteTableId!] }));
    expect(again.RouteTables![0]!.Associations).toMatchObject([{ Main: true }]);
    await refused(
      ec2.send(new DeleteRouteTableCommand({ RouteTableId: main!.RouteTableId! })),
      'DependencyViolation',
      `The routeTable '${main!.RouteTableId}' has dependencies and cannot be deleted.`,
    );
    const acls = await ec2.send(new DescribeNetworkAclsCommand({ Filters: [{ Name: 'vpc-id', Values: [vpcId] }] }));
    expect(acls.NetworkAcls).toMatchObject([{ IsDefault: true, Associations: [{}] }]);
  });

  test('VPC-020 every table holds the local route, which cannot be deleted', async () => {
    const vpcId = await lab.vpc('10.11.0.0/16');
    const made = (await ec2.send(new CreateRouteTableCommand({ VpcId: vpcId }))).RouteTable!;
    expect(made.Routes).toEqual([
      { DestinationCidrBlock: '10.11.0.0/16', GatewayId: 'local', Origin: 'CreateRouteTable', State: 'active' },
    ]);
    await refused(
      ec2.send(new DeleteRouteCommand({ RouteTableId: made.RouteTableId!, DestinationCidrBlock: '10.11.0.0/16' })),
      'InvalidParameterValue',
      `cannot remove local route 10.11.0.0/16 in route table ${made.RouteTableId}`,
    );
    await refused(
      ec2.send(new DeleteRouteCommand({ RouteTableId: made.RouteTableId!, DestinationCidrBlock: '1.2.3.0/24' })),
      'InvalidRoute.NotFound',
      `no route with destination-cidr-block 1.2.3.0/24 in route table ${made.RouteTableId}`,
    );
  });

  test('VPC-019 a subnet is associated with one table at a time, and the association can be moved and ended', async () => {
    const vpcId = await lab.vpc('10.12.0.0/16');
    const subnetId = await lab.subnet(vpcId, '10.12.1.0/24');
    const table = async () => (await ec2.send(new CreateRouteTableCommand({ VpcId: vpcId }))).RouteTable!.RouteTableId!;
    const [a, b] = [await table(), await table()];
    const { AssociationId } = await ec2.send(new AssociateRouteTableCommand({ RouteTableId: a, SubnetId: subnetId }));
    await refused(
      ec2.send(new AssociateRouteTableCommand({ RouteTableId: b, SubnetId: subnetId })),
      'Resource.AlreadyAssociated',
    );
    await refused(ec2.send(new DeleteRouteTableCommand({ RouteTableId: a })), 'DependencyViolation');
    const moved = await ec2.send(new ReplaceRouteTableAssociationCommand({ AssociationId: AssociationId!, RouteTableId: b }));
    expect(moved.NewAssociationId).not.toBe(AssociationId);
    await ec2.send(new DeleteRouteTableCommand({ RouteTableId: a }));
    await refused(
      ec2.send(new DisassociateRouteTableCommand({ AssociationId: AssociationId! })),
      'InvalidAssociationID.NotFound',
      `The association ID '${AssociationId}' does not exist`,
    );
    await ec2.send(new DisassociateRouteTableCommand({ AssociationId: moved.NewAssociationId! }));
    await ec2.send(new DeleteRouteTableCommand({ RouteTableId: b }));
  });

  test('routes lead to gateways of their own VPC, once for each destination', async () => {
    const lab = new Lab();
    const { ec2 } = lab;
    const net = await lab.network('10.13');
    const route = (input: { DestinationCidrBlock?: string; GatewayId?: string }) =>
      ec2.send(new CreateRouteCommand({ RouteTableId: net.routeTableId, ...input }));
    await refused(
      route({ DestinationCidrBlock: '0.0.0.0/0', GatewayId: 'igw-0123456789abcdef0' }),
      'InvalidInternetGatewayID.NotFound',
    );
    const loose = (await ec2.send(new CreateInternetGatewayCommand({}))).InternetGateway!.InternetGatewayId!;
    await refused(
      route({ DestinationCidrBlock: '0.0.0.0/0', GatewayId: loose }),
      'InvalidParameterValue',
      `route table ${net.routeTableId} and network gateway ${loose} belong to different networks`,
    );
    await refused(route({ DestinationCidrBlock: '300.0.0.0/8', GatewayId: net.gatewayId }), 'InvalidParameterValue');
    await refused(route({ GatewayId: net.gatewayId }), 'MissingParameter');
    await refused(route({ DestinationCidrBlock: '10.13.1.0/24', GatewayId: net.gatewayId }), 'InvalidParameterValue');
    await refused(
      ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: loose, VpcId: net.vpcId })),
      'InvalidParameterValue',
      `Network ${net.vpcId} already has an internet gateway attached`,
    );
    const otherVpc = await lab.vpc('10.14.0.0/16');
    await refused(
      ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: net.gatewayId, VpcId: otherVpc })),
      'Resource.AlreadyAssociated',
      `resource ${net.gatewayId} is already attached to network ${net.vpcId}`,
    );
    await refused(ec2.send(new DeleteInternetGatewayCommand({ InternetGatewayId: net.gatewayId })), 'DependencyViolation');
  });
});

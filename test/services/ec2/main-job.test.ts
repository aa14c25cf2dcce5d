/** The main job: a web server that user data starts, reached on the instance's public address, and what keeps it from being reached. */
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateInternetGatewayCommand,
  CreateRouteCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteRouteCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeRouteTablesCommand,
  EC2Client,
  type Instance,
  ModifySubnetAttributeCommand,
  RevokeSecurityGroupIngressCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, freshAccount, machinesRefused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';

const userData = `#!/bin/bash
whoami > /tmp/who
mkdir -p /www
echo "it is $(date)" > /www/index.html
cp /tmp/who /www/who
cd /www && python3 -m http.server 80 > /dev/null 2>&1 &
`;

describe('a web server on an instance', () => {
  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  const ec2 = new EC2Client(freshAccount().config());
  let instanceId = '';
  let groupId = '';
  let routeTableId = '';

  const instance = async (): Promise<Instance> =>
    (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }))).Reservations![0]!.Instances![0]!;
  const inState = (name: string) =>
    eventually(
      async () => {
        const found = await instance();
        expect(found.State?.Name).toBe(name);
        return found;
      },
      { why: `the instance becomes ${name}`, timeoutMs: 20_000 },
    );

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    const vpcId = (await ec2.send(new CreateVpcCommand({ CidrBlock: '10.20.0.0/16' }))).Vpc!.VpcId!;
    const subnetId = (await ec2.send(new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: '10.20.1.0/24' }))).Subnet!.SubnetId!;
    await ec2.send(new ModifySubnetAttributeCommand({ SubnetId: subnetId, MapPublicIpOnLaunch: { Value: true } }));
    const gatewayId = (await ec2.send(new CreateInternetGatewayCommand({}))).InternetGateway!.InternetGatewayId!;
    await ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: gatewayId, VpcId: vpcId }));
    const tables = await ec2.send(new DescribeRouteTablesCommand({ Filters: [{ Name: 'vpc-id', Values: [vpcId] }] }));
    routeTableId = tables.RouteTables![0]!.RouteTableId!;
    await ec2.send(
      new CreateRouteCommand({ RouteTableId: routeTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId: gatewayId }),
    );
    groupId = (await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web', VpcId: vpcId }))).GroupId!;
    const image = (
      await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] }))
    ).Images![0]!;
    const launched = await ec2.send(
      new RunInstancesCommand({
        ImageId: image.ImageId!,
        InstanceType: 't2.micro',
        MinCount: 1,
        MaxCount: 1,
        SubnetId: subnetId,
        SecurityGroupIds: [groupId],
        UserData: Buffer.from(userData).toString('base64'),
      }),
    );
    expect(launched.Instances![0]!.State).toEqual({ Code: 0, Name: 'pending' });
    instanceId = launched.Instances![0]!.InstanceId!;
    await inState('running');
  });

  test('SG-002 SG-009 a new group lets nothing in: the client times out', async () => {
    const { PublicIpAddress } = await instance();
    expect(await fetchInside(PublicIpAddress!, 80)).toBe('ETIMEDOUT');
  });

  test('SG-001 EC2-021 VPC-026 with port 80 open the page that user data made is served on the public address', async () => {
    await ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpProtocol: 'tcp',
        FromPort: 80,
        ToPort: 80,
        CidrIp: '0.0.0.0/0',
      }),
    );
    const { PublicIpAddress, PublicDnsName, PrivateIpAddress } = await instance();
    expect(PrivateIpAddress).toMatch(/^10\.20\.1\./);
    expect(await eventually(async () => await pageAt(PublicIpAddress!), { why: 'the web server answers' })).toContain('it is ');
    expect(PublicDnsName).toBe('');
  });

  test('EC2-024 user data runs as root', async () => {
    const { PublicIpAddress } = await instance();
    expect(await fetchInside(PublicIpAddress!, 80, '/who')).toMatchObject({ status: 200, body: 'root\n' });
  });

  test('SG-010 an open port with nothing listening refuses at once', async () => {
    await ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpProtocol: 'tcp',
        FromPort: 81,
        ToPort: 81,
        CidrIp: '0.0.0.0/0',
      }),
    );
    const { PublicIpAddress } = await instance();
    await eventually(async () => expect(await fetchInside(PublicIpAddress!, 81)).toBe('ECONNREFUSED'), {
      why: 'port 81 refuses',
    });
  });

  test('VPC-025 VPC-023 without the route to the gateway the same address times out; put back, it answers', async () => {
    const { PublicIpAddress } = await instance();
    const table = (await ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [routeTableId] }))).RouteTables![0]!;
    const gatewayId = table.Routes!.find((route) => route.DestinationCidrBlock === '0.0.0.0/0')!.GatewayId!;
    await ec2.send(new DeleteRouteCommand({ RouteTableId: routeTableId, DestinationCidrBlock: '0.0.0.0/0' }));
    await eventually(async () => expect(await fetchInside(PublicIpAddress!, 80)).toBe('ETIMEDOUT'), {
      why: 'the address is cut off',
    });
    await ec2.send(
      new CreateRouteCommand({ RouteTableId: routeTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId: gatewayId }),
    );
    await eventually(() => pageAt(PublicIpAddress!), { why: 'the address answers again' });
  });

  test('SG-001 revoking the rule closes the port again', async () => {
    await ec2.send(
      new RevokeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpProtocol: 'tcp',
        FromPort: 80,
        ToPort: 80,
        CidrIp: '0.0.0.0/0',
      }),
    );
    const { PublicIpAddress } = await instance();
    await eventually(async () => expect(await fetchInside(PublicIpAddress!, 80)).toBe('ETIMEDOUT'), { why: 'port 80 is closed' });
    await ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpProtocol: 'tcp',
        FromPort: 80,
        ToPort: 80,
        CidrIp: '0.0.0.0/0',
      }),
    );
  });

  test('EC2-033 EIP-002 stop gives the public address up, start brings another; the private one stays', async () => {
    const before = await instance();
    await ec2.send(new StopInstancesCommand({ InstanceIds: [instanceId] }));
    const stopped = await inState('stopped');
    expect(stopped.PublicIpAddress).toBeUndefined();
    await ec2.send(new StartInstancesCommand({ InstanceIds: [instanceId] }));
    const after = await inState('running');
    expect(after.PublicIpAddress).toMatch(/^198\.1[89]\./);
    expect(after.PublicIpAddress).not.toBe(before.PublicIpAddress);
    expect(after.PrivateIpAddress).toBe(before.PrivateIpAddress);
  });

  test('EIP-001 EIP-003 an Elastic IP takes the place of the public address and stays over stop and start', async () => {
    const { AllocationId, PublicIp } = await ec2.send(new AllocateAddressCommand({}));
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: instanceId }));
    expect((await instance()).PublicIpAddress).toBe(PublicIp);
    await ec2.send(new StopInstancesCommand({ InstanceIds: [instanceId] }));
    expect((await inState('stopped')).PublicIpAddress).toBe(PublicIp);
    await ec2.send(new StartInstancesCommand({ InstanceIds: [instanceId] }));
    expect((await inState('running')).PublicIpAddress).toBe(PublicIp);
    // The page's server was started by user data, which does not run again (EC2-023): the port is open and nothing listens.
    await eventually(async () => expect(await fetchInside(PublicIp!, 80)).toBe('ECONNREFUSED'), {
      why: 'the machine answers on its Elastic IP',
    });
  });

  async function pageAt(address: string): Promise<string> {
    const answer = await fetchInside(address, 80);
    if (typeof answer === 'string') throw new Error(answer);
    expect(answer.status).toBe(200);
    return answer.body;
  }
});

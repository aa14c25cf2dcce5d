/** NAT gateways: what the API says of them, and what packets do. */
import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  CreateInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  DeleteNatGatewayCommand,
  DeleteNetworkInterfaceCommand,
  DeleteRouteCommand,
  DescribeAddressesCommand,
  DescribeNatGatewaysCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DetachNetworkInterfaceCommand,
  DisassociateAddressCommand,
  ReleaseAddressCommand,
} from '@aws-sdk/client-ec2';
import { beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { base64, Lab } from './support.ts';

/** Answers each request with the address that it came from. */
const echoScript = `#!/bin/bash
cat > /echo.py <<'END'
import http.server
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(('0.0.0.0', 80), Echo).serve_forever()
END
python3 /echo.py > /dev/null 2>&1 &
`;

const lab = new Lab();
const { ec2 } = lab;

const natState = async (id: string, state: string) =>
  eventually(
    async () => {
      const found = (await ec2.send(new DescribeNatGatewaysCommand({ NatGatewayIds: [id] }))).NatGateways![0]!;
      expect(found.State).toBe(state);
      return found;
    },
    { why: `the gateway is ${state}` },
  );

describe('a NAT gateway', () => {
  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  test('VPC-029 a NAT gateway lets private instances out under its own address and nobody in', async () => {
    const network = await lab.network('10.71');
    const privateSubnet = await lab.subnet(network.vpcId, '10.71.2.0/24', 'us-east-1b');
    const table = (await ec2.send(new CreateRouteTableCommand({ VpcId: network.vpcId }))).RouteTable!.RouteTableId!;
    await ec2.send(new AssociateRouteTableCommand({ RouteTableId: table, SubnetId: privateSubnet }));
    const outside = new Lab();
    const far = await outside.network('10.72');
    const [echoId, jump, hidden] = await Promise.all([
      outside.launch({ SubnetId: far.subnetId, SecurityGroupIds: [far.groupId], UserData: base64(echoScript) }),
      lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] }),
      lab.launchAgent({ SubnetId: privateSubnet, SecurityGroupIds: [network.groupId] }),
    ]);
    const echoAt = (await outside.inState(echoId, 'running')).PublicIpAddress!;
    await eventually(async () => expect(await fetchInside(echoAt, 80)).toMatchObject({ status: 200 }), {
      why: 'the echo server is up',
    });

    const address = await ec2.send(new AllocateAddressCommand({}));
    const made = await ec2.send(new CreateNatGatewayCommand({ SubnetId: network.subnetId, AllocationId: address.AllocationId! }));
    const id = made.NatGateway!.NatGatewayId!;
    expect(id).toMatch(/^nat-[0-9a-f]{17}$/);
    expect(made.NatGateway).toMatchObject({ State: 'pending', ConnectivityType: 'public', VpcId: network.vpcId });
    const gateway = await natState(id, 'available');
    expect(gateway.NatGatewayAddresses).toMatchObject([
      { PublicIp: address.PublicIp, AllocationId: address.AllocationId, IsPrimary: true, Status: 'succeeded' },
    ]);

    const inside = (command: string) =>
      lab.run(jump.PublicIpAddress!, `curl -s -m 5 'http://${hidden.PrivateIpAddress}/?${encodeURIComponent(command)}'`);
    const download = () => inside(`curl -s -m 1 http://${echoAt}/ || echo no`);
    await eventually(async () => expect(await inside('echo up')).toBe('up'), { why: 'the hidden agent answers' });
    expect(await download()).toBe('no');
    await ec2.send(new CreateRouteCommand({ RouteTableId: table, DestinationCidrBlock: '0.0.0.0/0', NatGatewayId: id }));
    await eventually(async () => expect(await download()).toBe(address.PublicIp), { why: 'the gateway translates' });
    expect(await fetchInside(address.PublicIp!, 80)).toBe('ETIMEDOUT');
    expect(
      await inside(
        'getent hosts sts.us-east-1.amazonaws.com > /dev/null && curl -s -m 2 -o /dev/null -w "%{http_code}" http://sts.us-east-1.amazonaws.com/',
      ),
    ).toMatch(/^[2-5]\d\d$/);
    await ec2.send(new DeleteRouteCommand({ RouteTableId: table, DestinationCidrBlock: '0.0.0.0/0' }));
    await eventually(async () => expect(await download()).toBe('no'), { why: 'without the route nothing gets out' });

    await ec2.send(new CreateRouteCommand({ RouteTableId: table, DestinationCidrBlock: '0.0.0.0/0', NatGatewayId: id }));
    await ec2.send(new DeleteNatGatewayCommand({ NatGatewayId: id }));
    await natState(id, 'deleted');
    expect(await download()).toBe('no');
    const shown = (await ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [table] }))).RouteTables![0]!.Routes!;
    expect(shown.find((route) => route.NatGatewayId === id)?.State).toBe('blackhole');
    await ec2.send(new ReleaseAddressCommand({ AllocationId: address.AllocationId! }));
  }, 90_000);
});

test('the interface of a NAT gateway is its own, and so is its address', async () => {
  const network = await lab.network('10.73');
  const address = await ec2.send(new AllocateAddressCommand({}));
  const { NatGateway } = await ec2.send(
    new CreateNatGatewayCommand({
      SubnetId: network.subnetId,
      AllocationId: address.AllocationId!,
      PrivateIpAddress: '10.73.1.77',
      ClientToken: 'once',
      TagSpecifications: [{ ResourceType: 'natgateway', Tags: [{ Key: 'Name', Value: 'way out' }] }],
    }),
  );
  const id = NatGateway!.NatGatewayId!;
  await natState(id, 'available');
  const again = await ec2.send(
    new CreateNatGatewayCommand({ SubnetId: network.subnetId, AllocationId: address.AllocationId!, ClientToken: 'once' }),
  );
  expect(again.NatGateway!.NatGatewayId).toBe(id);
  const tagged = await ec2.send(
    new DescribeNatGatewaysCommand({
      Filter: [
        { Name: 'tag:Name', Values: ['way out'] },
        { Name: 'vpc-id', Values: [network.vpcId] },
      ],
    }),
  );
  expect(tagged.NatGateways!.map(({ NatGatewayId }) => NatGatewayId)).toEqual([id]);
  const card = (
    await ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [
          { Name: 'interface-type', Values: ['nat_gateway'] },
          { Name: 'vpc-id', Values: [network.vpcId] },
        ],
      }),
    )
  ).NetworkInterfaces![0]!;
  expect(card).toMatchObject({
    RequesterManaged: true,
    Status: 'in-use',
    PrivateIpAddress: '10.73.1.77',
    SourceDestCheck: false,
    Groups: [],
    Description: `Interface for NAT Gateway ${id}`,
  });
  expect(card.Association?.PublicIp).toBe(address.PublicIp);
  await refused(
    ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: card.NetworkInterfaceId! })),
    'InvalidParameterValue',
    `Network interface '${card.NetworkInterfaceId}' is currently in use.`,
  );
  await refused(
    ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: card.Attachment!.AttachmentId! })),
    'OperationNotPermitted',
    "You are not allowed to manage 'ela-attach' attachments.",
  );
  const used = (await ec2.send(new DescribeAddressesCommand({ AllocationIds: [address.AllocationId!] }))).Addresses![0]!;
  await refused(
    ec2.send(new DisassociateAddressCommand({ AssociationId: used.AssociationId! })),
    'AuthFailure',
    'You do not have permission to access the specified resource.',
  );
  await refused(ec2.send(new ReleaseAddressCommand({ AllocationId: address.AllocationId! })), 'InvalidIPAddress.InUse');
  const second = await ec2.send(new CreateNatGatewayCommand({ SubnetId: network.subnetId, AllocationId: address.AllocationId! }));
  const failed = await natState(second.NatGateway!.NatGatewayId!, 'failed');
  expect(failed.FailureCode).toBe('Resource.AlreadyAssociated');
});

test('requests for NAT gateways that cannot be are refused or fail', async () => {
  const vpcId = await lab.vpc('10.74.0.0/16');
  const subnetId = await lab.subnet(vpcId, '10.74.1.0/24');
  const address = await ec2.send(new AllocateAddressCommand({}));
  const create = (more: object) =>
    ec2.send(new CreateNatGatewayCommand({ SubnetId: subnetId, AllocationId: address.AllocationId!, ...more }));
  await refused(
    create({ SubnetId: 'subnet-00000000000000000' }),
    'InvalidSubnetID.NotFound',
    "The subnet ID 'subnet-00000000000000000' does not exist",
  );
  await refused(create({ AllocationId: 'eipalloc-00000000000000000' }), 'InvalidAllocationID.NotFound');
  await refused(create({ AllocationId: undefined }), 'MissingParameter');
  await refused(create({ ConnectivityType: 'private' }), 'NotImplemented');
  await refused(
    ec2.send(new DescribeNatGatewaysCommand({ NatGatewayIds: ['nat-00000000000000000'] })),
    'NatGatewayNotFound',
    'NAT gateway nat-00000000000000000 was not found',
  );
  await refused(ec2.send(new DeleteNatGatewayCommand({ NatGatewayId: 'nat-00000000000000000' })), 'NatGatewayNotFound');
  const made = await create({});
  const failed = await natState(made.NatGateway!.NatGatewayId!, 'failed');
  expect(failed).toMatchObject({
    FailureCode: 'Gateway.NotAttached',
    FailureMessage: `Network ${vpcId} has no Internet gateway attached`,
    NatGatewayAddresses: [],
  });
  const gatewayId = (await ec2.send(new CreateInternetGatewayCommand({}))).InternetGateway!.InternetGatewayId!;
  await ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: gatewayId, VpcId: vpcId }));
  await refused(
    create({ PrivateIpAddress: '10.74.1.2' }),
    'InvalidParameterValue',
    "Address is in subnet's reserved address range",
  );
  await refused(
    ec2.send(
      new CreateRouteCommand({
        RouteTableId: await lab.mainTable(vpcId),
        DestinationCidrBlock: '0.0.0.0/0',
        NatGatewayId: 'nat-00000000000000000',
      }),
    ),
    'InvalidNatGatewayID.NotFound',
    "The natGateway ID 'nat-00000000000000000' does not exist",
  );
});

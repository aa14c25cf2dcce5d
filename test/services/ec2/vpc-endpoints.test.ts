/** VPC endpoints: the cloud's API from a subnet without internet, by official clients inside machines. */
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateVpcEndpointCommand,
  DeleteNetworkInterfaceCommand,
  DeleteVpcEndpointsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DescribeVpcEndpointServicesCommand,
  DescribeVpcEndpointsCommand,
  AssociateRouteTableCommand,
  CreateRouteTableCommand,
  DeleteRouteCommand,
  type Instance,
  ModifyVpcAttributeCommand,
  ModifyVpcEndpointCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

describe('endpoints of a VPC', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  let network: Network;
  let privateTable = '';
  let privateSubnet = '';
  let jump: Instance;
  let hidden: Instance;

  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    network = await lab.network('10.121');
    await ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsHostnames: { Value: true } }));
    privateSubnet = await lab.subnet(network.vpcId, '10.121.2.0/24', 'us-east-1b');
    privateTable = (await ec2.send(new CreateRouteTableCommand({ VpcId: network.vpcId }))).RouteTable!.RouteTableId!;
    await ec2.send(new AssociateRouteTableCommand({ RouteTableId: privateTable, SubnetId: privateSubnet }));
    [jump, hidden] = await Promise.all([
      lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] }),
      lab.launchAgent({ SubnetId: privateSubnet, SecurityGroupIds: [network.groupId] }),
    ]);
  }, 60_000);

  const inside = (command: string) =>
    lab.run(
      jump.PublicIpAddress!,
      `curl -s -m 9 'http://${hidden.PrivateIpAddress}/?${encodeURIComponent(command).replaceAll("'", '%27')}'`,
    );
  /** A signed request from the private subnet: what comes back, or `timed out`. */
  const ask = (service: string, words: string, path = '', host = service) =>
    inside(
      `curl -s -m 2 --aws-sigv4 aws:amz:us-east-1:${service} -u ${lab.account.id}:test ${words} 'http://${host}.us-east-1.amazonaws.com/${path}' || { test $? = 28 && echo timed out; }`,
    );
  const emptySum = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const s3 = (path = '') => ask('s3', `-H 'x-amz-content-sha256: ${emptySum}'`, path);
  const listTables = () =>
    ask('dynamodb', `-H 'x-amz-target: DynamoDB_20120810.ListTables' -H 'content-type: application/x-amz-json-1.0' -d '{}'`);
  const sqs = (action: string) => ask('sqs', `-d 'Action=${action}&Version=2012-11-05'`);
  const listTopics = (host = 'sns') => ask('sns', `-d 'Action=ListTopics&Version=2010-03-31'`, '', host);
  const timedOut = /^timed out$/;
  const answers = (check: () => Promise<string>, wanted: RegExp) =>
    eventually(async () => expect(await check()).toMatch(wanted), { why: `the answer is ${wanted}`, timeoutMs: 25_000 });

  test('VPCE-002 VPCE-003 a gateway endpoint is a route to the service, and its policy holds', async () => {
    const buckets = new S3Client({ ...lab.account.config(), forcePathStyle: true });
    const [one, two] = [`one-${lab.account.id}`, `two-${lab.account.id}`];
    for (const Bucket of [one, two]) await buckets.send(new CreateBucketCommand({ Bucket }));
    expect(await s3()).toMatch(timedOut);
    const gateway = { VpcId: network.vpcId, RouteTableIds: [privateTable] };
    const made = await ec2.send(new CreateVpcEndpointCommand({ ...gateway, ServiceName: 'com.amazonaws.us-east-1.s3' }));
    const id = made.VpcEndpoint!.VpcEndpointId!;
    const routes = (await ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [privateTable] }))).RouteTables![0]!.Routes!;
    expect(routes.find(({ GatewayId }) => GatewayId === id)).toMatchObject({
      DestinationPrefixListId: 'pl-63a5400a',
      State: 'active',
    });
    await answers(() => s3(), new RegExp(`<Name>${one}</Name>`));
    expect(await listTables()).toMatch(timedOut);
    const named = (bucket: string) => ({
      Statement: [
        { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`] },
      ],
    });
    await ec2.send(new ModifyVpcEndpointCommand({ VpcEndpointId: id, PolicyDocument: JSON.stringify(named(one)) }));
    expect(await s3(`${one}?list-type=2`)).toContain('<ListBucketResult');
    expect(await s3(`${two}?list-type=2`)).toMatch(
      /AccessDenied.*because no VPC endpoint policy allows the s3:ListBucket action/,
    );
    await refused(
      ec2.send(new CreateVpcEndpointCommand({ ...gateway, ServiceName: 'com.amazonaws.us-east-1.s3' })),
      'RouteAlreadyExists',
      `route table ${privateTable} already has a route with destination-prefix-list-id pl-63a5400a`,
    );
    await refused(
      ec2.send(new DeleteRouteCommand({ RouteTableId: privateTable, DestinationPrefixListId: 'pl-63a5400a' })),
      'InvalidParameterValue',
    );
    await refused(
      ec2.send(new CreateVpcEndpointCommand({ ...gateway, ServiceName: 'com.amazonaws.us-east-1.sqs' })),
      'InvalidParameter',
      'Endpoint type (Gateway) does not match available service types ([Interface]).',
    );
    await ec2.send(new ModifyVpcEndpointCommand({ VpcEndpointId: id, RemoveRouteTableIds: [privateTable] }));
    await answers(() => s3(), timedOut);
    await ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] }));
  }, 90_000);

  test('VPCE-004 VPCE-009 an interface endpoint is an interface with groups, and leads to one service', async () => {
    expect(await sqs('ListQueues')).toMatch(timedOut);
    const group = await lab.group(network.vpcId, 'endpoint');
    const made = await ec2.send(
      new CreateVpcEndpointCommand({
        VpcId: network.vpcId,
        VpcEndpointType: 'Interface',
        ServiceName: 'com.amazonaws.us-east-1.sqs',
        SubnetIds: [network.subnetId, privateSubnet],
        SecurityGroupIds: [group],
        PrivateDnsEnabled: true,
      }),
    );
    const id = made.VpcEndpoint!.VpcEndpointId!;
    const found = (await ec2.send(new DescribeVpcEndpointsCommand({ VpcEndpointIds: [id] }))).VpcEndpoints![0]!;
    expect(found).toMatchObject({
      State: 'available',
      PrivateDnsEnabled: true,
      Groups: [{ GroupId: group, GroupName: 'endpoint' }],
    });
    const cards = (await ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: found.NetworkInterfaceIds! })))
      .NetworkInterfaces!;
    expect(cards.map((card) => [card.InterfaceType, card.RequesterManaged, card.Status])).toEqual([
      ['vpc_endpoint', true, 'in-use'],
      ['vpc_endpoint', true, 'in-use'],
    ]);
    await refused(
      ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: cards[0]!.NetworkInterfaceId! })),
      'InvalidParameterValue',
    );
    const names = await inside('getent ahostsv4 sqs.us-east-1.amazonaws.com | cut -d " " -f 1 | sort -u');
    expect(names.split('\n').sort()).toEqual(cards.map((card) => card.PrivateIpAddress).sort());
    expect(await sqs('ListQueues')).toMatch(timedOut);
    const web = [80, 443].map((port) => ({
      IpProtocol: 'tcp',
      FromPort: port,
      ToPort: port,
      IpRanges: [{ CidrIp: '10.121.0.0/16' }],
    }));
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: group, IpPermissions: web }));
    await answers(() => sqs('CreateQueue&QueueName=through-the-door'), /through-the-door/);
    expect(await inside('curl -s -k -m 3 -o /dev/null -w "%{http_code}" https://sqs.us-east-1.amazonaws.com/')).toMatch(
      /^4\d\d$/,
    );
    expect(await listTopics()).toMatch(timedOut);
    expect(await listTopics('sqs')).toContain('No VPC endpoint of this network leads to sns.');
    await ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: group, IpPermissions: web }));
    await answers(() => sqs('ListQueues'), timedOut);
    await ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] }));
    expect(
      (await ec2.send(new DescribeVpcEndpointsCommand({}))).VpcEndpoints!.map(({ VpcEndpointId }) => VpcEndpointId),
    ).not.toContain(id);
  }, 90_000);

  test('of two endpoints of one service the policy of the one that a request came through counts', async () => {
    const group = await lab.group(network.vpcId, 'two-doors');
    await lab.allow(group, 'tcp', 80, 80, '10.121.0.0/16');
    const make = async (policy: object | undefined, PrivateDnsEnabled: boolean) =>
      (
        await ec2.send(
          new CreateVpcEndpointCommand({
            VpcId: network.vpcId,
            VpcEndpointType: 'Interface',
            ServiceName: 'com.amazonaws.us-east-1.sns',
            SubnetIds: [privateSubnet],
            SecurityGroupIds: [group],
            PrivateDnsEnabled,
            ...(policy === undefined ? {} : { PolicyDocument: JSON.stringify(policy) }),
          }),
        )
      ).VpcEndpoint!;
    const closed = { Statement: [{ Effect: 'Allow', Principal: '*', Action: 'sns:CreateTopic', Resource: '*' }] };
    const [narrow, wide] = [await make(closed, true), await make(undefined, false)];
    const through = (host: string) =>
      inside(
        `curl -s -m 2 --aws-sigv4 aws:amz:us-east-1:sns -u ${lab.account.id}:test -d 'Action=ListTopics&Version=2010-03-31' http://${host}/ || { test $? = 28 && echo timed out; }`,
      );
    const denied = /no VPC endpoint policy allows the sns:ListTopics action/;
    await answers(() => through('sns.us-east-1.amazonaws.com'), denied);
    await answers(() => through(wide.DnsEntries![0]!.DnsName!), /<ListTopicsResult/);
    for (const entry of narrow.DnsEntries!) expect(await through(entry.DnsName!)).toMatch(denied);
    expect(await through(wide.DnsEntries![1]!.DnsName!)).toMatch(/<ListTopicsResult/);
    await ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [narrow.VpcEndpointId!, wide.VpcEndpointId!] }));
  }, 60_000);

  test('VPCE-005 S3 and DynamoDB offer both kinds of endpoint, and both work in one VPC', async () => {
    const offered = await ec2.send(new DescribeVpcEndpointServicesCommand({ Filters: [{ Name: 'owner', Values: ['amazon'] }] }));
    for (const short of ['s3', 'dynamodb']) {
      const ServiceName = `com.amazonaws.us-east-1.${short}`;
      const kinds = offered.ServiceDetails!.filter((detail) => detail.ServiceName === ServiceName);
      expect(kinds.map(({ ServiceType }) => ServiceType![0]!.ServiceType).sort()).toEqual(['Gateway', 'Interface']);
      const gateway = await ec2.send(
        new CreateVpcEndpointCommand({ VpcId: network.vpcId, ServiceName, RouteTableIds: [privateTable] }),
      );
      const inner = await ec2.send(
        new CreateVpcEndpointCommand({
          VpcId: network.vpcId,
          ServiceName,
          VpcEndpointType: 'Interface',
          SubnetIds: [privateSubnet],
          SecurityGroupIds: [network.groupId],
          PrivateDnsEnabled: false,
        }),
      );
      const name = inner.VpcEndpoint!.DnsEntries![0]!.DnsName!;
      expect(name).toMatch(new RegExp(`^vpce-[0-9a-f]{17}-[0-9a-f]{8}\\.${short}\\.us-east-1\\.vpce\\.amazonaws\\.com$`));
      const words =
        short === 's3'
          ? `-H 'x-amz-content-sha256: ${emptySum}'`
          : `-H 'x-amz-target: DynamoDB_20120810.ListTables' -H 'content-type: application/x-amz-json-1.0' -d '{}'`;
      const wanted = short === 's3' ? /<ListAllMyBucketsResult/ : /TableNames/;
      const through = (host: string) =>
        inside(
          `curl -s -m 2 -w ' %{remote_ip}' --aws-sigv4 aws:amz:us-east-1:${short} -u ${lab.account.id}:test ${words} http://${host}/`,
        );
      const [byRoute, byDoor] = [`${short}.us-east-1.amazonaws.com`, short === 's3' ? `bucket.${name}` : name];
      await answers(() => through(byRoute), wanted);
      expect(await through(byRoute)).toMatch(/ 198\.18\.0\.\d+$/);
      await answers(() => through(byDoor), wanted);
      expect(await through(byDoor)).toMatch(/ 10\.121\.2\.\d+$/);
      await ec2.send(
        new DeleteVpcEndpointsCommand({
          VpcEndpointIds: [gateway.VpcEndpoint!.VpcEndpointId!, inner.VpcEndpoint!.VpcEndpointId!],
        }),
      );
    }
  }, 90_000);
});

test('endpoints that cannot be are refused', async () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const VpcId = await lab.vpc('10.122.0.0/16');
  const create = (more: object) =>
    ec2.send(new CreateVpcEndpointCommand({ VpcId, ServiceName: 'com.amazonaws.us-east-1.s3', ...more }));
  await refused(
    create({ ServiceName: 'com.amazonaws.us-east-1.nothing' }),
    'InvalidServiceName',
    "The Vpc Endpoint Service 'com.amazonaws.us-east-1.nothing' does not exist",
  );
  await refused(create({ VpcId: 'vpc-00000000000000000' }), 'InvalidVpcID.NotFound');
  await refused(create({ RouteTableIds: ['rtb-00000000000000000'] }), 'InvalidRouteTableID.NotFound');
  await refused(create({ PolicyDocument: 'nonsense' }), 'InvalidPolicyDocument');
  await refused(create({ SecurityGroupIds: ['sg-00000000000000000'] }), 'InvalidParameter');
  await refused(
    create({ VpcEndpointType: 'Interface' }),
    'InvalidParameter',
    `Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for ${VpcId}`,
  );
  await refused(
    create({ VpcEndpointType: 'Interface', PrivateDnsEnabled: false, RouteTableIds: ['rtb-00000000000000000'] }),
    'InvalidParameter',
    'Route table IDs are supported only for Gateway type VPC Endpoint.',
  );
  const subnets = [
    await lab.subnet(VpcId, '10.122.1.0/24', 'us-east-1a'),
    await lab.subnet(VpcId, '10.122.2.0/24', 'us-east-1a'),
  ];
  await refused(
    create({ VpcEndpointType: 'Interface', PrivateDnsEnabled: false, SubnetIds: subnets }),
    'DuplicateSubnetsInSameZone',
  );
  await refused(create({ VpcEndpointType: 'GatewayLoadBalancer' }), 'NotImplemented');
  await refused(
    ec2.send(new DescribeVpcEndpointsCommand({ VpcEndpointIds: ['vpce-00000000000000000'] })),
    'InvalidVpcEndpointId.NotFound',
    "The Vpc Endpoint Id 'vpce-00000000000000000' does not exist",
  );
  const gone = await ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: ['vpce-00000000000000000'] }));
  expect(gone.Unsuccessful).toEqual([
    {
      ResourceId: 'vpce-00000000000000000',
      Error: { Code: 'InvalidVpcEndpoint.NotFound', Message: "The Vpc Endpoint Id 'vpce-00000000000000000' does not exist" },
    },
  ]);
  const offers = await ec2.send(
    new DescribeVpcEndpointServicesCommand({ ServiceNames: ['com.amazonaws.us-east-1.s3', 'com.amazonaws.us-east-1.dynamodb'] }),
  );
  expect(
    offers.ServiceDetails!.map(({ ServiceName, ServiceType }) => `${ServiceName} ${ServiceType![0]!.ServiceType}`).sort(),
  ).toEqual(
    ['dynamodb Gateway', 'dynamodb Interface', 's3 Gateway', 's3 Interface'].map((words) => `com.amazonaws.us-east-1.${words}`),
  );
});

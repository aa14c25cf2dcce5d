/** Flow logs: records of real packets in log groups and buckets. A cloud of its own, because windows end by the clock. */
import { gunzipSync } from 'node:zlib';
import { CloudWatchLogsClient, DescribeLogStreamsCommand, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  AssociateRouteTableCommand,
  CreateFlowLogsCommand,
  type CreateFlowLogsCommandInput,
  CreateRouteTableCommand,
  CreateTagsCommand,
  CreateVpcEndpointCommand,
  DeleteFlowLogsCommand,
  DeleteVpcEndpointsCommand,
  DescribeFlowLogsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  type Instance,
  ModifyVpcAttributeCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import {
  CreateBucketCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

const minute = 60_000;
const allFields =
  '${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}';

/** A role that flow logs may take, with these actions on logs. */
async function flowRole(iam: IAMClient, RoleName: string, Action: string[], service = 'vpc-flow-logs.amazonaws.com') {
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  };
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) }));
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] };
  await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'logs', PolicyDocument: JSON.stringify(policy) }));
  return Role!.Arn!;
}

describe('flow logs of real traffic', () => {
  let cloud: OwnCloud;
  let lab: Lab;
  let network: Network;
  let server: Instance;
  let nitro: Instance;
  let logs: CloudWatchLogsClient;
  let s3: S3Client;
  let roleArn = '';

  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud();
    lab = new Lab(cloud.endpoint);
    logs = new CloudWatchLogsClient(lab.account.config());
    s3 = new S3Client({ ...lab.account.config(), forcePathStyle: true });
    network = await lab.network('10.131');
    roleArn = await flowRole(new IAMClient(lab.account.config()), 'flow', ['logs:*']);
    const where = { SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] };
    [server, nitro] = await Promise.all([lab.launchAgent(where), lab.launchAgent({ ...where, InstanceType: 't3.micro' })]);
  }, 90_000);

  afterAll(() => cloud?.stop());

  const create = async (input: Partial<CreateFlowLogsCommandInput>) => {
    const made = await lab.ec2.send(
      new CreateFlowLogsCommand({
        ResourceType: 'VPC',
        ResourceIds: [network.vpcId],
        TrafficType: 'ALL',
        ...(input.LogDestinationType === 's3' ? {} : { DeliverLogsPermissionArn: roleArn }),
        ...input,
      } as CreateFlowLogsCommandInput),
    );
    expect(made.Unsuccessful).toEqual([]);
    return made.FlowLogIds![0]!;
  };
  const cardOf = (instance: Instance) => instance.NetworkInterfaces![0]!.NetworkInterfaceId!;
  const recordsOf = async (group: string, stream: string) =>
    (await logs.send(new GetLogEventsCommand({ logGroupName: group, logStreamName: stream, startFromHead: true }))).events!.map(
      ({ message }) => message!.split(' '),
    );
  /** From the nitro instance: a request that the server answers, and one that its group drops. */
  const talk = async () => {
    expect(await lab.run(nitro.PublicIpAddress!, `curl -s -m 3 'http://${server.PrivateIpAddress}/?echo%20hidden-words'`)).toBe(
      'hidden-words',
    );
    await lab.run(nitro.PublicIpAddress!, `curl -s -m 1 http://${server.PrivateIpAddress}:8099/ || true`);
  };
  const nextWindow = (millis = 10 * minute) => advanceClock(cloud.endpoint, millis);

  test('FLOW-001 FLOW-002 FLOW-003 a VPC, a subnet and an interface log what passes and what is dropped, in windows', async () => {
    const bucket = `flows-${lab.account.id}`;
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    const ids = [
      await create({ LogGroupName: 'vpc-flows' }),
      await create({
        ResourceType: 'Subnet',
        ResourceIds: [network.subnetId],
        LogDestinationType: 's3',
        LogDestination: `arn:aws:s3:::${bucket}/some/folder`,
        LogFormat: '${version} ${interface-id} ${flow-direction} ${pkt-srcaddr} ${dstport} ${action} ${instance-id} ${az-id}',
        TrafficType: 'REJECT',
        MaxAggregationInterval: 60,
      }),
      await create({
        ResourceType: 'NetworkInterface',
        ResourceIds: [cardOf(server)],
        LogGroupName: 'card-flows',
        MaxAggregationInterval: 60,
      }),
    ];
    const described = (await lab.ec2.send(new DescribeFlowLogsCommand({ FlowLogIds: ids }))).FlowLogs!;
    const byId = new Map(described.map((log) => [log.FlowLogId, log]));
    expect(ids.map((id) => byId.get(id)!.MaxAggregationInterval)).toEqual([600, 60, 60]);
    expect(byId.get(ids[0]!)).toMatchObject({
      FlowLogStatus: 'ACTIVE',
      LogGroupName: 'vpc-flows',
      LogDestinationType: 'cloud-watch-logs',
      LogFormat: allFields,
    });
    // What ran before the fabric counts is in nobody's window.
    await eventually(
      async () => {
        await talk();
        await nextWindow(minute);
        const found = await recordsOf('card-flows', `${cardOf(server)}-all`);
        expect(found.filter(([, , , , , , port, , , , , , action]) => port === '8099' && action === 'REJECT')).not.toEqual([]);
      },
      { why: 'the interface logs the drop', timeoutMs: 40_000 },
    );
    // Now all three count: one talk that none of them misses.
    await talk();
    await nextWindow();
    const accountId = lab.account.id;
    const serverAll = await eventually(
      async () => {
        const found = await recordsOf('vpc-flows', `${cardOf(server)}-all`);
        expect(found.some((fields) => fields[12] === 'REJECT')).toBe(true);
        expect(found.some((fields) => fields[3] === nitro.PrivateIpAddress && fields[6] === '80')).toBe(true);
        return found;
      },
      { why: 'the VPC log has the server' },
    );
    const request = serverAll.find((fields) => fields[3] === nitro.PrivateIpAddress && fields[6] === '80')!;
    expect(request).toHaveLength(14);
    expect(request.slice(0, 3)).toEqual(['2', accountId, cardOf(server)]);
    expect(request[4]).toBe(server.PrivateIpAddress);
    expect(request.slice(7, 8)).toEqual(['6']);
    // At least the opening, the request and the close; a short connection sends its acknowledgements along, and a window may end within it.
    const whole = serverAll.filter((fields) => fields[3] === request[3] && fields[5] === request[5]);
    const total = (field: number) => whole.reduce((sum, fields) => sum + Number(fields[field]), 0);
    expect(total(8)).toBeGreaterThanOrEqual(3);
    expect(total(9)).toBeGreaterThan(120);
    expect(request.slice(12)).toEqual(['ACCEPT', 'OK']);
    const answer = serverAll.find((fields) => fields[4] === nitro.PrivateIpAddress && fields[6] === request[5])!;
    expect(answer.slice(3, 7)).toEqual([server.PrivateIpAddress, nitro.PrivateIpAddress, '80', request[5]]);
    const dropped = serverAll.find((fields) => fields[6] === '8099')!;
    expect([dropped[3], dropped[4], dropped[12]]).toEqual([nitro.PrivateIpAddress, server.PrivateIpAddress, 'REJECT']);
    // The sender's side let the same packet out.
    const nitroAll = await recordsOf('vpc-flows', `${cardOf(nitro)}-all`);
    expect(nitroAll.find((fields) => fields[6] === '8099')!.slice(12)).toEqual(['ACCEPT', 'OK']);
    const spans = (found: string[][]) => found.map((fields) => Number(fields[11]) - Number(fields[10]));
    expect(Math.max(...spans(serverAll))).toBeGreaterThan(60);
    for (const span of spans(serverAll)) expect(span).toBeLessThanOrEqual(600);
    for (const span of [...spans(nitroAll), ...spans(await recordsOf('card-flows', `${cardOf(server)}-all`))])
      expect(span).toBeLessThanOrEqual(60);
    expect(nitroAll.some((fields) => fields.join(' ').match(/- - - - - - - \d+ \d+ - NODATA$/))).toBe(true);
    expect(JSON.stringify([serverAll, nitroAll])).not.toContain('hidden-words');
    await expectFiles(bucket);
    expect((await lab.ec2.send(new DeleteFlowLogsCommand({ FlowLogIds: ids }))).Unsuccessful).toEqual([]);
    expect((await lab.ec2.send(new DescribeFlowLogsCommand({}))).FlowLogs).toEqual([]);
  }, 120_000);

  /** The subnet's files: what was dropped, in the format asked for. */
  async function expectFiles(bucket: string): Promise<void> {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    const id = lab.account.id;
    expect(Contents[0]!.Key).toMatch(
      new RegExp(
        `^some/folder/AWSLogs/${id}/vpcflowlogs/us-east-1/\\d{4}/\\d\\d/\\d\\d/${id}_vpcflowlogs_us-east-1_fl-[0-9a-f]{17}_\\d{8}T\\d{4}Z_[0-9a-f]{8}\\.log\\.gz$`,
      ),
    );
    const files = Contents.map(async ({ Key }) => {
      const body = await (await s3.send(new GetObjectCommand({ Bucket: bucket, Key }))).Body!.transformToByteArray();
      return gunzipSync(body).toString().trimEnd().split('\n');
    });
    const lines = (await Promise.all(files)).flat();
    expect(lines[0]).toBe('version interface-id flow-direction pkt-srcaddr dstport action instance-id az-id');
    const { Subnets } = await lab.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [network.subnetId] }));
    expect(lines).toContain(
      `5 ${cardOf(server)} ingress ${nitro.PrivateIpAddress} 8099 REJECT ${server.InstanceId} ${Subnets![0]!.AvailabilityZoneId}`,
    );
    expect(lines.filter((line) => line.includes('ACCEPT'))).toEqual([]);
    const { Policy } = await s3.send(new GetBucketPolicyCommand({ Bucket: bucket }));
    expect(Policy).toContain('delivery.logs.amazonaws.com');
  }

  test('VPCE-001 VPC endpoints lead to services without internet, as flow logs show', async () => {
    const subnet = await lab.subnet(network.vpcId, '10.131.2.0/24', 'us-east-1b');
    const table = (await lab.ec2.send(new CreateRouteTableCommand({ VpcId: network.vpcId }))).RouteTable!.RouteTableId!;
    await lab.ec2.send(new AssociateRouteTableCommand({ RouteTableId: table, SubnetId: subnet }));
    await lab.ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsHostnames: { Value: true } }));
    const groups = [network.groupId];
    const hidden = await lab.launchAgent({ SubnetId: subnet, SecurityGroupIds: groups, InstanceType: 't3.micro' });
    const id = await create({
      ResourceType: 'NetworkInterface',
      ResourceIds: [cardOf(hidden)],
      MaxAggregationInterval: 60,
      LogGroupName: 'hidden-flows',
    });
    const bucket = `hidden-${lab.account.id}`;
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    const emptySum = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    const list = `curl -s -m 2 --aws-sigv4 aws:amz:us-east-1:s3 -u ${lab.account.id}:test -H "x-amz-content-sha256: ${emptySum}" http://s3.us-east-1.amazonaws.com/ || echo failed $?`;
    const ask = () =>
      lab.run(nitro.PublicIpAddress!, `curl -s -m 5 'http://${hidden.PrivateIpAddress}/?${encodeURIComponent(list)}'`);
    await eventually(async () => expect(await ask()).toBe('failed 28'), {
      why: 'without a way the request times out',
      timeoutMs: 25_000,
    });
    const { VpcEndpoint } = await lab.ec2.send(
      new CreateVpcEndpointCommand({
        VpcId: network.vpcId,
        VpcEndpointType: 'Interface',
        ServiceName: 'com.amazonaws.us-east-1.s3',
        SubnetIds: [subnet],
        SecurityGroupIds: groups,
        PrivateDnsEnabled: true,
      }),
    );
    const stream = `${cardOf(hidden)}-all`;
    /** Where the instance's packets went. */
    const targets = async () =>
      (await recordsOf('hidden-flows', stream))
        .filter((fields) => fields[3] === hidden.PrivateIpAddress)
        .map((fields) => fields[4]!);
    await eventually(async () => expect(await ask()).toContain(`<Name>${bucket}</Name>`), {
      why: 'the endpoint leads to S3',
      timeoutMs: 25_000,
    });
    await nextWindow(2 * minute);
    const card = VpcEndpoint!.NetworkInterfaceIds![0]!;
    const { NetworkInterfaces } = await lab.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [card] }));
    await eventually(
      async () => {
        const found = await targets();
        expect(found).toContain(NetworkInterfaces![0]!.PrivateIpAddress);
        expect(found.filter((address) => !address.startsWith('10.131.'))).toEqual([]);
      },
      { why: 'the flow log has the request that went through' },
    );
    await lab.ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [VpcEndpoint!.VpcEndpointId!] }));
    await lab.ec2.send(new DeleteFlowLogsCommand({ FlowLogIds: [id] }));
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [hidden.InstanceId!] }));
    await lab.inState(hidden.InstanceId!, 'terminated');
  }, 120_000);

  test('a role that may not write makes the delivery fail, and what may again mends it', async () => {
    const iam = new IAMClient(lab.account.config());
    const weak = await flowRole(iam, 'weak', ['logs:DescribeLogGroups']);
    const id = await create({ LogGroupName: 'weak-flows', DeliverLogsPermissionArn: weak, MaxAggregationInterval: 60 });
    const status = async () => (await lab.ec2.send(new DescribeFlowLogsCommand({ FlowLogIds: [id] }))).FlowLogs![0]!;
    await nextWindow(2 * minute);
    await eventually(
      async () => expect(await status()).toMatchObject({ DeliverLogsStatus: 'FAILED', DeliverLogsErrorMessage: 'Access error' }),
      { why: 'the role is refused' },
    );
    const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'logs:*', Resource: '*' }] };
    await iam.send(new PutRolePolicyCommand({ RoleName: 'weak', PolicyName: 'logs', PolicyDocument: JSON.stringify(policy) }));
    await nextWindow(10 * minute);
    await eventually(async () => expect((await status()).DeliverLogsStatus).toBe('SUCCESS'), { why: 'the role may write' });
    const streams = await logs.send(new DescribeLogStreamsCommand({ logGroupName: 'weak-flows' }));
    expect(streams.logStreams!.map(({ logStreamName }) => logStreamName).sort()).toEqual(
      [`${cardOf(server)}-all`, `${cardOf(nitro)}-all`].sort(),
    );
    await lab.ec2.send(new DeleteFlowLogsCommand({ FlowLogIds: [id] }));
  }, 60_000);
});

test('flow logs that cannot be are refused', async () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const s3 = new S3Client({ ...lab.account.config(), forcePathStyle: true });
  const vpcId = await lab.vpc('10.132.0.0/16');
  const role = `arn:aws:iam::${lab.account.id}:role/flow`;
  const create = (more: object) =>
    ec2.send(
      new CreateFlowLogsCommand({
        ResourceType: 'VPC',
        ResourceIds: [vpcId],
        TrafficType: 'ALL',
        LogGroupName: 'group',
        DeliverLogsPermissionArn: role,
        ...more,
      } as CreateFlowLogsCommandInput),
    );
  await refused(create({ ResourceIds: ['vpc-00000000000000000'] }), 'InvalidVpcID.NotFound');
  await refused(create({ ResourceType: 'Subnet', ResourceIds: ['subnet-00000000000000000'] }), 'InvalidSubnetID.NotFound');
  await refused(
    create({ ResourceType: 'NetworkInterface', ResourceIds: ['eni-00000000000000000'] }),
    'InvalidNetworkInterfaceID.NotFound',
  );
  await refused(create({ ResourceType: 'TransitGateway' }), 'NotImplemented');
  await refused(create({ TrafficType: undefined }), 'MissingParameter', 'The request must contain the parameter TrafficType');
  await refused(create({ MaxAggregationInterval: 120 }), 'InvalidParameter', 'Invalid Flow Log Max Aggregation Interval');
  await refused(
    create({ DeliverLogsPermissionArn: undefined }),
    'InvalidParameter',
    "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
  );
  await refused(
    create({ LogDestination: 'arn:aws:s3:::bucket' }),
    'InvalidParameter',
    'Please only provide LogGroupName or only provide LogDestination.',
  );
  await refused(
    create({ LogDestinationType: 's3' }),
    'InvalidParameter',
    'LogDestination type must be cloud-watch-logs if LogGroupName is provided.',
  );
  await refused(create({ LogDestinationType: 'kinesis-data-firehose', LogGroupName: undefined }), 'NotImplemented');
  await refused(create({ LogFormat: '${version} ' }), 'InvalidParameter', /at 'logFormat' has an invalid format$/);
  await refused(create({ LogFormat: '${version} ${colour}' }), 'InvalidParameter', 'Unknown fields provided.');
  await refused(create({ LogFormat: '${version} ${tcp-flags}' }), 'NotImplemented');
  const toBucket = (name: string) =>
    create({
      LogGroupName: undefined,
      DeliverLogsPermissionArn: undefined,
      LogDestinationType: 's3',
      LogDestination: `arn:aws:s3:::${name}`,
    });
  expect((await toBucket(`nothing-${lab.account.id}`)).Unsuccessful).toEqual([
    { ResourceId: vpcId, Error: { Code: '400', Message: `LogDestination: nothing-${lab.account.id} does not exist` } },
  ]);
  const closed = `closed-${lab.account.id}`;
  await s3.send(new CreateBucketCommand({ Bucket: closed }));
  const deny = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: { Service: 'delivery.logs.amazonaws.com' },
        Action: 's3:*',
        Resource: [`arn:aws:s3:::${closed}`, `arn:aws:s3:::${closed}/*`],
      },
    ],
  };
  await s3.send(new PutBucketPolicyCommand({ Bucket: closed, Policy: JSON.stringify(deny) }));
  expect((await toBucket(closed)).Unsuccessful).toEqual([
    {
      ResourceId: vpcId,
      Error: { Code: '400', Message: `Access Denied for LogDestination: ${closed}. Please check LogDestination permission` },
    },
  ]);
  const made = await create({
    ClientToken: 'once',
    TagSpecifications: [{ ResourceType: 'vpc-flow-log', Tags: [{ Key: 'team', Value: 'net' }] }],
  });
  const id = made.FlowLogIds![0]!;
  expect(id).toMatch(/^fl-[0-9a-f]{17}$/);
  expect((await create({ ClientToken: 'once' })).FlowLogIds).toEqual([id]);
  await refused(
    create({}),
    'FlowLogAlreadyExists',
    'Error. There is an existing Flow Log with the same configuration and log destination.',
  );
  expect((await create({ TrafficType: 'REJECT' })).FlowLogIds).toHaveLength(1);
  await ec2.send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'more', Value: 'yes' }] }));
  const filter = async (Name: string, value: string) =>
    (await ec2.send(new DescribeFlowLogsCommand({ Filter: [{ Name, Values: [value] }] }))).FlowLogs!.map((log) => log.FlowLogId);
  expect(await filter('tag:more', 'yes')).toEqual([id]);
  expect(await filter('traffic-type', 'ALL')).toEqual([id]);
  expect(await filter('resource-id', vpcId)).toHaveLength(2);
  await refused(filter('colour', 'red'), 'InvalidParameterValue', "The filter 'colour' is invalid");
  expect((await ec2.send(new DeleteFlowLogsCommand({ FlowLogIds: [id, 'fl-00000000000000000'] }))).Unsuccessful).toEqual([
    {
      ResourceId: 'fl-00000000000000000',
      Error: {
        Code: 'InvalidFlowLogId.NotFound',
        Message: 'These flow log ids in the input list are not found: [TotalCount: 1] fl-00000000000000000',
      },
    },
  ]);
  expect(await filter('resource-id', vpcId)).toHaveLength(1);
});

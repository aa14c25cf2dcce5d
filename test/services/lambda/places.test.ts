import { EC2 } from '@aws-sdk/client-ec2';
import { beforeEach, expect, test } from 'vitest';
import { admin, eventually, freshAccount, machinesRefused, refused, startOwnCloud } from '../../support/cloud.ts';
import { serverless } from './support.ts';

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

test('LMB-020 a function reaches private addresses from its VPC alone, and there what its groups let it', async () => {
  const { account, lambda, role, make, call } = await serverless();
  const ec2 = new EC2(account.config());
  const { Vpc } = await ec2.createVpc({ CidrBlock: '10.9.0.0/16' });
  const VpcId = Vpc?.VpcId ?? '';
  const { Subnet } = await ec2.createSubnet({ VpcId, CidrBlock: '10.9.1.0/24' });
  const SubnetId = Subnet?.SubnetId ?? '';
  const group = async (GroupName: string): Promise<string> =>
    (await ec2.createSecurityGroup({ GroupName, Description: GroupName, VpcId })).GroupId ?? '';
  const [own, server] = [await group('function'), await group('server')];
  await ec2.authorizeSecurityGroupIngress({
    GroupId: server,
    IpPermissions: [{ IpProtocol: 'tcp', FromPort: 5432, ToPort: 5432, UserIdGroupPairs: [{ GroupId: own }] }],
  });
  const { Instances = [] } = await ec2.runInstances({
    ImageId: (await ec2.describeImages({ Owners: ['amazon'] })).Images?.[0]?.ImageId,
    InstanceType: 't3.micro',
    MinCount: 1,
    MaxCount: 1,
    SubnetId,
    SecurityGroupIds: [server],
    UserData: Buffer.from('#!/bin/sh\npython3 -m http.server 5432 &\npython3 -m http.server 5433 &\n').toString('base64'),
  });
  const host = Instances[0]?.PrivateIpAddress;
  const source = `import net from 'node:net';
export const handler = async ({ host, port }) => new Promise((done) => {
  const socket = net.connect({ host, port, timeout: 1500 });
  socket.on('connect', () => { socket.destroy(); done('connected'); });
  socket.on('timeout', () => { socket.destroy(); done('no'); });
  socket.on('error', () => done('no'));
});`;
  const shape = { MemorySize: 512, Timeout: 10 };
  await make('outside', source, shape);
  await make('inside', source, { ...shape, VpcConfig: { SubnetIds: [SubnetId], SecurityGroupIds: [own] } });
  await eventually(async () => expect((await call('inside', { host, port: 5432 })).body).toBe('connected'), {
    timeoutMs: 30_000,
    why: 'the server listens',
  });
  expect((await call('outside', { host, port: 5432 })).body).toBe('no');
  expect((await call('inside', { host, port: 5433 })).body).toBe('no');
  const held = async () =>
    (await ec2.describeNetworkInterfaces({ Filters: [{ Name: 'vpc-id', Values: [VpcId] }] })).NetworkInterfaces?.filter(
      ({ InterfaceType }) => InterfaceType === 'lambda',
    );
  expect(await held()).toMatchObject([{ SubnetId, RequesterManaged: true, Status: 'in-use', Groups: [{ GroupId: own }] }]);
  await ec2.revokeSecurityGroupIngress({
    GroupId: server,
    IpPermissions: [{ IpProtocol: 'tcp', FromPort: 5432, ToPort: 5432, UserIdGroupPairs: [{ GroupId: own }] }],
  });
  await eventually(async () => expect((await call('inside', { host, port: 5432 })).body).toBe('no'), {
    why: 'the group lets it no more',
  });
  const create = (VpcConfig: object) => make('refused', source, { Role: role, VpcConfig });
  const invalid = 'InvalidParameterValueException';
  await refused(
    create({ SubnetIds: ['subnet-00000000000000000'], SecurityGroupIds: [own] }),
    invalid,
    "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID 'subnet-00000000000000000' does not exist",
  );
  await refused(
    create({ SubnetIds: [SubnetId], SecurityGroupIds: ['sg-00000000000000000'] }),
    invalid,
    "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group 'sg-00000000000000000' does not exist",
  );
  await refused(create({ SubnetIds: [SubnetId] }), invalid, 'SubnetIds and SecurityIds must coexist or be both empty list.');
  await lambda.deleteFunction({ FunctionName: 'inside' });
  await eventually(async () => expect(await held()).toEqual([]), { why: 'the interface is given back' });
}, 90_000);

test('LMB-019 an environment that breaks, or a zone that is lost, does not stop a function', async () => {
  const cloud = await startOwnCloud();
  try {
    const { make, call } = await serverless(freshAccount(cloud.endpoint));
    await make('steady', 'let n = 0; export const handler = async (e) => { if (e.exit) process.exit(1); return ++n; };');
    expect((await call('steady')).body).toBe(1);
    expect(await call('steady', { exit: true })).toMatchObject({ error: 'Unhandled', body: { errorType: 'Runtime.ExitError' } });
    expect((await call('steady')).body).toBe(1);
    await admin('POST', 'chaos/zone', { zone: 'us-east-1a', down: true }, cloud.endpoint);
    expect((await call('steady')).body).toBe(2);
    await make('later', 'export const handler = async () => "made while a zone is down";');
    expect((await call('later')).body).toBe('made while a zone is down');
    await admin('POST', 'chaos/zone', { zone: 'us-east-1a', down: false }, cloud.endpoint);
  } finally {
    await cloud.stop();
  }
}, 60_000);

/** Access points of a VPC, from a machine inside it. */
import { CreateVpcEndpointCommand, DescribeRouteTablesCommand } from '@aws-sdk/client-ec2';
import { S3Control } from '@aws-sdk/client-s3-control';
import { expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab } from '../ec2/support.ts';
import { clientOf, freshName } from './support.ts';

test('S3-019 an access point of a VPC serves what comes out of it by an endpoint, and nothing else', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const lab = new Lab();
  const { account, ec2 } = lab;
  const network = await lab.network('10.137');
  const instance = await lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'k', Body: 'from inside' });
  const { endpoint } = account.config();
  const control = new S3Control({
    ...account.config(),
    endpointProvider: () => ({ url: new URL(endpoint) }),
    disableHostPrefix: true,
  });
  const asked = { AccountId: account.id, Bucket };
  const own = await control.createAccessPoint({ ...asked, Name: 'own', VpcConfiguration: { VpcId: network.vpcId } });
  const other = { VpcId: 'vpc-0123456789abcdef0' };
  const foreign = await control.createAccessPoint({ ...asked, Name: 'foreign', VpcConfiguration: other });
  const free = await control.createAccessPoint({ ...asked, Name: 'free' });
  const words = `--aws-sigv4 aws:amz:us-east-1:s3 -u ${account.id}:test -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'`;
  const read = (alias: string | undefined) =>
    lab.run(instance.PublicIpAddress!, `curl -s -m 3 ${words} http://s3.us-east-1.amazonaws.com/${alias}/k`);
  // By the internet gateway a request leaves the VPC, and comes from anywhere.
  expect(await read(free.Alias)).toBe('from inside');
  expect(await read(own.Alias)).toContain('<Code>AccessDenied</Code>');
  const filter = [{ Name: 'vpc-id', Values: [network.vpcId] }];
  const tables = (await ec2.send(new DescribeRouteTablesCommand({ Filters: filter }))).RouteTables ?? [];
  const RouteTableIds = tables.map(({ RouteTableId }) => RouteTableId ?? '');
  const ServiceName = 'com.amazonaws.us-east-1.s3';
  await ec2.send(new CreateVpcEndpointCommand({ VpcId: network.vpcId, ServiceName, RouteTableIds }));
  await eventually(async () => expect(await read(own.Alias)).toBe('from inside'), { why: 'the endpoint carries requests' });
  expect(await read(foreign.Alias)).toContain('<Code>AccessDenied</Code>');
  await refused(s3.getObject({ Bucket: own.Alias ?? '', Key: 'k' }), 'AccessDenied', 'Access Denied', 403);
}, 90_000);

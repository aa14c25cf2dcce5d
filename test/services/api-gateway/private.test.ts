/** Private REST APIs: reached through VPC endpoints, by whom their policies name. */
import { CreateVpcEndpointCommand, type Instance, ModifyVpcAttributeCommand } from '@aws-sdk/client-ec2';
import { beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab } from '../ec2/support.ts';
import { call, deploy, hostUrl, mock, restApi } from './rest.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

test('a private API answers through a VPC endpoint that its policy names, and nobody else', async () => {
  const lab = new Lab();
  const network = await lab.network('10.63');
  await lab.ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsHostnames: { Value: true } }));
  await lab.allow(network.groupId, 'tcp', 80, 80, network.groupId);
  const machine: Instance = await lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
  const made = await lab.ec2.send(
    new CreateVpcEndpointCommand({
      ...{ VpcId: network.vpcId, VpcEndpointType: 'Interface', ServiceName: 'com.amazonaws.us-east-1.execute-api' },
      ...{ SubnetIds: [network.subnetId], SecurityGroupIds: [network.groupId], PrivateDnsEnabled: true },
    }),
  );
  const { VpcEndpointId: endpoint = '', DnsEntries = [] } = made.VpcEndpoint ?? {};
  const policy = (vpce: string): string =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Principal: '*', Action: 'execute-api:Invoke', Resource: 'execute-api:/*' },
        {
          Effect: 'Deny',
          Principal: '*',
          Action: 'execute-api:Invoke',
          Resource: 'execute-api:/*',
          Condition: { StringNotEquals: { 'aws:SourceVpce': vpce } },
        },
      ],
    });
  const endpointConfiguration = { types: ['PRIVATE' as const], vpcEndpointIds: [endpoint] };
  const rest = await restApi({ endpointConfiguration }, lab.account);
  const { gateway, id: restApiId } = rest;
  expect((await gateway.getRestApi({ restApiId })).endpointConfiguration).toMatchObject(endpointConfiguration);
  await mock(rest, rest.root, 'GET', 'private');
  await refused(deploy(rest), 'BadRequestException', "Private REST API doesn't have a resource policy attached to it");
  const put = (value: string) =>
    gateway.updateRestApi({ restApiId, patchOperations: [{ op: 'replace', path: '/policy', value }] });
  await put(policy(endpoint));
  await deploy(rest);
  const inside = (host: string, id = restApiId, path = '/prod/') =>
    lab.run(machine.PublicIpAddress!, `curl -s -m 3 -H 'x-apigw-api-id: ${id}' http://${host}${path}; true`);
  const own = `${restApiId}.execute-api.us-east-1.amazonaws.com`;
  await eventually(async () => expect(await inside(own)).toBe('private'), { why: 'the endpoint answers', timeoutMs: 25_000 });
  expect(await inside(`${restApiId}-${endpoint}.execute-api.us-east-1.amazonaws.com`)).toBe('private');
  expect(await inside(DnsEntries[0]?.DnsName ?? '')).toBe('private');
  // Over the internet, whatever the name.
  expect(await call(hostUrl(restApiId, '/prod/'))).toMatchObject({ status: 403, text: '{"message":"Forbidden"}' });
  // Through the endpoint, a public one.
  const open = await restApi({}, lab.account);
  await mock(open, open.root, 'GET', 'public');
  await deploy(open);
  expect(await inside(`${open.id}.execute-api.us-east-1.amazonaws.com`, open.id)).toBe('{"message":"Forbidden"}');
  expect((await call(hostUrl(open.id, '/prod/'))).text).toBe('public');

  await put(policy('vpce-00000000000000000'));
  await deploy(rest);
  expect(await inside(own)).toMatch(
    /^\{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: .* with an explicit deny/,
  );
  await refused(restApi({ endpointConfiguration: { types: ['REGIONAL'], vpcEndpointIds: [endpoint] } }), 'BadRequestException');
  await refused(restApi({ endpointConfiguration: { types: ['PRIVATE'], vpcEndpointIds: ['x'] } }), 'BadRequestException');
}, 60_000);

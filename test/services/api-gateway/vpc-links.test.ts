/** Private integrations: APIs whose servers stand behind load balancers that nobody outside their VPC can reach. */
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { APIGateway } from '@aws-sdk/client-api-gateway';
import { DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Site } from '../elastic-load-balancing-v2/support.ts';
import { call, deploy, hostUrl, method, resource, restApi } from './rest.ts';

const site = new Site();
let linkGroup = '';
let target = '';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.61');
  linkGroup = await site.lab.group(site.network.vpcId, 'link');
  target = await site.server('private');
}, 60_000);

/** A balancer's group that lets in only what another group's members send. */
async function innerGroup(name: string, from: string): Promise<string> {
  const id = await site.lab.group(site.network.vpcId, name);
  await site.lab.allow(id, 'tcp', 80, 80, from);
  await site.lab.allow(site.serverGroup, 'tcp', 1, 65_535, id);
  return id;
}

/** An HTTP API whose default route leads over a link to a listener. */
async function privateApi(gateway: ApiGatewayV2, link: string, listener: string, more: object = {}): Promise<string> {
  const { ApiId } = await gateway.createApi({ Name: 'private', ProtocolType: 'HTTP' });
  const { IntegrationId } = await gateway.createIntegration({
    ...{ ApiId, IntegrationType: 'HTTP_PROXY', IntegrationMethod: 'ANY', PayloadFormatVersion: '1.0' },
    ...{ ConnectionType: 'VPC_LINK', ConnectionId: link, IntegrationUri: listener, ...more },
  });
  await gateway.createRoute({ ApiId, RouteKey: '$default', Target: `integrations/${IntegrationId}` });
  await gateway.createStage({ ApiId, StageName: 'test', AutoDeploy: true });
  return ApiId ?? '';
}

async function available(status: () => Promise<string | undefined>): Promise<void> {
  await eventually(async () => expect(await status()).toBe('AVAILABLE'), { why: 'the link is available' });
}

test('an HTTP API reaches an internal application load balancer through the interfaces and groups of its link', async () => {
  const gateway = new ApiGatewayV2(site.lab.account.config());
  const guarded = await innerGroup('alb', linkGroup);
  const balancer = await site.balancer('inner', { Scheme: 'internal', SecurityGroups: [guarded] });
  const listener = await site.forward(balancer.LoadBalancerArn!, await site.group('inner', {}, [target]));
  const made = await gateway.createVpcLink({
    Name: 'in',
    SubnetIds: site.subnets,
    SecurityGroupIds: [linkGroup],
    Tags: { a: 'b' },
  });
  expect(made).toMatchObject({ VpcLinkStatus: 'PENDING', VpcLinkVersion: 'V2', SubnetIds: site.subnets, Tags: { a: 'b' } });
  const link = made.VpcLinkId ?? '';
  await available(async () => (await gateway.getVpcLink({ VpcLinkId: link })).VpcLinkStatus);
  const cards = await site.lab.ec2.send(
    new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'group-id', Values: [linkGroup] }] }),
  );
  expect(cards.NetworkInterfaces?.map(({ InterfaceType, RequesterManaged }) => [InterfaceType, RequesterManaged])).toEqual([
    ['api_gateway_managed', true],
    ['api_gateway_managed', true],
  ]);

  const api = await privateApi(gateway, link, listener, { RequestParameters: { 'append:header.x-stage': '$context.stage' } });
  const first = await eventually(
    async () => {
      const answer = await call(hostUrl(api, '/test/orders/7?a=1'), { method: 'POST', body: 'hello' });
      expect(answer.status).toBe(200);
      return JSON.parse(answer.text);
    },
    { why: 'the target is healthy', timeoutMs: 30_000 },
  );
  // The stage stays in the path and the Host header is the caller's, as in AWS.
  expect(first).toMatchObject({ name: 'private', method: 'POST', url: '/test/orders/7?a=1', body: 5 });
  expect(first.headers).toMatchObject({ 'x-stage': 'test', host: new URL(hostUrl(api, '/')).hostname });

  const short = await privateApi(gateway, link, listener, {
    RequestParameters: { 'overwrite:path': '$request.path', 'overwrite:header.host': 'shop.example.com' },
  });
  const answer = JSON.parse((await call(hostUrl(short, '/test/orders'))).text);
  expect(answer).toMatchObject({ url: '/orders', headers: { host: 'shop.example.com' } });

  // A link with another group is let in by nobody.
  const other = await site.lab.group(site.network.vpcId, 'stranger');
  const shut = await gateway.createVpcLink({ Name: 'shut', SubnetIds: [site.subnets[0]!], SecurityGroupIds: [other] });
  await available(async () => (await gateway.getVpcLink({ VpcLinkId: shut.VpcLinkId })).VpcLinkStatus);
  const closed = await privateApi(gateway, shut.VpcLinkId ?? '', listener, { TimeoutInMillis: 1_000 });
  expect(await call(hostUrl(closed, '/test/'))).toMatchObject({ status: 503, text: '{"message":"Service Unavailable"}' });

  await refused(gateway.deleteVpcLink({ VpcLinkId: link }), 'ConflictException');
  await gateway.deleteApi({ ApiId: closed });
  await gateway.deleteVpcLink({ VpcLinkId: shut.VpcLinkId });
  await eventually(
    () => refused(gateway.getVpcLink({ VpcLinkId: shut.VpcLinkId }), 'NotFoundException', /Invalid VpcLink identifier/),
    { why: 'the link is gone' },
  );
}, 90_000);

test('a REST API reaches a network load balancer by its link, and nothing when the link leads nowhere', async () => {
  const gateway = new APIGateway(site.lab.account.config());
  const balancer = await site.balancer('innernet', { Type: 'network', Scheme: 'internal', SecurityGroups: undefined });
  const group = await site.group('innernet', { Protocol: 'TCP', HealthCheckProtocol: 'HTTP', HealthCheckTimeoutSeconds: 5 }, [
    target,
  ]);
  await site.lab.allow(site.serverGroup, 'tcp', 80, 80, '10.61.0.0/16');
  await site.forward(balancer.LoadBalancerArn!, group, 8088, 'TCP');
  const made = await gateway.createVpcLink({ name: 'net', targetArns: [balancer.LoadBalancerArn!] });
  expect(made).toMatchObject({ status: 'PENDING', name: 'net', targetArns: [balancer.LoadBalancerArn] });
  await available(async () => (await gateway.getVpcLink({ vpcLinkId: made.id })).status);

  const rest = await restApi({}, site.lab.account);
  const path = await resource(rest, 'orders');
  await method(
    rest,
    { resourceId: path, httpMethod: 'GET' },
    {
      ...{ type: 'HTTP_PROXY', integrationHttpMethod: 'GET', uri: 'http://shop.internal:8088/stock' },
      ...{ connectionType: 'VPC_LINK', connectionId: '${stageVariables.link}' },
    },
  );
  await deploy(rest);
  const set = { op: 'replace' as const, path: '/variables/link', value: made.id };
  await gateway.updateStage({ restApiId: rest.id, stageName: 'prod', patchOperations: [set] });
  const answer = await eventually(
    async () => {
      const got = await call(hostUrl(rest.id, '/prod/orders?size=1'));
      expect(got.status).toBe(200);
      return JSON.parse(got.text);
    },
    { why: 'the target is healthy', timeoutMs: 40_000 },
  );
  // The address of the integration is the path and the Host header; the link is the way.
  expect(answer).toMatchObject({ name: 'private', url: '/stock?size=1', headers: { host: 'shop.internal:8088' } });

  await gateway.updateStage({ restApiId: rest.id, stageName: 'prod', patchOperations: [{ ...set, value: 'nolink' }] });
  expect(await call(hostUrl(rest.id, '/prod/orders'))).toMatchObject({
    status: 500,
    text: '{"message":"Internal server error"}',
  });

  const alb = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/no/0123456789abcdef';
  const bad = await gateway.createVpcLink({ name: 'bad', targetArns: [alb] });
  await eventually(
    async () =>
      expect(await gateway.getVpcLink({ vpcLinkId: bad.id })).toMatchObject({
        status: 'FAILED',
        statusMessage: 'NLB ARN is malformed',
      }),
    { why: 'the link failed' },
  );
  await gateway.deleteVpcLink({ vpcLinkId: bad.id });
  await refused(gateway.getVpcLink({ vpcLinkId: bad.id }), 'NotFoundException', /Invalid Vpc Link identifier specified/);
  await refused(gateway.createVpcLink({ name: 'none', targetArns: [] }), 'BadRequestException');
}, 90_000);

test('private integrations are refused without a link, a listener, or in a form that does not exist', async () => {
  const gateway = new ApiGatewayV2(site.lab.account.config());
  const { ApiId } = await gateway.createApi({ Name: 'bad', ProtocolType: 'HTTP' });
  const base = {
    ...{ ApiId, IntegrationType: 'HTTP_PROXY' as const, IntegrationMethod: 'ANY', PayloadFormatVersion: '1.0' },
    ConnectionType: 'VPC_LINK' as const,
  };
  const nowhere = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/no/0123456789abcdef/0123456789abcdef';
  await refused(gateway.createIntegration({ ...base, IntegrationUri: nowhere }), 'BadRequestException', /Connection ID/);
  await refused(
    gateway.createIntegration({ ...base, IntegrationUri: nowhere, ConnectionId: 'abc123' }),
    'BadRequestException',
    /Cannot find VPC link/,
  );
  const { VpcLinkId: ConnectionId } = await gateway.createVpcLink({ Name: 'some', SubnetIds: site.subnets });
  await refused(
    gateway.createIntegration({ ...base, ConnectionId, IntegrationUri: 'http://10.0.0.1/' }),
    'BadRequestException',
    /should be a valid ELB listener ARN or a valid Cloud Map service ARN/,
  );
  await refused(gateway.createIntegration({ ...base, ConnectionId, IntegrationUri: nowhere }), 'BadRequestException', /listener/);
  await refused(
    gateway.createIntegration({ ...base, ConnectionType: 'INTERNET', IntegrationUri: 'http://a.b/', TlsConfig: {} }),
    'BadRequestException',
    /private integrations only/,
  );
  await refused(gateway.createVpcLink({ Name: 'none', SubnetIds: [] }), 'BadRequestException');
  await refused(gateway.createVpcLink({ Name: 'none', SubnetIds: ['subnet-1234'] }), 'BadRequestException', /subnet/);
  const rest = await restApi({}, site.lab.account);
  const integration = {
    type: 'HTTP_PROXY' as const,
    integrationHttpMethod: 'GET',
    uri: 'http://a.b/',
    connectionType: 'VPC_LINK' as const,
  };
  const at = { resourceId: rest.root, httpMethod: 'GET' };
  await refused(method(rest, at, integration), 'BadRequestException');
  await refused(
    rest.gateway.putIntegration({ restApiId: rest.id, ...at, ...integration, connectionId: 'abc123' }),
    'BadRequestException',
    /Invalid Vpc Link identifier/,
  );
  await refused(
    rest.gateway.putIntegration({ restApiId: rest.id, ...at, ...integration, connectionId: ConnectionId }),
    'BadRequestException',
    /IntegrationTarget is required for VpcLinkV2/,
  );
});

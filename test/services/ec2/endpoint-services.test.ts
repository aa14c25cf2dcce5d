/** Endpoint services: what an account offers behind a network load balancer, and the traffic of those who connect to it. */
import {
  AcceptVpcEndpointConnectionsCommand,
  CreateVpcEndpointConnectionNotificationCommand,
  CreateVpcEndpointCommand,
  CreateVpcEndpointServiceConfigurationCommand,
  CreateVpcPeeringConnectionCommand,
  DeleteVpcEndpointServiceConfigurationsCommand,
  DeleteVpcEndpointsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeVpcEndpointConnectionsCommand,
  DescribeVpcEndpointServiceConfigurationsCommand,
  DescribeVpcEndpointServicePermissionsCommand,
  DescribeVpcEndpointServicesCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpcPeeringConnectionsCommand,
  type Instance,
  ModifyVpcAttributeCommand,
  ModifyVpcEndpointCommand,
  ModifyVpcEndpointServiceConfigurationCommand,
  ModifyVpcEndpointServicePermissionsCommand,
  RejectVpcEndpointConnectionsCommand,
  type ServiceConfiguration,
  StartVpcEndpointServicePrivateDnsVerificationCommand,
} from '@aws-sdk/client-ec2';
import { DeleteLoadBalancerCommand, SetSecurityGroupsCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { ChangeResourceRecordSetsCommand, CreateHostedZoneCommand, Route53Client } from '@aws-sdk/client-route-53';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Site } from '../elastic-load-balancing-v2/support.ts';
import { Lab, type Network, reach } from './support.ts';

const site = new Site();
const provider = site.lab;
const consumer = new Lab();
let balancer = '';
let group = '';
let server = '';
let inspector: Instance;
let network: Network;
let client: Instance;
let service: ServiceConfiguration;
let otherZone = '';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  const [, far] = await Promise.all([site.build('10.0'), consumer.network('10.0')]);
  network = far;
  [server, client, inspector, balancer] = await Promise.all([
    site.server('provider', 0),
    consumer.launchAgent({
      SubnetId: network.subnetId,
      SecurityGroupIds: [network.groupId],
      PrivateIpAddress: '10.0.1.77',
    }),
    provider.launchAgent({ SubnetId: site.network.subnetId, SecurityGroupIds: [site.network.groupId] }),
    site
      .balancer('offer', { Type: 'network', Scheme: 'internal', Subnets: [site.subnets[0]!] })
      .then((one) => one.LoadBalancerArn!),
  ]);
  const tcp = { Protocol: 'TCP' as const, HealthCheckPath: undefined, HealthCheckTimeoutSeconds: undefined };
  group = await site.group('offer', tcp, [server]);
  await site.forward(balancer, group, 80, 'TCP');
  const made = await provider.ec2.send(
    new CreateVpcEndpointServiceConfigurationCommand({ NetworkLoadBalancerArns: [balancer], AcceptanceRequired: true }),
  );
  service = made.ServiceConfiguration!;
  otherZone = await consumer.subnet(network.vpcId, '10.0.9.0/24', 'us-east-1b');
}, 120_000);

const allow = (...arns: string[]) =>
  provider.ec2.send(new ModifyVpcEndpointServicePermissionsCommand({ ServiceId: service.ServiceId, AddAllowedPrincipals: arns }));
const forbid = (...arns: string[]) =>
  provider.ec2.send(
    new ModifyVpcEndpointServicePermissionsCommand({ ServiceId: service.ServiceId, RemoveAllowedPrincipals: arns }),
  );
const connect = (more: object = {}) =>
  consumer.ec2.send(
    new CreateVpcEndpointCommand({
      VpcId: network.vpcId,
      VpcEndpointType: 'Interface',
      ServiceName: service.ServiceName,
      SubnetIds: [network.subnetId],
      SecurityGroupIds: [network.groupId],
      ...more,
    }),
  );
const stateOf = async (id: string) =>
  (await consumer.ec2.send(new DescribeVpcEndpointsCommand({ VpcEndpointIds: [id] }))).VpcEndpoints![0]!.State;
const accept = (...VpcEndpointIds: string[]) =>
  provider.ec2.send(new AcceptVpcEndpointConnectionsCommand({ ServiceId: service.ServiceId, VpcEndpointIds }));
const reject = (...VpcEndpointIds: string[]) =>
  provider.ec2.send(new RejectVpcEndpointConnectionsCommand({ ServiceId: service.ServiceId, VpcEndpointIds }));
const curl = (words: string) => consumer.run(client.PublicIpAddress!, `curl -s -m 2 ${words}; echo " $?"`);

test('VPCE-006 VPCE-008 VPCE-010 a service of another account answers at an endpoint once its owner accepts, one way, whatever blocks both VPCs have', async () => {
  const root = `arn:aws:iam::${consumer.account.id}:root`;
  expect(service).toMatchObject({
    ServiceName: `com.amazonaws.vpce.us-east-1.${service.ServiceId}`,
    ServiceState: 'Available',
    ServiceType: [{ ServiceType: 'Interface' }],
    AcceptanceRequired: true,
    AvailabilityZones: ['us-east-1a'],
    BaseEndpointDnsNames: [`${service.ServiceId}.us-east-1.vpce.amazonaws.com`],
    NetworkLoadBalancerArns: [balancer],
  });
  expect(service.ServiceId).toMatch(/^vpce-svc-[0-9a-f]{17}$/);
  const unknown = `The Vpc Endpoint Service '${service.ServiceName}' does not exist`;
  await refused(connect(), 'InvalidServiceName', unknown);
  await refused(
    consumer.ec2.send(new DescribeVpcEndpointServicesCommand({ ServiceNames: [service.ServiceName!] })),
    'InvalidServiceName',
    unknown,
  );
  await allow(root);
  const listed = await consumer.ec2.send(new DescribeVpcEndpointServicesCommand({ ServiceNames: [service.ServiceName!] }));
  expect(listed.ServiceDetails![0]).toMatchObject({
    Owner: provider.account.id,
    AcceptanceRequired: true,
    AvailabilityZones: ['us-east-1a'],
    VpcEndpointPolicySupported: false,
  });

  const made = (await connect()).VpcEndpoint!;
  const id = made.VpcEndpointId!;
  const name = made.DnsEntries![0]!.DnsName!;
  expect(made.State).toBe('pendingAcceptance');
  expect(name).toMatch(new RegExp(`^${id}-[0-9a-f]{8}\\.${service.ServiceId}\\.us-east-1\\.vpce\\.amazonaws\\.com$`));
  const [card] = (
    await consumer.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: made.NetworkInterfaceIds! }))
  ).NetworkInterfaces!;
  const door = card!.PrivateIpAddress!;
  expect(await curl(`http://${door}/`)).toBe('28');
  const waiting = await provider.ec2.send(new DescribeVpcEndpointConnectionsCommand({}));
  expect(waiting.VpcEndpointConnections).toMatchObject([
    {
      VpcEndpointId: id,
      VpcEndpointOwner: consumer.account.id,
      VpcEndpointState: 'pendingAcceptance',
      ServiceId: service.ServiceId,
    },
  ]);
  expect((await accept(id)).Unsuccessful).toEqual([]);
  expect(await stateOf(id)).toBe('available');
  const answer = await eventually(
    async () => {
      const text = await curl(`http://${name}/hello`);
      expect(text).toMatch(/ 0$/);
      return JSON.parse(text.slice(0, -2)) as { name: string; peer: string; url: string };
    },
    { why: 'the provider answers at the name of the endpoint' },
  );
  expect(answer).toMatchObject({ name: 'provider', url: '/hello' });
  const nodes = await provider.ec2.send(
    new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'interface-type', Values: ['network_load_balancer'] }] }),
  );
  // The target sees the load balancer, and the same name of one zone leads to the same address.
  expect(nodes.NetworkInterfaces!.map((node) => node.PrivateIpAddress)).toContain(answer.peer.replace('::ffff:', ''));
  const zonal = made.DnsEntries![1]!.DnsName!;
  expect(zonal).toBe(name.replace('.', '-us-east-1a.'));
  expect(await curl(`http://${zonal}/`)).toMatch(/"name":"provider".* 0$/);
  // A body larger than any packet comes back whole.
  expect(await curl(`--data-binary @/usr/bin/python3 http://${name}/`)).toMatch(/"body":\d{5,}.* 0$/);

  // One way: nothing of the consumer is reachable from the provider, by its own address or by any that the link has.
  expect(await provider.run(inspector.PublicIpAddress!, 'curl -s -m 1 http://10.0.1.77/; echo $?')).toBe('28');
  const range = Array.from({ length: 10 }, (_one, index) => `100.64.0.${index + 1}`).join(' ');
  const tried = `for one in ${range}; do (curl -s -m 1 http://$one/ > /dev/null && echo $one) & done; wait`;
  expect(await provider.run(inspector.PublicIpAddress!, tried)).toBe('');
  expect(await consumer.run(client.PublicIpAddress!, tried)).toBe('');

  const peering = await consumer.ec2.send(
    new CreateVpcPeeringConnectionCommand({
      VpcId: network.vpcId,
      PeerVpcId: site.network.vpcId,
      PeerOwnerId: provider.account.id,
    }),
  );
  const peered = await consumer.ec2.send(
    new DescribeVpcPeeringConnectionsCommand({
      VpcPeeringConnectionIds: [peering.VpcPeeringConnection!.VpcPeeringConnectionId!],
    }),
  );
  expect(peered.VpcPeeringConnections![0]!.Status!.Code).toBe('failed');

  // The endpoint's groups guard the entrance, and a rejection ends what was accepted.
  const closed = await consumer.group(network.vpcId, 'closed');
  const change = (AddSecurityGroupIds: string[], RemoveSecurityGroupIds: string[]) =>
    consumer.ec2.send(new ModifyVpcEndpointCommand({ VpcEndpointId: id, AddSecurityGroupIds, RemoveSecurityGroupIds }));
  await change([closed], [network.groupId]);
  await eventually(async () => expect(await reach(consumer, client.PublicIpAddress!, `http://${door}/`)).toBe('silent'), {
    why: 'closed',
  });
  await change([network.groupId], [closed]);
  await eventually(async () => expect(await reach(consumer, client.PublicIpAddress!, `http://${door}/`)).toBe('open'), {
    why: 'open',
  });
  // The groups of the load balancer are asked too, unless it is told not to.
  const enforce = (group: string, rules: 'on' | 'off') =>
    site.elb.send(
      new SetSecurityGroupsCommand({
        LoadBalancerArn: balancer,
        SecurityGroups: [group],
        EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: rules,
      }),
    );
  const reached = (wanted: 'open' | 'silent', why: string) =>
    eventually(async () => expect(await reach(consumer, client.PublicIpAddress!, `http://${door}/`)).toBe(wanted), { why });
  const nobody = await provider.group(site.network.vpcId, 'nobody');
  await provider.allow(site.serverGroup, 'tcp', 1, 65_535, nobody);
  await enforce(nobody, 'on');
  await reached('silent', 'its groups let nobody in');
  expect(await enforce(nobody, 'off')).toMatchObject({ EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: 'off' });
  await reached('open', 'its groups are not asked');
  await enforce(site.balancerGroup, 'on');
  await reached('open', 'its groups let all in');
  expect((await reject(id)).Unsuccessful).toEqual([]);
  expect(await stateOf(id)).toBe('rejected');
  await eventually(async () => expect(await reach(consumer, client.PublicIpAddress!, `http://${door}/`)).toBe('silent'), {
    why: 'rejected',
  });
  await consumer.ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] }));
  await forbid(root);
}, 120_000);

test('a private name of a service is proven by a record of its domain, and then stands for endpoints in VPCs that ask for it', async () => {
  await allow('*');
  const make = (more: object) =>
    provider.ec2.send(new CreateVpcEndpointServiceConfigurationCommand({ NetworkLoadBalancerArns: [balancer], ...more }));
  const domain = `d${consumer.account.id}.example`;
  const made = (await make({ AcceptanceRequired: false, PrivateDnsName: `api.${domain}` })).ServiceConfiguration!;
  const { ServiceId, ServiceName } = made;
  expect(made.PrivateDnsNameConfiguration).toMatchObject({
    State: 'pendingVerification',
    Type: 'TXT',
    Name: expect.stringMatching(/^_[a-z0-9]{19}$/),
    Value: expect.stringMatching(/^vpce:[a-z0-9]{20}$/),
  });
  await provider.ec2.send(
    new ModifyVpcEndpointServicePermissionsCommand({
      ServiceId,
      AddAllowedPrincipals: [`arn:aws:iam::${consumer.account.id}:root`],
    }),
  );
  await consumer.ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsHostnames: { Value: true } }));
  const cannot = "Private DNS can't be enabled because the service";
  await refused(
    connect({ PrivateDnsEnabled: true }),
    'InvalidParameter',
    `${cannot} ${service.ServiceName} does not provide a private DNS name.`,
  );
  await refused(
    connect({ ServiceName, PrivateDnsEnabled: true }),
    'InvalidParameter',
    `${cannot} ${ServiceName} has not verified the private DNS name.`,
  );
  const verify = async (wanted: string) => {
    await provider.ec2.send(new StartVpcEndpointServicePrivateDnsVerificationCommand({ ServiceId }));
    const found = await provider.ec2.send(new DescribeVpcEndpointServiceConfigurationsCommand({ ServiceIds: [ServiceId!] }));
    expect(found.ServiceConfigurations![0]!.PrivateDnsNameConfiguration!.State).toBe(wanted);
  };
  await verify('failed');
  const dns = new Route53Client(provider.account.config());
  const zone = await dns.send(new CreateHostedZoneCommand({ Name: domain, CallerReference: domain }));
  const { Name, Value } = made.PrivateDnsNameConfiguration!;
  const record = { Name: `${Name}.${domain}`, Type: 'TXT' as const, TTL: 60, ResourceRecords: [{ Value: `"${Value}"` }] };
  await dns.send(
    new ChangeResourceRecordSetsCommand({
      HostedZoneId: zone.HostedZone!.Id,
      ChangeBatch: { Changes: [{ Action: 'CREATE', ResourceRecordSet: record }] },
    }),
  );
  await verify('verified');
  const endpoint = (await connect({ ServiceName, PrivateDnsEnabled: true })).VpcEndpoint!;
  expect(endpoint).toMatchObject({ State: 'pending', PrivateDnsEnabled: true });
  expect(endpoint.DnsEntries!.map(({ DnsName }) => DnsName)).toContain(`api.${domain}`);
  await eventually(async () => expect(await curl(`http://api.${domain}/`)).toMatch(/"name":"provider".* 0$/), {
    why: 'the private name leads to the endpoint',
  });
  // Elsewhere the name is what the domain says: nothing.
  expect(await provider.run(inspector.PublicIpAddress!, `getent hosts api.${domain} || echo none`)).toBe('none');
  await refused(connect({ ServiceName, PrivateDnsEnabled: true }), 'InvalidParameter', /already a conflicting DNS domain/);
  const failed = await provider.ec2.send(new DeleteVpcEndpointServiceConfigurationsCommand({ ServiceIds: [ServiceId!] }));
  expect(failed.Unsuccessful).toEqual([
    {
      ResourceId: ServiceId,
      Error: {
        Code: 'ExistingVpcEndpointConnections',
        Message: 'Service has existing active VPC Endpoint connections!',
      },
    },
  ]);
  await consumer.ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [endpoint.VpcEndpointId!] }));
  await eventually(async () => expect(await curl(`http://api.${domain}/`)).toBe('6'), { why: 'the name is gone' });
  const gone = await provider.ec2.send(new DeleteVpcEndpointServiceConfigurationsCommand({ ServiceIds: [ServiceId!] }));
  expect(gone.Unsuccessful).toEqual([]);
  await refused(connect({ ServiceName }), 'InvalidServiceName', `The Vpc Endpoint Service '${ServiceName}' does not exist`);
  await forbid('*');
}, 90_000);

test('what cannot be offered, asked for or decided is refused', async () => {
  const make = (input: object) => provider.ec2.send(new CreateVpcEndpointServiceConfigurationCommand(input));
  const { ServiceId } = service;
  const missing = 'vpce-svc-00000000000000000';
  const noService = `The VpcEndpointService Id '${missing}' does not exist`;
  await refused(make({}), 'MissingParameter', 'The request must contain the parameter NetworkLoadBalancerArns');
  await refused(make({ NetworkLoadBalancerArns: [`${balancer}0`] }), 'InvalidParameter');
  await refused(make({ GatewayLoadBalancerArns: [balancer] }), 'NotImplemented');
  await refused(make({ NetworkLoadBalancerArns: [balancer], SupportedIpAddressTypes: ['ipv6'] }), 'NotImplemented');
  await refused(make({ NetworkLoadBalancerArns: [balancer], PrivateDnsName: 'no name' }), 'InvalidParameter');
  await refused(
    provider.ec2.send(new DescribeVpcEndpointServiceConfigurationsCommand({ ServiceIds: [missing] })),
    'InvalidVpcEndpointServiceId.NotFound',
    noService,
  );
  for (const Command of [AcceptVpcEndpointConnectionsCommand, RejectVpcEndpointConnectionsCommand])
    await refused(
      provider.ec2.send(new Command({ ServiceId: missing, VpcEndpointIds: ['vpce-00000000000000000'] })),
      'InvalidVpcEndpointServiceId.NotFound',
      noService,
    );
  await refused(
    consumer.ec2.send(new DescribeVpcEndpointServicePermissionsCommand({ ServiceId })),
    'InvalidVpcEndpointServiceId.NotFound',
  );
  await refused(allow('arn:aws:iam::1:root'), 'InvalidPrincipal', "Invalid Principal: 'arn:aws:iam::1:root'");
  await refused(
    provider.ec2.send(new ModifyVpcEndpointServiceConfigurationCommand({ ServiceId, RemoveNetworkLoadBalancerArns: [balancer] })),
    'InvalidParameter',
    'An endpoint service must have at least one load balancer.',
  );
  await refused(
    provider.ec2.send(new StartVpcEndpointServicePrivateDnsVerificationCommand({ ServiceId })),
    'InvalidParameter',
    `The endpoint service ${ServiceId} does not have a private DNS name.`,
  );
  await refused(
    provider.ec2.send(
      new CreateVpcEndpointConnectionNotificationCommand({
        ServiceId,
        ConnectionNotificationArn: 'arn:aws:sns:us-east-1:1:a',
        ConnectionEvents: ['Accept'],
      }),
    ),
    'NotImplemented',
  );
  await refused(
    site.elb.send(new DeleteLoadBalancerCommand({ LoadBalancerArn: balancer })),
    'ResourceInUse',
    `Load balancer '${balancer}' cannot be deleted because it is currently associated with another service`,
  );

  await allow(`arn:aws:iam::${consumer.account.id}:root`);
  const permitted = await provider.ec2.send(new DescribeVpcEndpointServicePermissionsCommand({ ServiceId }));
  expect(permitted.AllowedPrincipals).toMatchObject([
    { Principal: `arn:aws:iam::${consumer.account.id}:root`, PrincipalType: 'Account', ServiceId },
  ]);
  await refused(
    connect({ VpcEndpointType: 'Gateway', SubnetIds: undefined, SecurityGroupIds: undefined }),
    'InvalidParameter',
    'Endpoint type (Gateway) does not match available service types ([Interface]).',
  );
  await refused(
    connect({ SubnetIds: [otherZone] }),
    'InvalidParameter',
    `The VPC endpoint service ${service.ServiceName} does not support the availability zone of the subnet: ${otherZone}.`,
  );
  await refused(connect({ PolicyDocument: '{"Statement":[]}' }), 'InvalidParameter');
  const id = (await connect({ SubnetIds: [] })).VpcEndpoint!.VpcEndpointId!;
  const accepted = await accept(id, 'vpce-00000000000000000');
  expect(accepted.Unsuccessful).toEqual([
    {
      ResourceId: 'vpce-00000000000000000',
      Error: { Code: 'InvalidVpcEndpointId.NotFound', Message: "The Vpc Endpoint Id 'vpce-00000000000000000' does not exist" },
    },
  ]);
  expect((await accept(id)).Unsuccessful).toMatchObject([{ ResourceId: id }]);
  expect((await reject(id)).Unsuccessful).toEqual([]);
  expect((await reject(id)).Unsuccessful).toMatchObject([{ ResourceId: id }]);
  await consumer.ec2.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] }));
  const gone = await provider.ec2.send(new DeleteVpcEndpointServiceConfigurationsCommand({ ServiceIds: [missing] }));
  expect(gone.Unsuccessful).toEqual([
    { ResourceId: missing, Error: { Code: 'InvalidVpcEndpointServiceId.NotFound', Message: noService } },
  ]);
}, 60_000);

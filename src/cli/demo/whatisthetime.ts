/**
 * The time site of SCN-006 to SCN-014, built through the official SDK: one public machine that tells the time, a fixed address for it, a bigger
 * machine, two more beside it, a name, a load balancer, a group that follows its load, three zones. Each step sends real requests and compares what was seen with what AWS would show.
 */
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
  DescribeRouteTablesCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  ModifySubnetAttributeCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilInstanceStopped,
} from '@aws-sdk/client-ec2';
import { balancedSite } from './balanced-site.ts';
import { namedSite } from './named-site.ts';
import { scalingSite } from './scaling-site.ts';
import { instanceOf, launch, type Place, type Stage, waiting } from './stage.ts';

async function stopAndStart(stage: Stage, id: string, between: () => Promise<void> = async () => {}): Promise<Instance> {
  const { ec2 } = stage;
  await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  await waitUntilInstanceStopped({ client: ec2, ...waiting }, { InstanceIds: [id] });
  await between();
  await ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
  await waitUntilInstanceRunning({ client: ec2, ...waiting }, { InstanceIds: [id] });
  return instanceOf(stage, id);
}

async function buildNetwork({ ec2 }: Stage): Promise<Place> {
  const VpcId = (await ec2.send(new CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }))).Vpc?.VpcId;
  const SubnetId = (await ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock: '10.0.1.0/24' }))).Subnet?.SubnetId;
  await ec2.send(new ModifySubnetAttributeCommand({ SubnetId, MapPublicIpOnLaunch: { Value: true } }));
  const InternetGatewayId = (await ec2.send(new CreateInternetGatewayCommand({}))).InternetGateway?.InternetGatewayId;
  await ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId, VpcId }));
  const tables = await ec2.send(new DescribeRouteTablesCommand({ Filters: [{ Name: 'vpc-id', Values: [VpcId ?? ''] }] }));
  await ec2.send(
    new CreateRouteCommand({
      RouteTableId: tables.RouteTables?.[0]?.RouteTableId,
      DestinationCidrBlock: '0.0.0.0/0',
      GatewayId: InternetGatewayId,
    }),
  );
  const GroupId = (
    await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'HTTP from everywhere', VpcId }))
  ).GroupId;
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({ GroupId, IpProtocol: 'tcp', FromPort: 80, ToPort: 80, CidrIp: '0.0.0.0/0' }),
  );
  return { vpcId: VpcId ?? '', subnetId: SubnetId ?? '', groupId: GroupId ?? '' };
}

/** SCN-006: one public t2.micro; then an Elastic IP that survives stop and start. Returns the instance and its fixed address. */
async function oneMachine(stage: Stage, place: Place): Promise<{ id: string; address: string }> {
  const { ec2, client, report } = stage;
  const [id = ''] = await launch(stage, place, 1);
  const first = (await instanceOf(stage, id)).PublicIpAddress ?? '';
  const page = await client.until(() => client.ask(first));
  report.see(
    'SCN-006',
    `GET http://${first}/ on a new t2.micro`,
    page.body.trim() || `status ${page.status}`,
    page.status === 200 && page.body.includes('memory'),
  );
  const second = (await stopAndStart(stage, id)).PublicIpAddress ?? '';
  report.see(
    'SCN-006',
    'stop and start without Elastic IP',
    `the address was ${first} and is ${second}`,
    second !== first && second !== '',
  );
  const { AllocationId, PublicIp: address = '' } = await ec2.send(new AllocateAddressCommand({}));
  await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: id }));
  const fixed = await client.until(() => client.ask(address));
  report.see(
    'SCN-006',
    `GET http://${address}/, an Elastic IP`,
    fixed.body.trim() || `status ${fixed.status}`,
    fixed.status === 200,
  );
  const after = (await stopAndStart(stage, id)).PublicIpAddress;
  const again = await client.until(() => client.ask(address));
  report.see(
    'SCN-006',
    'stop and start with the Elastic IP',
    `the address is ${after}: ${again.body.trim()}`,
    after === address && again.status === 200,
  );
  return { id, address };
}

/** SCN-007: a bigger machine. The address stays; the site is down meanwhile, and only then. */
async function biggerMachine(stage: Stage, { id, address }: { id: string; address: string }): Promise<void> {
  const { ec2, client, report } = stage;
  const modify = () => ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: id, InstanceType: { Value: 'm5.large' } }));
  const refusal = await modify().then(
    () => 'accepted',
    (error: Error) => error.name,
  );
  report.see('SCN-007', 'change the type of the running instance', refusal, refusal === 'IncorrectInstanceState');
  const before = await client.ask(address);
  const stopProbe = client.startProbe(() => client.ask(address));
  const after = await stopAndStart(stage, id, async () => {
    await modify();
  });
  const page = await client.until(() => client.ask(address));
  const probe = await stopProbe();
  const grown = memoryOf(page.body) > memoryOf(before.body);
  report.see(
    'SCN-007',
    'stop, make it an m5.large, start',
    `${after.InstanceType} at ${after.PublicIpAddress}: ${page.body.trim()}`,
    after.InstanceType === 'm5.large' && after.PublicIpAddress === address && page.status === 200,
  );
  if (stage.memoryIsLimited)
    report.see('SCN-007', 'memory inside the guest', `${memoryOf(before.body)} kB, then ${memoryOf(page.body)} kB`, grown);
  else report.skip('SCN-007', 'memory inside the guest', 'this host lets no machine have a limit of memory; see pilvi status');
  report.see(
    'SCN-007',
    'requests while it was down, ten a second',
    `${probe.sent} sent, ${probe.lost} lost`,
    probe.lost > 0 && probe.lost < probe.sent,
  );
  const steady = await Promise.all(Array.from({ length: 20 }, () => client.ask(address)));
  const lost = steady.filter(({ status }) => status !== 200).length;
  report.see('SCN-007', 'requests afterwards', `${steady.length} sent, ${lost} lost`, lost === 0);
}

function memoryOf(body: string): number {
  return Number(/memory (\d+) kB/.exec(body)?.[1] ?? 0);
}

/** SCN-008: two more machines, each with a fixed address of its own; users must know all three, and one that is down is down for its users. */
async function moreMachines(stage: Stage, place: Place, first: { id: string; address: string }): Promise<void> {
  const { ec2, client, report } = stage;
  const site = [first];
  for (const id of await launch(stage, place, 2)) {
    const { AllocationId, PublicIp: address = '' } = await ec2.send(new AllocateAddressCommand({}));
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: id }));
    site.push({ id, address });
  }
  const hosts = new Set<string>();
  for (const { id, address } of site) {
    const own = (await instanceOf(stage, id)).PrivateDnsName?.split('.')[0] ?? '';
    const page = await client.until(() => client.ask(address));
    hosts.add(own);
    report.see(
      'SCN-008',
      `GET http://${address}/ of ${id}`,
      page.body.trim() || `status ${page.status}`,
      page.body.includes(` on ${own}`),
    );
  }
  report.see('SCN-008', 'machines that answered', [...hosts].join(', '), hosts.size === site.length);
  const [down, ...up] = site;
  await ec2.send(new StopInstancesCommand({ InstanceIds: [down?.id ?? ''] }));
  await waitUntilInstanceStopped({ client: ec2, ...waiting }, { InstanceIds: [down?.id ?? ''] });
  const silent = await client.ask(down?.address ?? '');
  const others = await Promise.all(up.map(({ address }) => client.ask(address)));
  report.see(
    'SCN-008',
    `one of three stopped: ${down?.address}`,
    `${silent.status === 200 ? 'it answers' : 'it does not answer'}, ${others.filter(({ status }) => status === 200).length} others do`,
    silent.status !== 200 && others.every(({ status }) => status === 200),
  );
}

/** Names of the steps at which `--until` may end the demo, in order; it runs to the last unless told otherwise. */
export const untilSteps = ['vertical', 'horizontal', 'dns', 'balancer', 'scaling', 'zones'] as const;

/** Builds and tries the site up to and including the step. */
export async function whatIsTheTime(stage: Stage, until: (typeof untilSteps)[number]): Promise<void> {
  const reaches = (step: (typeof untilSteps)[number]): boolean => untilSteps.indexOf(until) >= untilSteps.indexOf(step);
  const place = await buildNetwork(stage);
  const first = await oneMachine(stage, place);
  await biggerMachine(stage, first);
  if (!reaches('horizontal')) return;
  await moreMachines(stage, place, first);
  if (!reaches('dns')) return;
  const zone = await namedSite(stage, place);
  if (!reaches('balancer')) return;
  const balanced = await balancedSite(stage, place, zone);
  if (!reaches('scaling')) return;
  await scalingSite(stage, balanced, reaches('zones'));
}

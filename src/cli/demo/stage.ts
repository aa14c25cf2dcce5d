/** What the steps of a demo share: official clients, a client on the Internet, and the few things that every step does with them. */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import { DescribeImagesCommand, DescribeInstancesCommand, type EC2Client, type Instance } from '@aws-sdk/client-ec2';
import { RunInstancesCommand, waitUntilInstanceRunning } from '@aws-sdk/client-ec2';
import type { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Route53 } from '@aws-sdk/client-route-53';
import type { Clock } from '../../base/clock.ts';
import type { DemoReport } from './report.ts';
import { serverUserData } from './server.ts';
import type { DemoClient } from './traffic.ts';

export interface Stage {
  ec2: EC2Client;
  balancers: ElasticLoadBalancingV2;
  scaling: AutoScaling;
  names: Route53;
  /** A client on the cloud's internet. */
  client: DemoClient;
  /** The host's clock. */
  clock: Clock;
  report: DemoReport;
  /** POSTs to the cloud's own API: its clock, its faults. */
  admin: (path: string, body: object) => Promise<void>;
  /** Whether this host lets machines have limits of memory, so that they show their own. */
  memoryIsLimited: boolean;
}

/** A VPC with a public subnet, and a group that lets HTTP in from everywhere. */
export interface Place {
  vpcId: string;
  subnetId: string;
  groupId: string;
}

/** Seconds that waiters of the SDK wait at most, and between their looks. */
export const waiting = { maxWaitTime: 60, minDelay: 1, maxDelay: 1 };

export async function instanceOf({ ec2 }: Stage, id: string): Promise<Instance> {
  const found = (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations?.[0]?.Instances?.[0];
  if (found === undefined) throw new Error(`DescribeInstances shows no ${id}.`);
  return found;
}

/** The newest Amazon Linux. */
export async function imageOf({ ec2 }: Stage): Promise<string> {
  const found = await ec2.send(
    new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] }),
  );
  return found.Images?.[0]?.ImageId ?? '';
}

/** Machines of the site, running. */
export async function launch(
  stage: Stage,
  { subnetId, groupId }: Pick<Place, 'subnetId' | 'groupId'>,
  count: number,
): Promise<string[]> {
  const launched = await stage.ec2.send(
    new RunInstancesCommand({
      ImageId: await imageOf(stage),
      InstanceType: 't2.micro',
      MinCount: count,
      MaxCount: count,
      SubnetId: subnetId,
      SecurityGroupIds: [groupId],
      UserData: Buffer.from(serverUserData).toString('base64'),
    }),
  );
  const InstanceIds = (launched.Instances ?? []).map(({ InstanceId = '' }) => InstanceId);
  await waitUntilInstanceRunning({ client: stage.ec2, ...waiting }, { InstanceIds });
  return InstanceIds;
}

/** Looks every tenth of a real second until it holds; false when it does not within `limit` real milliseconds. */
export async function holds({ clock }: Stage, look: () => Promise<boolean>, limit = 30_000): Promise<boolean> {
  const deadline = clock.realNow() + limit;
  while (!(await look())) {
    if (clock.realNow() > deadline) return false;
    await clock.pause(100);
  }
  return true;
}

/** Moves the cloud's clock. */
export async function advance({ admin }: Stage, seconds: number): Promise<void> {
  await admin('clock', { advanceMillis: seconds * 1000 });
}

/** Placement groups, tenancy, Dedicated Hosts, and what fails together when hardware fails. */
import {
  AllocateHostsCommand,
  CreatePlacementGroupCommand,
  DeletePlacementGroupCommand,
  DescribeHostsCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribePlacementGroupsCommand,
  EC2Client,
  type Instance,
  ModifyInstancePlacementCommand,
  type Placement,
  ReleaseHostsCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { base64, Lab, type Network } from './support.ts';

const slow = 180_000;
// Racks fail here, so the cloud is its own.
let cloud: OwnCloud;
let lab: Lab;
let ec2: EC2Client;
let image = '';
let net: Network;

beforeAll(async () => {
  cloud = await startOwnCloud();
  lab = new Lab(cloud.endpoint);
  ec2 = lab.ec2;
  image = await lab.image();
  net = await lab.network('10.60');
}, slow);
afterAll(async () => {
  await cloud?.stop();
}, slow);

const launch = async (count: number, Placement: Placement, InstanceType = 'm5.large'): Promise<Instance[]> =>
  (
    await ec2.send(
      new RunInstancesCommand({
        ImageId: image,
        InstanceType: InstanceType as never,
        MinCount: count,
        MaxCount: count,
        Placement,
      }),
    )
  ).Instances!;
const ids = (instances: readonly Instance[]) => instances.map((one) => one.InstanceId!);
const describeAll = async (wanted: readonly string[]) =>
  (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [...wanted] }))).Reservations!.flatMap((one) => one.Instances!);
const place = async (id: string): Promise<string> =>
  ((await admin('GET', `places/${id}`, undefined, cloud.endpoint)) as { place: string }).place;
const rackOf = async (id: string) => (await place(id)).split('/').slice(0, 3).join('/');
const fail = (level: 'host' | 'rack' | 'datacenter', at: string, down: boolean) =>
  admin('POST', `chaos/${level}`, { at, down }, cloud.endpoint);
const running = (wanted: readonly string[]) =>
  eventually(
    async () => {
      for (const one of await describeAll(wanted)) expect(one.State?.Name).toBe('running');
    },
    { why: 'instances run', timeoutMs: 60_000 },
  );
/** Instances whose status checks fail. */
const impaired = async (wanted: readonly string[]): Promise<string[]> => {
  const found = await ec2.send(new DescribeInstanceStatusCommand({ InstanceIds: [...wanted] }));
  return found.InstanceStatuses!.filter((one) => one.SystemStatus?.Status === 'impaired').map((one) => one.InstanceId!);
};
const terminate = (wanted: readonly string[]) => ec2.send(new TerminateInstancesCommand({ InstanceIds: [...wanted] }));

describe('placement groups', () => {
  test(
    'EC2-046 a group of each strategy; an instance is in one group at most',
    async () => {
      for (const Strategy of ['cluster', 'spread', 'partition', 'precision-time'] as const) {
        const made = await ec2.send(new CreatePlacementGroupCommand({ GroupName: `one-${Strategy}`, Strategy }));
        expect(made.PlacementGroup).toMatchObject({ GroupName: `one-${Strategy}`, Strategy, State: 'available' });
        expect(made.PlacementGroup!.GroupId).toMatch(/^pg-[0-9a-f]{17}$/);
        const [instance] = await launch(1, { GroupName: `one-${Strategy}` });
        expect((await describeAll([instance!.InstanceId!]))[0]!.Placement).toMatchObject({ GroupName: `one-${Strategy}` });
        await refused(
          ec2.send(new DeletePlacementGroupCommand({ GroupName: `one-${Strategy}` })),
          'InvalidPlacementGroup.InUse',
          `The placement group 'one-${Strategy}' is in use and may not be deleted.`,
        );
        await terminate([instance!.InstanceId!]);
        await lab.inState(instance!.InstanceId!, 'terminated');
        await ec2.send(new DeletePlacementGroupCommand({ GroupName: `one-${Strategy}` }));
      }
      const create = (input: object) => ec2.send(new CreatePlacementGroupCommand(input));
      await refused(create({ GroupName: 'x', Strategy: 'round' }), 'InvalidParameterValue');
      await refused(create({ Strategy: 'spread' }), 'MissingParameter');
      await refused(create({ GroupName: 'x', Strategy: 'spread', SpreadLevel: 'host' }), 'InvalidParameterCombination');
      await refused(create({ GroupName: 'x', Strategy: 'cluster', PartitionCount: 2 }), 'InvalidParameterCombination');
      await create({ GroupName: 'x', Strategy: 'spread' });
      await refused(
        create({ GroupName: 'x', Strategy: 'cluster' }),
        'InvalidPlacementGroup.Duplicate',
        "The placement group 'x' already exists.",
      );
      await refused(
        launch(1, { GroupName: 'absent' }),
        'InvalidPlacementGroup.Unknown',
        "The Placement Group 'absent' is unknown.",
      );
      await refused(ec2.send(new DescribePlacementGroupsCommand({ GroupNames: ['absent'] })), 'InvalidPlacementGroup.Unknown');
      await refused(launch(1, { GroupName: 'x', PartitionNumber: 1 }), 'InvalidParameterCombination');
    },
    slow,
  );

  test(
    'EC2-047 EC2-049 a cluster is in one zone, and on one rack that takes it down as a whole',
    async () => {
      await ec2.send(new CreatePlacementGroupCommand({ GroupName: 'tight', Strategy: 'cluster' }));
      const members = ids(await launch(4, { GroupName: 'tight', AvailabilityZone: 'us-east-1b' }));
      const more = ids(await launch(1, { GroupName: 'tight' }));
      const all = [...members, ...more];
      expect(new Set((await describeAll(all)).map((one) => one.Placement!.AvailabilityZone))).toEqual(new Set(['us-east-1b']));
      await refused(
        launch(1, { GroupName: 'tight', AvailabilityZone: 'us-east-1a' }),
        'InvalidPlacementGroup.InUse',
        "The placement group 'tight' is in use in another availability zone: us-east-1b",
      );
      await refused(
        launch(1, { GroupName: 'tight' }, 't2.micro'),
        'InvalidParameterCombination',
        "Cluster placement groups are not supported by the 't2.micro' instance type. Specify a supported instance type or change the placement group strategy, and try again.",
      );
      await running(all);
      expect(await impaired(all)).toEqual([]);
      await fail('rack', members[0]!, true);
      expect((await impaired(all)).sort()).toEqual([...all].sort());
      await refused(launch(1, { GroupName: 'tight' }), 'InsufficientInstanceCapacity', undefined, 500);
      await fail('rack', members[0]!, false);
      await eventually(async () => expect(await impaired(all)).toEqual([]), { why: 'the rack is back' });
      await terminate(all);
    },
    slow,
  );

  test(
    'EC2-050 EC2-051 a spread group has its instances on racks of their own, seven in a zone',
    async () => {
      await ec2.send(new CreatePlacementGroupCommand({ GroupName: 'apart', Strategy: 'spread' }));
      const inA = ids(await launch(7, { GroupName: 'apart', AvailabilityZone: 'us-east-1a' }, 't2.nano'));
      await refused(
        launch(1, { GroupName: 'apart', AvailabilityZone: 'us-east-1a' }, 't2.nano'),
        'InsufficientInstanceCapacity',
        /^We currently do not have sufficient t2\.nano capacity in the Availability Zone you requested \(us-east-1a\)\./,
        500,
      );
      const inB = ids(await launch(2, { GroupName: 'apart', AvailabilityZone: 'us-east-1b' }, 't2.nano'));
      const all = [...inA, ...inB];
      const racks = await Promise.all(all.map(rackOf));
      expect(new Set(racks).size).toBe(9);
      await running(all);
      await fail('rack', inA[2]!, true);
      expect(await impaired(all)).toEqual([inA[2]]);
      await fail('rack', inA[2]!, false);
      // A stopped instance gives its place up.
      await ec2.send(new StopInstancesCommand({ InstanceIds: [inA[0]!] }));
      await lab.inState(inA[0]!, 'stopped');
      const eighth = ids(await launch(1, { GroupName: 'apart', AvailabilityZone: 'us-east-1a' }, 't2.nano'));
      await refused(ec2.send(new StartInstancesCommand({ InstanceIds: [inA[0]!] })), 'InsufficientInstanceCapacity');
      await terminate([...all, ...eighth]);
    },
    slow,
  );

  test(
    'EC2-052 EC2-053 EC2-054 partitions share no rack, are filled evenly, and span zones',
    async () => {
      const create = (name: string, PartitionCount: number) =>
        ec2.send(new CreatePlacementGroupCommand({ GroupName: name, Strategy: 'partition', PartitionCount }));
      await create('parts', 3);
      await refused(create('eight', 8), 'InvalidParameterValue', /Expecting a value between 1 and 7/);
      expect((await create('seven', 7)).PlacementGroup).toMatchObject({ PartitionCount: 7 });
      const chosen = ids(await launch(1, { GroupName: 'seven', PartitionNumber: 5 }, 't2.nano'));
      expect((await describeAll(chosen))[0]!.Placement!.PartitionNumber).toBe(5);
      await refused(launch(1, { GroupName: 'seven', PartitionNumber: 8 }, 't2.nano'), 'InvalidParameterValue');
      const inA = ids(await launch(6, { GroupName: 'parts', AvailabilityZone: 'us-east-1a' }, 't2.nano'));
      const inB = ids(await launch(3, { GroupName: 'parts', AvailabilityZone: 'us-east-1b' }, 't2.nano'));
      const found = await describeAll([...inA, ...inB]);
      const numbers = found.map((one) => one.Placement!.PartitionNumber!);
      expect([1, 2, 3].map((number) => numbers.filter((one) => one === number).length)).toEqual([3, 3, 3]);
      await running(ids(found));
      const failing = found.find((one) => one.Placement!.AvailabilityZone === 'us-east-1a')!;
      await fail('rack', failing.InstanceId!, true);
      const hit = await impaired(ids(found));
      expect(hit).toContain(failing.InstanceId);
      const partitions = found.filter((one) => hit.includes(one.InstanceId!)).map((one) => one.Placement!.PartitionNumber);
      expect(new Set(partitions)).toEqual(new Set([failing.Placement!.PartitionNumber]));
      await fail('rack', failing.InstanceId!, false);
      const elsewhere = new EC2Client(lab.account.config({ endpoint: cloud.endpoint, region: 'eu-west-1' }));
      await refused(
        elsewhere.send(new DescribePlacementGroupsCommand({ GroupNames: ['parts'] })),
        'InvalidPlacementGroup.Unknown',
      );
      await terminate([...ids(found), ...chosen]);
    },
    slow,
  );

  test(
    'EC2-056 an instance learns its group and partition from the metadata service',
    async (context) => {
      context.skip(machinesRefused() !== undefined, machinesRefused());
      await ec2.send(new CreatePlacementGroupCommand({ GroupName: 'told', Strategy: 'partition', PartitionCount: 4 }));
      const instance = await lab.launchAgent({
        SubnetId: net.subnetId,
        SecurityGroupIds: [net.groupId],
        Placement: { GroupName: 'told', PartitionNumber: 3 },
        MetadataOptions: { HttpTokens: 'optional' },
      });
      const read = (path: string) =>
        lab.run(instance.PublicIpAddress!, `curl -s -f -m 2 http://169.254.169.254/latest/meta-data/placement/${path}`);
      expect(await read('partition-number')).toBe('3');
      expect(await read('group-name')).toBe('told');
      expect(instance.Placement).toMatchObject({ GroupName: 'told', PartitionNumber: 3 });
      await terminate([instance.InstanceId!]);
    },
    slow,
  );

  test(
    'EC2-055 more than a hundred instances run in one partition group',
    async () => {
      await ec2.send(new CreatePlacementGroupCommand({ GroupName: 'many', Strategy: 'partition', PartitionCount: 7 }));
      const all = ids(await launch(101, { GroupName: 'many' }, 't2.nano'));
      await running(all);
      const found = await describeAll(all);
      const counts = [1, 2, 3, 4, 5, 6, 7].map(
        (number) => found.filter((one) => one.Placement!.PartitionNumber === number).length,
      );
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      expect(counts.reduce((a, b) => a + b)).toBe(101);
      await terminate(all);
      await eventually(
        async () => {
          for (const one of await describeAll(all)) expect(one.State?.Name).toBe('terminated');
        },
        { why: 'all are terminated', timeoutMs: 60_000 },
      );
    },
    slow,
  );
});

describe('tenancy', () => {
  test(
    'EC2-045 hardware is shared unless dedicated instances or a host are asked for',
    async () => {
      const [shared] = await launch(1, {});
      expect(shared!.Placement!.Tenancy).toBe('default');
      const [dedicated] = await launch(1, { Tenancy: 'dedicated' });
      expect((await describeAll([dedicated!.InstanceId!]))[0]!.Placement!.Tenancy).toBe('dedicated');
      await refused(launch(1, { Tenancy: 'dedicated' }, 't2.micro'), 'InvalidParameterCombination');
      await refused(launch(1, { Tenancy: 'host' }), 'InsufficientHostCapacity');
      await refused(launch(1, { HostId: 'h-0123456789abcdef0', Tenancy: 'host' }), 'InvalidHostID.NotFound');
      await refused(launch(1, { HostId: 'h-0123456789abcdef0', Tenancy: 'dedicated' }), 'InvalidParameterCombination');
      const { HostIds } = await ec2.send(
        new AllocateHostsCommand({ InstanceType: 'm5.large', AvailabilityZone: 'us-east-1a', Quantity: 1, AutoPlacement: 'off' }),
      );
      const host = HostIds![0]!;
      await refused(launch(1, { Tenancy: 'host', AvailabilityZone: 'us-east-1a' }), 'InsufficientHostCapacity');
      const on = ids(await launch(2, { Tenancy: 'host', HostId: host, AvailabilityZone: 'us-east-1a' }));
      expect((await describeAll(on)).map((one) => one.Placement)).toMatchObject([
        { Tenancy: 'host', HostId: host, Affinity: 'host' },
        { Tenancy: 'host', HostId: host, Affinity: 'host' },
      ]);
      const shown = (await ec2.send(new DescribeHostsCommand({ HostIds: [host] }))).Hosts![0]!;
      expect(shown).toMatchObject({
        State: 'available',
        AutoPlacement: 'off',
        HostProperties: { InstanceType: 'm5.large', TotalVCpus: 96, Sockets: 2 },
        AvailableCapacity: {
          AvailableInstanceCapacity: [{ InstanceType: 'm5.large', AvailableCapacity: 46, TotalCapacity: 48 }],
          AvailableVCpus: 92,
        },
      });
      expect(shown.Instances!.map((one) => one.InstanceId).sort()).toEqual([...on].sort());
      await refused(
        launch(1, { Tenancy: 'host', HostId: host, AvailabilityZone: 'us-east-1a' }, 'm5.xlarge'),
        'InvalidParameterCombination',
      );
      const kept = await ec2.send(new ReleaseHostsCommand({ HostIds: [host] }));
      expect(kept).toMatchObject({
        Successful: [],
        Unsuccessful: [{ ResourceId: host, Error: { Code: 'Client.InvalidHost.Occupied' } }],
      });
      await refused(
        ec2.send(new ModifyInstancePlacementCommand({ InstanceId: on[0]!, Tenancy: 'dedicated' })),
        'IncorrectInstanceState',
      );
      await ec2.send(new StopInstancesCommand({ InstanceIds: on }));
      for (const id of on) await lab.inState(id, 'stopped');
      await ec2.send(new ModifyInstancePlacementCommand({ InstanceId: on[0]!, Tenancy: 'dedicated' }));
      await refused(
        ec2.send(new ModifyInstancePlacementCommand({ InstanceId: on[1]!, Tenancy: 'default' as never })),
        'InvalidParameterCombination',
      );
      await terminate([...on, shared!.InstanceId!, dedicated!.InstanceId!]);
      await lab.inState(on[1]!, 'terminated');
      expect(await ec2.send(new ReleaseHostsCommand({ HostIds: [host] }))).toMatchObject({
        Successful: [host],
        Unsuccessful: [],
      });
    },
    slow,
  );
});

describe('hardware that fails', () => {
  test(
    'INFRA-008 the loss of a host or a data center leaves the rest of its zone working',
    async (context) => {
      context.skip(machinesRefused() !== undefined, machinesRefused());
      await ec2.send(new CreatePlacementGroupCommand({ GroupName: 'dcs', Strategy: 'spread' }));
      const agents = await Promise.all(
        [1, 2, 3].map(() =>
          lab.launchAgent({ SubnetId: net.subnetId, SecurityGroupIds: [net.groupId], Placement: { GroupName: 'dcs' } }),
        ),
      );
      const centers = await Promise.all(agents.map(async (one) => (await place(one.InstanceId!)).split('/')[1]));
      const other = centers.findIndex((center) => center !== centers[0]);
      expect(other).toBeGreaterThan(0);
      const [lost, kept] = [agents[0]!, agents[other]!];
      for (const level of ['host', 'datacenter'] as const) {
        await fail(level, lost.InstanceId!, true);
        expect(await impaired([lost.InstanceId!, kept.InstanceId!])).toEqual([lost.InstanceId]);
        await expect(lab.run(lost.PublicIpAddress!, 'echo here')).rejects.toThrow();
        expect(await lab.run(kept.PublicIpAddress!, 'echo here')).toBe('here');
        const [another] = await launch(1, { AvailabilityZone: 'us-east-1a' });
        await lab.inState(another!.InstanceId!, 'running');
        await terminate([another!.InstanceId!]);
        await fail(level, lost.InstanceId!, false);
      }
      await terminate(ids(agents));
    },
    slow,
  );

  test(
    'an instance whose host stays down is recovered on another, with its addresses and its disk',
    async (context) => {
      context.skip(machinesRefused() !== undefined, machinesRefused());
      const script = '#cloud-config\nruncmd:\n- [ sh, -c, "date > /made" ]\n';
      const [started] = (
        await ec2.send(
          new RunInstancesCommand({
            ImageId: image,
            InstanceType: 't2.micro',
            MinCount: 1,
            MaxCount: 1,
            SubnetId: net.subnetId,
            UserData: base64(script),
          }),
        )
      ).Instances!;
      const id = started!.InstanceId!;
      const before = await lab.inState(id, 'running');
      const first = await place(id);
      await fail('host', id, true);
      expect(await impaired([id])).toEqual([id]);
      await advanceClock(cloud.endpoint, 121_000);
      await eventually(async () => expect(await impaired([id])).toEqual([]), { why: 'it is recovered', timeoutMs: 30_000 });
      expect(await place(id)).not.toBe(first);
      const after = await lab.instance(id);
      expect(after.PublicIpAddress).toBe(before.PublicIpAddress);
      expect(after.PrivateIpAddress).toBe(before.PrivateIpAddress);
      await fail('host', first, false);
      await terminate([id]);
    },
    slow,
  );

  test('what is not in the hardware cannot fail', async () => {
    for (const at of ['i-0123456789abcdef0', 'nowhere/dc1/rack1/host1'])
      await expect(fail('rack', at, true)).rejects.toThrow('400');
    await expect(fail('host', 'us-east-1a/dc1', true)).rejects.toThrow('400');
  });
});

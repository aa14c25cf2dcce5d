/** Regions and zones, and which instance types are offered where. */
import {
  CreateSubnetCommand,
  DescribeAvailabilityZonesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeInstancesCommand,
  DescribeRegionsCommand,
  DescribeVpcsCommand,
  EC2Client,
  type InstanceTypeInfo,
  ModifyAvailabilityZoneGroupCommand,
  paginateDescribeInstanceTypeOfferings,
  paginateDescribeInstanceTypes,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { Lab } from '../ec2/support.ts';

const lab = new Lab();
const { ec2 } = lab;
const clientIn = (region: string) => new EC2Client(lab.account.config({ region }));

test('INFRA-002 INFRA-004 Regions have codes and endpoints, and list only their own zones', async () => {
  const { Regions } = await ec2.send(new DescribeRegionsCommand({}));
  const endpoints = new Map(Regions!.map((region) => [region.RegionName, region.Endpoint]));
  for (const name of ['ap-northeast-2', 'ap-northeast-1', 'us-east-2'])
    expect(endpoints.get(name)).toBe(`ec2.${name}.amazonaws.com`);
  for (const region of ['eu-west-1', 'us-east-1']) {
    const { AvailabilityZones } = await clientIn(region).send(new DescribeAvailabilityZonesCommand({}));
    expect(new Set(AvailabilityZones!.map((zone) => zone.RegionName))).toEqual(new Set([region]));
  }
  await refused(
    ec2.send(new DescribeRegionsCommand({ RegionNames: ['mars-1'] })),
    'InvalidParameterValue',
    'Invalid region: mars-1',
  );
});

test('INFRA-006 a Region has three zones or more, us-west-1 two', async () => {
  const { Regions } = await ec2.send(new DescribeRegionsCommand({}));
  expect(Regions!.length).toBeGreaterThan(15);
  for (const { RegionName } of Regions!) {
    const { AvailabilityZones: zones } = await clientIn(RegionName!).send(new DescribeAvailabilityZonesCommand({}));
    expect(zones!.length, RegionName).toBeGreaterThanOrEqual(RegionName === 'us-west-1' ? 2 : 3);
    expect(zones!.every((zone) => zone.ZoneType === 'availability-zone' && zone.State === 'available')).toBe(true);
  }
});

test('INFRA-007 a zone is its Region and a letter, with an id of its own; another Region has none of that name', async () => {
  const seoul = await clientIn('ap-northeast-2').send(new DescribeAvailabilityZonesCommand({}));
  expect(seoul.AvailabilityZones!.map((zone) => zone.ZoneName)).toEqual(
    ['a', 'b', 'c', 'd'].map((letter) => `ap-northeast-2${letter}`),
  );
  expect(seoul.AvailabilityZones!.map((zone) => zone.ZoneId).sort()).toEqual([1, 2, 3, 4].map((number) => `apne2-az${number}`));
  const placed = { ImageId: await lab.image(), MinCount: 1, MaxCount: 1, Placement: { AvailabilityZone: 'ap-northeast-2a' } };
  await refused(
    ec2.send(new RunInstancesCommand(placed)),
    'InvalidParameterValue',
    'Invalid availability zone: [ap-northeast-2a]',
  );
  await refused(
    ec2.send(new DescribeAvailabilityZonesCommand({ ZoneNames: ['ap-northeast-2a'] })),
    'InvalidParameterValue',
    'Invalid availability zone: [ap-northeast-2a]',
  );
});

test('INFRA-003 what is made in a Region is there and in no other', async () => {
  const [seoul, tokyo] = [clientIn('ap-northeast-2'), clientIn('ap-northeast-1')];
  const ImageId = await lab.image(seoul);
  const id = (await seoul.send(new RunInstancesCommand({ ImageId, InstanceType: 't3.micro', MinCount: 1, MaxCount: 1 })))
    .Instances![0]!.InstanceId!;
  const here = await seoul.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  expect(here.Reservations![0]!.Instances![0]!.Placement!.AvailabilityZone).toMatch(/^ap-northeast-2/);
  expect((await tokyo.send(new DescribeInstancesCommand({}))).Reservations).toEqual([]);
  await refused(
    tokyo.send(new DescribeInstancesCommand({ InstanceIds: [id] })),
    'InvalidInstanceID.NotFound',
    `The instance ID '${id}' does not exist`,
  );
  const vpcs = async (client: EC2Client) => (await client.send(new DescribeVpcsCommand({}))).Vpcs!.map((vpc) => vpc.VpcId);
  expect(await vpcs(tokyo)).not.toEqual(await vpcs(seoul));
});

test('INFRA-011 not every type is offered in every Region, and one that is not is refused', async () => {
  const offered = async (client: EC2Client) => {
    const names: string[] = [];
    for await (const page of paginateDescribeInstanceTypeOfferings({ client }, {}))
      names.push(...page.InstanceTypeOfferings!.map((one) => one.InstanceType!));
    return names;
  };
  const names = (await ec2.send(new DescribeRegionsCommand({}))).Regions!.map((region) => region.RegionName!);
  const here = new Set(await offered(ec2));
  let lacking: [string, string] | undefined;
  for (const name of names) {
    const there = new Set(await offered(clientIn(name)));
    const missing = [...here].find((type) => !there.has(type) && type.startsWith('c5n'));
    const any = missing ?? [...here].find((type) => !there.has(type));
    if (any !== undefined) lacking ??= [name, any];
  }
  expect(lacking).toBeDefined();
  const [region, type] = lacking!;
  const client = clientIn(region);
  expect(
    (await client.send(new DescribeInstanceTypeOfferingsCommand({ Filters: [{ Name: 'instance-type', Values: [type] }] })))
      .InstanceTypeOfferings,
  ).toEqual([]);
  const ImageId = await lab.image(client);
  await refused(
    client.send(new RunInstancesCommand({ ImageId, InstanceType: type as never, MinCount: 1, MaxCount: 1 })),
    'Unsupported',
    'The requested configuration is currently not supported. Please check the documentation for supported configurations.',
  );
});

test('INFRA-013 a Local Zone is used after opting in', async () => {
  const own = new Lab();
  const west = new EC2Client(own.account.config({ region: 'us-west-2' }));
  const zone = async () =>
    (await west.send(new DescribeAvailabilityZonesCommand({ AllAvailabilityZones: true, ZoneNames: ['us-west-2-lax-1a'] })))
      .AvailabilityZones![0];
  expect(await zone()).toMatchObject({
    ZoneType: 'local-zone',
    OptInStatus: 'not-opted-in',
    GroupName: 'us-west-2-lax-1',
    ParentZoneName: expect.stringMatching(/^us-west-2[a-d]$/),
  });
  const { Vpcs } = await west.send(new DescribeVpcsCommand({}));
  const subnet = () =>
    west.send(
      new CreateSubnetCommand({ VpcId: Vpcs![0]!.VpcId!, CidrBlock: '172.31.200.0/24', AvailabilityZone: 'us-west-2-lax-1a' }),
    );
  await refused(subnet(), 'InvalidParameterValue', /^Value \(us-west-2-lax-1a\) for parameter availabilityZone is invalid\./);
  await refused(
    west.send(new ModifyAvailabilityZoneGroupCommand({ GroupName: 'us-west-2-nowhere-1', OptInStatus: 'opted-in' })),
    'InvalidParameterValue',
  );
  await west.send(new ModifyAvailabilityZoneGroupCommand({ GroupName: 'us-west-2-lax-1', OptInStatus: 'opted-in' }));
  expect(await zone()).toMatchObject({ OptInStatus: 'opted-in' });
  const made = (await subnet()).Subnet!;
  const started = await west.send(
    new RunInstancesCommand({ ImageId: await own.image(west), MinCount: 1, MaxCount: 1, SubnetId: made.SubnetId! }),
  );
  expect(started.Instances![0]!.Placement!.AvailabilityZone).toBe('us-west-2-lax-1a');
  await refused(
    west.send(new ModifyAvailabilityZoneGroupCommand({ GroupName: 'us-west-2-lax-1', OptInStatus: 'not-opted-in' })),
    'OptInRequired',
  );
});

async function allTypes(): Promise<Map<string, { vcpus: number; gib: number; info: InstanceTypeInfo }>> {
  const found = new Map<string, { vcpus: number; gib: number; info: InstanceTypeInfo }>();
  for await (const page of paginateDescribeInstanceTypes({ client: ec2 }, {}))
    for (const info of page.InstanceTypes!)
      found.set(info.InstanceType!, {
        vcpus: info.VCpuInfo!.DefaultVCpus!,
        gib: info.MemoryInfo!.SizeInMiB! / 1024,
        info,
      });
  return found;
}

test('EC2-009 EC2-010 EC2-013 EC2-014 EC2-015 EC2-018 types have the sizes of their names', async () => {
  const types = await allTypes();
  const size = (name: string) => [types.get(name)?.vcpus, types.get(name)?.gib];
  expect(size('c5n.xlarge')).toEqual([4, 10.5]);
  expect(size('m5.xlarge')).toEqual([4, 16]);
  expect(size('m5.2xlarge')).toEqual([8, 32]);
  expect(size('m5.large')).toEqual([2, 8]);
  expect(size('t2.micro')).toEqual([1, 1]);
  expect(size('c5.large')).toEqual([2, 4]);
  expect(size('r5.large')).toEqual([2, 16]);
  expect(size('t2.nano')).toEqual([1, 0.5]);
  expect(Math.max(...[...types.values()].map((type) => type.gib))).toBeGreaterThanOrEqual(1024);
});

test('EC2-012 EC2-017 five groups of families: memory grows from c to m to r, disks with i and d, GPUs with g and p', async () => {
  const types = await allTypes();
  const families = new Set([...types.keys()].map((name) => /^[a-z]+/.exec(name)![0]));
  for (const family of ['t', 'm', 'c', 'r', 'x', 'i', 'd', 'g', 'p']) expect(families.has(family), family).toBe(true);
  const perCpu = (name: string) => types.get(name)!.gib / types.get(name)!.vcpus;
  expect(perCpu('c5.large')).toBeLessThan(perCpu('m5.large'));
  expect(perCpu('m5.large')).toBeLessThan(perCpu('r5.large'));
  expect(types.get('i3.large')!.info).toMatchObject({
    InstanceStorageSupported: true,
    InstanceStorageInfo: { NvmeSupport: 'required' },
  });
  expect([...types.values()].some(({ info }) => /^[gp]\d/.test(info.InstanceType!) && info.GpuInfo !== undefined)).toBe(true);
  expect(types.get('m5.large')!.info.GpuInfo).toBeUndefined();
});

test('EC2-011 a type that does not exist is refused', async () => {
  await refused(
    ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['t9.huge' as never] })),
    'InvalidInstanceType',
    'The following supplied instance types do not exist: [t9.huge]',
  );
});

/** The catalogue of instance types, and where each is offered. */
import { DescribeInstanceTypeOfferingsCommand, DescribeInstanceTypesCommand, type InstanceTypeInfo } from '@aws-sdk/client-ec2';
import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { Lab } from './support.ts';

const { ec2 } = new Lab();
const all: InstanceTypeInfo[] = [];

beforeAll(async () => {
  let NextToken: string | undefined;
  do {
    const page = await ec2.send(new DescribeInstanceTypesCommand({ MaxResults: 100, ...(NextToken ? { NextToken } : {}) }));
    all.push(...page.InstanceTypes!);
    ({ NextToken } = page);
  } while (NextToken);
}, 60_000);

const named = (name: string) => all.find((type) => type.InstanceType === name)!;
const shape = (name: string) => {
  const { VCpuInfo, MemoryInfo } = named(name);
  return [VCpuInfo!.DefaultVCpus, MemoryInfo!.SizeInMiB! / 1024];
};

test('types have the size, the cards and the network of the real ones', () => {
  expect(all.length).toBeGreaterThan(500);
  const sizes: Record<string, [number, number]> = {
    't3.medium': [2, 4],
    'm5.8xlarge': [32, 128],
    'm6g.medium': [1, 4],
    'c6i.32xlarge': [128, 256],
    'c5.9xlarge': [36, 72],
    'c5n.18xlarge': [72, 192],
    'r6a.48xlarge': [192, 1536],
    'm7i.metal-48xl': [192, 768],
    'd2.8xlarge': [36, 244],
    'x1.32xlarge': [128, 1952],
    'u-24tb1.112xlarge': [448, 24_576],
  };
  for (const [name, size] of Object.entries(sizes)) expect([name, ...shape(name)]).toEqual([name, ...size]);
  const cards = (name: string) => {
    const { NetworkInfo } = named(name);
    return [NetworkInfo!.MaximumNetworkInterfaces, NetworkInfo!.Ipv4AddressesPerInterface, NetworkInfo!.NetworkPerformance];
  };
  expect(cards('m5.large')).toEqual([3, 10, 'Up to 10 Gigabit']);
  expect(cards('m5.24xlarge')).toEqual([15, 50, '25 Gigabit']);
  expect(cards('t3.nano')).toEqual([2, 2, 'Up to 5 Gigabit']);
  expect(cards('r6i.12xlarge')).toEqual([8, 30, '18.75 Gigabit']);
  expect(cards('c7g.16xlarge')).toEqual([15, 50, '30 Gigabit']);
  expect(named('m5.metal')).toMatchObject({ BareMetal: true, HibernationSupported: false });
  expect(named('m5.metal').Hypervisor).toBeUndefined();
  expect(named('m4.large').Hypervisor).toBe('xen');
  expect(named('m5.large').EbsInfo!.EbsOptimizedInfo).toMatchObject({ BaselineBandwidthInMbps: 650, MaximumIops: 18_750 });
  expect(named('m6gd.xlarge').InstanceStorageInfo).toMatchObject({ TotalSizeInGB: 237, NvmeSupport: 'required' });
  expect(named('g5.12xlarge').GpuInfo).toMatchObject({ Gpus: [{ Count: 4, Name: 'A10G', Manufacturer: 'NVIDIA' }] });
  expect(named('m6g.large').ProcessorInfo).toMatchObject({ SupportedArchitectures: ['arm64'], Manufacturer: 'AWS' });
  expect(named('m5.xlarge').VCpuInfo).toMatchObject({ DefaultCores: 2, DefaultThreadsPerCore: 2, ValidThreadsPerCore: [1, 2] });
  expect(named('t2.micro').PlacementGroupInfo!.SupportedStrategies).not.toContain('cluster');
});

test('filters and offerings', async () => {
  const filtered = async (Name: string, ...Values: string[]) =>
    (await ec2.send(new DescribeInstanceTypesCommand({ Filters: [{ Name, Values }] }))).InstanceTypes!.map(
      (one) => one.InstanceType,
    );
  expect(await filtered('instance-type', 'c5n.*')).toContain('c5n.metal');
  expect(await filtered('bare-metal', 'true')).not.toContain('c5n.large');
  expect(await filtered('hibernation-supported', 'true')).not.toContain('m5.metal');
  await refused(filtered('size', 'x'), 'InvalidParameterValue', "The filter 'size' is invalid");
  const offered = await ec2.send(
    new DescribeInstanceTypeOfferingsCommand({
      LocationType: 'availability-zone',
      Filters: [{ Name: 'instance-type', Values: ['m5.large'] }],
    }),
  );
  expect(offered.InstanceTypeOfferings!.map((one) => one.Location)).toContain('us-east-1a');
  await refused(
    ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['m5.huge' as never] })),
    'InvalidInstanceType',
    'The following supplied instance types do not exist: [m5.huge]',
  );
});

/** DescribeInstanceTypes and DescribeInstanceTypeOfferings, from the catalogue. */
import type { EC2, InstanceTypeInfo as ShownType } from '@aws-sdk/client-ec2';
import { findRegion, isInstanceTypeOffered } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { applyFilters } from '../filters.ts';
import { page } from '../paging.ts';
import { offeredZones } from '../zones.ts';
import { type InstanceTypeInfo, instanceTypes } from './type-catalogue.ts';

function describeType(type: InstanceTypeInfo): ShownType {
  const { disks, gpus } = type;
  return {
    InstanceType: type.name as never,
    CurrentGeneration: type.currentGeneration,
    FreeTierEligible: type.name === 't2.micro' || type.name === 't3.micro',
    SupportedUsageClasses: ['on-demand', 'spot'],
    SupportedRootDeviceTypes: ['ebs'],
    SupportedVirtualizationTypes: ['hvm'],
    BareMetal: false,
    Hypervisor: type.nitro ? 'nitro' : 'xen',
    ProcessorInfo: { SupportedArchitectures: [type.architecture] },
    VCpuInfo: { DefaultVCpus: type.vcpus },
    MemoryInfo: { SizeInMiB: type.memoryMiB },
    InstanceStorageSupported: disks !== undefined,
    InstanceStorageInfo:
      disks === undefined
        ? undefined
        : {
            TotalSizeInGB: disks.count * disks.sizeGiB,
            Disks: [{ Count: disks.count, SizeInGB: disks.sizeGiB, Type: disks.type }],
            NvmeSupport: disks.nvme ? 'required' : 'unsupported',
          },
    GpuInfo:
      gpus === undefined
        ? undefined
        : {
            Gpus: [
              { Count: gpus.count, Name: gpus.name, Manufacturer: gpus.manufacturer, MemoryInfo: { SizeInMiB: gpus.memoryMiB } },
            ],
            TotalGpuMemoryInMiB: gpus.count * gpus.memoryMiB,
          },
    NetworkInfo: {
      NetworkPerformance: type.networkPerformance,
      MaximumNetworkInterfaces: type.interfacesMax,
      MaximumNetworkCards: 1,
      Ipv4AddressesPerInterface: type.addressesPerInterfaceMax,
      Ipv6Supported: true,
      EnaSupport: type.nitro ? 'required' : 'unsupported',
    },
    BurstablePerformanceSupported: type.burstable,
    DedicatedHostsSupported: !type.burstable,
    AutoRecoverySupported: true,
    SupportedBootModes: ['legacy-bios'],
  };
}

/** Types of the Region, by name. */
function offered(ctx: Context): InstanceTypeInfo[] {
  return [...instanceTypes.values()]
    .filter((type) => isInstanceTypeOffered(type.name, ctx.region))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const instanceTypeHandlers: HandlersOf<EC2> = {
  /** Throws InvalidInstanceType for one that does not exist here (EC2-011). */
  DescribeInstanceTypes(input, ctx) {
    const all = offered(ctx);
    const wanted = input.InstanceTypes ?? [];
    const unknown = wanted.filter((name) => !all.some((type) => type.name === name));
    if (unknown.length > 0)
      throw new AwsError('InvalidInstanceType', `The following supplied instance types do not exist: [${unknown.join(', ')}]`);
    const rows = all
      .filter((type) => wanted.length === 0 || wanted.includes(type.name as never))
      .map((type) => ({ ...type, tags: {} }));
    const passing = applyFilters(rows, input.Filters, {
      'instance-type': (type) => type.name,
      'current-generation': (type) => type.currentGeneration,
      'burstable-performance-supported': (type) => type.burstable,
      'bare-metal': () => false,
      hypervisor: (type) => (type.nitro ? 'nitro' : 'xen'),
      'processor-info.supported-architecture': (type) => type.architecture,
      'vcpu-info.default-vcpus': (type) => type.vcpus,
      'memory-info.size-in-mib': (type) => type.memoryMiB,
      'instance-storage-supported': (type) => type.disks !== undefined,
      'free-tier-eligible': (type) => type.name === 't2.micro' || type.name === 't3.micro',
      'supported-root-device-type': () => 'ebs',
      'supported-virtualization-type': () => 'hvm',
      'network-info.maximum-network-interfaces': (type) => type.interfacesMax,
    });
    const found = page('DescribeInstanceTypes', passing, (type) => type.name, input, { ids: input.InstanceTypes });
    return { InstanceTypes: found.rows.map(describeType), NextToken: found.nextToken };
  },

  /** Where each type can be had: the Region, or each of its zones by name or id. */
  async DescribeInstanceTypeOfferings(input, ctx) {
    const kind = input.LocationType ?? 'region';
    const zones = await offeredZones(ctx);
    const places =
      kind === 'region' ? [ctx.region] : zones.map((zone) => (kind === 'availability-zone-id' ? zone.id : zone.name));
    if (findRegion(ctx.region) === undefined || kind === 'outpost') return { InstanceTypeOfferings: [] };
    const rows = offered(ctx).flatMap((type) => places.map((location) => ({ type: type.name, location, tags: {} })));
    const passing = applyFilters(rows, input.Filters, { 'instance-type': (row) => row.type, location: (row) => row.location });
    const found = page('DescribeInstanceTypeOfferings', passing, (row) => `${row.type} ${row.location}`, input);
    return {
      InstanceTypeOfferings: found.rows.map((row) => ({
        InstanceType: row.type as never,
        LocationType: kind,
        Location: row.location,
      })),
      NextToken: found.nextToken,
    };
  },
};

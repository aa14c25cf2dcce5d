/** DescribeInstanceTypes and DescribeInstanceTypeOfferings, from the catalogue. */
import type { EC2, InstanceTypeInfo as ShownType } from '@aws-sdk/client-ec2';
import { findRegion, isInstanceTypeOffered } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { applyFilters } from '../filters.ts';
import { page } from '../paging.ts';
import { offeredZones } from '../zones.ts';
import { canHibernate } from './hibernation.ts';
import { type InstanceTypeInfo, instanceTypes } from './type-catalogue.ts';

/** Cores can be chosen in steps of two, one thread or both of each ("CPU options for Amazon EC2 instances"). */
function describeCores(type: InstanceTypeInfo): ShownType['VCpuInfo'] {
  const cores = type.vcpus / type.threadsPerCore;
  const valid = cores < 2 ? [cores] : Array.from({ length: Math.floor(cores / 2) }, (_none, index) => (index + 1) * 2);
  return {
    DefaultVCpus: type.vcpus,
    DefaultCores: cores,
    DefaultThreadsPerCore: type.threadsPerCore,
    ValidCores: type.bareMetal || type.name.startsWith('t2.') ? undefined : valid,
    ValidThreadsPerCore: type.bareMetal ? undefined : type.threadsPerCore === 2 ? [1, 2] : [1],
  };
}

function describeType(type: InstanceTypeInfo): ShownType {
  const { disks, gpus, ebs } = type;
  return {
    InstanceType: type.name as never,
    CurrentGeneration: type.currentGeneration,
    FreeTierEligible: type.name === 't2.micro' || type.name === 't3.micro',
    SupportedUsageClasses: ['on-demand', 'spot'],
    SupportedRootDeviceTypes: ['ebs'],
    SupportedVirtualizationTypes: ['hvm'],
    BareMetal: type.bareMetal,
    Hypervisor: type.bareMetal ? undefined : type.nitro ? 'nitro' : 'xen',
    ProcessorInfo: {
      SupportedArchitectures: [type.architecture],
      SustainedClockSpeedInGhz: type.processor.ghz,
      Manufacturer: type.processor.manufacturer,
    },
    VCpuInfo: describeCores(type),
    EbsInfo: {
      EbsOptimizedSupport: type.nitro ? 'default' : 'unsupported',
      EncryptionSupport: 'supported',
      NvmeSupport: type.nitro ? 'required' : 'unsupported',
      EbsOptimizedInfo:
        ebs === undefined
          ? undefined
          : {
              BaselineBandwidthInMbps: ebs.mbps,
              BaselineThroughputInMBps: ebs.mbps / 8,
              BaselineIops: ebs.iops,
              MaximumBandwidthInMbps: ebs.mbpsMax,
              MaximumThroughputInMBps: ebs.mbpsMax / 8,
              MaximumIops: ebs.iopsMax,
            },
    },
    PlacementGroupInfo: {
      SupportedStrategies: type.burstable ? ['partition', 'spread'] : ['cluster', 'partition', 'spread'],
    },
    HibernationSupported: canHibernate(type),
    MemoryInfo: { SizeInMiB: type.memoryMiB },
    InstanceStorageSupported: disks !== undefined,
    InstanceStorageInfo:
      disks === undefined
        ? undefined
        : {
            EncryptionSupport: disks.nvme ? 'required' : 'unsupported',
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
    DedicatedHostsSupported: !type.burstable || type.name.startsWith('t3.'),
    AutoRecoverySupported: !type.bareMetal && disks === undefined,
    SupportedBootModes: type.architecture === 'arm64' ? ['uefi'] : type.nitro ? ['legacy-bios', 'uefi'] : ['legacy-bios'],
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
      'bare-metal': (type) => type.bareMetal,
      hypervisor: (type) => (type.bareMetal ? undefined : type.nitro ? 'nitro' : 'xen'),
      'auto-recovery-supported': (type) => !type.bareMetal && type.disks === undefined,
      'dedicated-hosts-supported': (type) => !type.burstable || type.name.startsWith('t3.'),
      'hibernation-supported': canHibernate,
      'ebs-info.ebs-optimized-support': (type) => (type.nitro ? 'default' : 'unsupported'),
      'ebs-info.encryption-support': () => 'supported',
      'ebs-info.nvme-support': (type) => (type.nitro ? 'required' : 'unsupported'),
      'ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps': (type) => type.ebs?.mbps,
      'ebs-info.ebs-optimized-info.baseline-iops': (type) => type.ebs?.iops,
      'ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps': (type) => type.ebs?.mbpsMax,
      'ebs-info.ebs-optimized-info.maximum-iops': (type) => type.ebs?.iopsMax,
      'instance-storage-info.disk.count': (type) => type.disks?.count,
      'instance-storage-info.disk.size-in-gb': (type) => type.disks?.sizeGiB,
      'instance-storage-info.disk.type': (type) => type.disks?.type,
      'instance-storage-info.nvme-support': (type) =>
        type.disks === undefined ? undefined : type.disks.nvme ? 'required' : 'unsupported',
      'instance-storage-info.total-size-in-gb': (type) =>
        type.disks === undefined ? undefined : type.disks.count * type.disks.sizeGiB,
      'network-info.ena-support': (type) => (type.nitro ? 'required' : 'unsupported'),
      'network-info.ipv4-addresses-per-interface': (type) => type.addressesPerInterfaceMax,
      'network-info.ipv6-supported': () => true,
      'network-info.network-performance': (type) => type.networkPerformance,
      'processor-info.sustained-clock-speed-in-ghz': (type) => type.processor.ghz,
      'supported-boot-mode': (type) => (type.architecture === 'arm64' ? 'uefi' : 'legacy-bios'),
      'supported-usage-class': () => ['on-demand', 'spot'],
      'vcpu-info.default-cores': (type) => type.vcpus / type.threadsPerCore,
      'vcpu-info.default-threads-per-core': (type) => type.threadsPerCore,
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

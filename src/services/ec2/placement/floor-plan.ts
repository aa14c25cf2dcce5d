/**
 * The hardware of a zone as placement data: data centers, racks in them, hosts in those. No computer stands behind a host; it decides what fails
 * together and how much fits. A place is a path, `us-east-1a/dc1/rack3/host5`, and what stands above it takes it along when it fails.
 */
const dataCentersPerZone = 3;
const racksPerDataCenter = 8;
const hostsPerRack = 8;
/** Racks of a zone, numbered through its data centers. */
export const racksPerZone = dataCentersPerZone * racksPerDataCenter;

/** What a host holds; a type that is larger takes one for itself. About a current two-socket host. */
export const hostCapacity = { vcpus: 192, memoryMiB: 1536 * 1024 } as const;

/** `us-east-1a/dc1/rack3` of the rack with this number, from 0. Racks alternate between data centers. */
export function rackPlace(zone: string, rack: number): string {
  return `${zone}/dc${(rack % dataCentersPerZone) + 1}/rack${rack + 1}`;
}

/** Hosts of a rack, beginning with the one that `start` says. */
export function hostPlaces(rack: string, start: number): string[] {
  return Array.from({ length: hostsPerRack }, (_none, index) => `${rack}/host${((start + index) % hostsPerRack) + 1}`);
}

/** The rack of a host's place. */
export function rackOf(place: string): string {
  return place.split('/').slice(0, 3).join('/');
}

/** Racks of a partition: those of different partitions are never the same, in any zone. */
export function isInPartition(rack: number, partition: number, partitions: number): boolean {
  return rack % partitions === partition - 1;
}

/**
 * Instance store: the local disks of types that have them ("Instance store temporary block storage for EC2 instances"). NVMe ones are there without asking; others where a block
 * device mapping names them (`ephemeral0`). Their bytes live from start to stop.
 */
import type { InstanceRow } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';

export interface LocalDisk {
  /** Name of the disk in the volumes plane. */
  key: string;
  sizeBytes: number;
  name: string;
  links: readonly string[];
}

/** DescribeInstanceTypes gives sizes in GB of a thousand million bytes. */
const gigabyte = 1000 ** 3;
const sector = 4096;

/** The local disks of an instance. */
export function localDisksOf(instance: InstanceRow): LocalDisk[] {
  const info = instanceTypes.get(instance.type);
  const disks = info?.disks;
  if (info === undefined || disks === undefined) return [];
  const sizeBytes = Math.floor((disks.sizeGiB * gigabyte) / sector) * sector;
  const key = (index: number): string => `${instance.id}-local${index}`;
  if (disks.nvme) {
    // Numbers after those that volumes can have, so that attaching a volume renames nothing.
    const first = info.nitro ? 26 : 0;
    return Array.from({ length: disks.count }, (_, index) => ({
      key: key(index),
      sizeBytes,
      name: `nvme${first + index}n1`,
      links: [`disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_AWS${instance.id.slice(2)}${index}`],
    }));
  }
  return (instance.localMappings ?? [])
    .filter(({ index }) => index < disks.count)
    .map(({ index, device }) => {
      const tail = device.replace(/^(\/dev\/)?(sd|xvd|hd)/, '');
      return { key: key(index), sizeBytes, name: `xvd${tail}`, links: [`sd${tail}`] };
    });
}

/**
 * The disks of one boot of a machine: nodes and links below its /dev, the right to open them, bounds of speed, and what /sys and /proc show. Those of the spec at the
 * start are made by the runtime; later changes here, while the machine runs. A disk that is no longer wanted stays while it is mounted inside.
 */
import { machineMounts, unmountInMachine } from '../../machine/block-mount.ts';
import { type CgroupLayout, limitDisk, setDeviceAccess } from '../../machine/cgroup.ts';
import { removeMachineDevice, writeMachineDevice } from '../../machine/device-node.ts';
import { linkTarget, writeDiskView } from './disk-view.ts';
import type { MachineDisk } from './types.ts';

export interface MachineDisksOptions {
  pid: number;
  cgroups: CgroupLayout;
  cgroup: string;
  /** Folder shown as /sys/block. */
  blocks: string;
}

export class MachineDisks {
  readonly #options: MachineDisksOptions;
  #disks: MachineDisk[];

  /** `disks` were given to the runtime at the start. */
  constructor(options: MachineDisksOptions, disks: readonly MachineDisk[]) {
    this.#options = options;
    this.#disks = [...disks];
    for (const disk of disks) this.#limit(disk);
  }

  get current(): readonly MachineDisk[] {
    return this.#disks;
  }

  /** Makes it so; resolves with the numbers of disks that should be gone and are still mounted. */
  async apply(wanted: readonly MachineDisk[]): Promise<string[]> {
    const busy: string[] = [];
    const mounted = new Set((await machineMounts(this.#options.pid)).map(({ number }) => number));
    for (const disk of [...this.#disks]) {
      if (wanted.some((one) => isSame(one, disk))) continue;
      if (mounted.has(disk.number)) busy.push(disk.number);
      else await this.#remove(disk);
    }
    for (const disk of wanted) {
      if (!this.#disks.some((one) => isSame(one, disk))) await this.#add(disk);
      this.#limit(disk);
    }
    writeDiskView(this.#options.blocks, this.#disks);
    return busy;
  }

  /** Whether the device is mounted inside. */
  async hasMounted(number: string): Promise<boolean> {
    return (await machineMounts(this.#options.pid)).some((mount) => mount.number === number);
  }

  /** Takes a disk away, also one that is mounted: programs that have files open there keep them until they end. */
  async drop(number: string): Promise<void> {
    const mounts = (await machineMounts(this.#options.pid)).filter((mount) => mount.number === number);
    for (const mount of mounts.reverse()) await unmountInMachine(this.#options.pid, mount.path, true);
    const disk = this.#disks.find((one) => one.number === number);
    if (disk !== undefined) await this.#remove(disk);
    writeDiskView(this.#options.blocks, this.#disks);
  }

  async #add(disk: MachineDisk): Promise<void> {
    const { pid, cgroups, cgroup } = this.#options;
    setDeviceAccess(cgroups, cgroup, disk.number, true);
    await writeMachineDevice(
      pid,
      disk.name,
      disk.number,
      disk.links.map((link) => ({ link, target: linkTarget(link, disk.name) })),
    );
    this.#disks.push(disk);
  }

  async #remove(disk: MachineDisk): Promise<void> {
    const { pid, cgroups, cgroup } = this.#options;
    await removeMachineDevice(pid, [disk.name, ...disk.links]);
    limitDisk(cgroups, cgroup, disk.number, undefined);
    setDeviceAccess(cgroups, cgroup, disk.number, false);
    this.#disks = this.#disks.filter((one) => one !== disk);
  }

  #limit(disk: MachineDisk): void {
    limitDisk(this.#options.cgroups, this.#options.cgroup, disk.number, disk.limits);
  }
}

function isSame(one: MachineDisk, other: MachineDisk): boolean {
  return one.number === other.number && one.name === other.name;
}

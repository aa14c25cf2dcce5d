/**
 * Machines: containers with an operating system of their own, in the plane's own words. A caller hands the complete desired spec of one machine
 * and is told by events and `status` what became of it.
 */
export interface MachineSpec {
  /** Stable name, unique in the cloud: at most 64 of [a-z0-9-]. */
  key: string;
  /** Image of the plane's catalogue: `host` is made from the host's own userland; others were made by `freeze` or `importImage`. */
  image: string;
  /** Writable layer that survives stop and start; at most 64 of [a-z0-9-]. Made empty when it does not exist. */
  rootVolume: string;
  hostname: string;
  vcpus: number;
  memoryMiB: number;
  /** Key that the root volume is encrypted with at rest, and those layers of its image that are; the same at every call. Absent: not encrypted. */
  secret?: Uint8Array | undefined;
  /** True: it should run. False: it should be shut down (its root volume stays). */
  running: boolean;
  /**
   * With `running` false: it should stand still with its memory kept, instead of being shut down, and go on from there when it should run again. Only a machine
   * that runs can be made so, and only until Pilvi ends: then it is stopped. Its disks must stay open.
   */
  frozen?: boolean | undefined;
  /** A change of number asks for a reboot: memory and processes are lost, root volume and addresses stay. */
  bootNumber: number;
  /** Run by the machine's init as root, once in the life of the root volume, after the network is up; `undefined` when there is none. */
  userData?: Uint8Array | undefined;
  /**
   * Login name of the image's user and the public keys (OpenSSH lines) allowed to log in by SSH. Both are written at the first boot of the root
   * volume, as cloud images do; what is changed inside later stays.
   */
  user: string;
  authorizedKeys: readonly string[];
  /** POSIX shell script that prints further public keys of the user named by its first argument; the SSH server runs it at each login. */
  keysProgram?: string | undefined;
  /**
   * Network devices inside; the fabric creates them in the machine's namespace. The namespace of a machine with devices is the fabric's to remove;
   * one without devices is made and removed by the machines plane.
   */
  ports: readonly MachinePort[];
  environment?: Readonly<Record<string, string>> | undefined;
  /** Name servers and search domains, written to /etc/resolv.conf at each boot; absent leaves the image's file. */
  resolver?: { servers: readonly string[]; search: readonly string[] } | undefined;
  /** Block devices it sees besides its root. A change takes effect at once, also while it runs; one that is mounted inside stays until it is not. */
  disks?: readonly MachineDisk[] | undefined;
}

/** An open device of the host (volumes plane) as one machine sees it. */
export interface MachineDisk {
  /** Device of the host, as `/dev/loop5`. */
  device: string;
  /** Its number, as `7:5`. */
  number: string;
  /** Name of the node below /dev, as `nvme1n1`. */
  name: string;
  /** Other names below /dev that lead to it, as `sdf` or `disk/by-id/x`. */
  links: readonly string[];
  /** Bounds of reading and of writing, each for itself; absent: as fast as the host is. Zero stalls every access until there is another bound. */
  limits?: { bytesPerSecond: number; operationsPerSecond: number } | undefined;
}

export interface MachinePort {
  network: string;
  port: string;
  device: string;
}

export type MachineState = 'starting' | 'running' | 'stopping' | 'stopped' | 'frozen' | 'failed';

export interface MachineStatus {
  key: string;
  state: MachineState;
  /** Why, when failed or stopped by itself (init exited, out of memory, shut down from inside). */
  reason?: string | undefined;
  /** Real time in milliseconds since the epoch at which the current run began. */
  startedAt?: number | undefined;
  userDataDone: boolean;
  /** True when the machine was shut down from inside (poweroff, init exit), not by its spec. */
  stoppedFromInside: boolean;
  cpuMicros: number;
  memoryBytes: number;
  diskReadBytes: number;
  diskWriteBytes: number;
  /** Numbers of devices that the spec no longer has and the machine still has mounted. */
  busyDisks?: readonly string[] | undefined;
}

export interface Machines {
  /** Why machines cannot run on this host, or undefined when they can. */
  readonly unavailable: string | undefined;
  /** What machines lack here though they run (limits of memory, an uptime of their own), in sentences for the user; absent when nothing. */
  readonly shortcomings?: readonly string[];
  /**
   * Makes the machine so: idempotent, one at a time for each key. Resolves when it runs (init is up), has stopped, or could not start (`failed`, with
   * the reason; the next call tries again). While it runs, only `running`, `bootNumber` and `disks` have an effect at once; the rest waits for the
   * next boot. A machine that ended by itself stays down until `bootNumber` changes or `running` has been false.
   */
  ensureMachine(spec: MachineSpec): Promise<MachineStatus>;
  /** Stops it at once and forgets it; the root volume stays. Safe to repeat. */
  removeMachine(key: string): Promise<void>;
  /** Why machines cannot be frozen here, or undefined when they can. */
  readonly freezingUnavailable: string | undefined;
  /** Bytes written to a root volume, without what lies below it in its image; zero when there is none. */
  volumeBytes(rootVolume: string, secret?: Uint8Array): Promise<number>;
  /** Deletes a root volume. Safe to repeat. */
  removeVolume(rootVolume: string): Promise<void>;
  /** Names of the root volumes that exist on the host, whoever made them. */
  volumes(): Promise<string[]>;
  /** Freezes a copy of a root volume into an image, encrypted with the volume's key when it has one; the machine may run. */
  freeze(rootVolume: string, image: string, secret?: Uint8Array): Promise<void>;
  removeImage(image: string): Promise<void>;
  status(key: string): Promise<MachineStatus | undefined>;
  machines(): Promise<string[]>;
  /** Console output since the current boot, at most the last 64 KiB. */
  console(key: string): Promise<Uint8Array>;
  /** Runs a program inside and returns what it printed; for `pilvi shell` and tests of the plane. */
  exec(
    key: string,
    argv: readonly string[],
    input?: Uint8Array,
  ): Promise<{ status: number; stdout: Uint8Array; stderr: Uint8Array }>;
  /** Whether any machine has the device of this number mounted. */
  hasMounted(number: string): Promise<boolean>;
  /** Takes a device away from a machine at once, also when it is mounted inside: pulling the plug. Safe to repeat. */
  dropDisk(key: string, number: string): Promise<void>;
  /** Called whenever a machine's state changes without being asked to, and when it unmounted a disk. */
  onChange(listener: (status: MachineStatus) => void): void;
  close(): Promise<void>;
}

/**
 * Disks: block devices with bytes that outlive every machine, and frozen copies of them. The caller hands complete specs; devices exist while they are
 * open. Which machine sees a device is the machines plane's business (`MachineSpec.disks`).
 */

/** The key a disk is encrypted with at rest: 32 bytes. Never kept on disk. */
export type DiskSecret = Uint8Array;

export interface DiskSpec {
  /** Stable name, unique in the cloud: at most 64 of [a-z0-9-]. */
  key: string;
  /** Grows the disk when it is smaller; never shrinks it. */
  sizeBytes: number;
  /** Encrypted at rest with it; `undefined`: not encrypted. The same at every call. */
  secret?: DiskSecret | undefined;
  /** What it begins with when it does not exist yet: a frozen copy; empty when absent. */
  origin?: CopyName | undefined;
}

export interface CopyName {
  key: string;
  secret?: DiskSecret | undefined;
}

export interface OpenDisk {
  key: string;
  /** Device of the host, as `/dev/loop5`. */
  device: string;
  /** Its major and minor number, as `7:5`. */
  number: string;
}

export interface Volumes {
  /** Why block devices cannot be had on this host, or undefined when they can. */
  readonly unavailable: string | undefined;
  /** Why disks cannot be encrypted, or undefined when they can. */
  readonly encryptionUnavailable: string | undefined;
  /** Makes the disk with its first bytes, or grows it, also while it is open. Idempotent. Throws `CommandFailed` when the host cannot hold it. */
  ensureDisk(spec: DiskSpec): Promise<void>;
  /** Shows the disk as a device. Idempotent: an open disk stays as it is. `quick` disks stand for ones inside the host: through its memory. */
  openDisk(spec: DiskSpec, options?: { quick?: boolean }): Promise<OpenDisk>;
  /** Grows a disk that is open, and its device; one that is not grows when it is opened. Never shrinks. */
  growOpenDisk(key: string, sizeBytes: number): Promise<void>;
  /** Takes the device away and forgets the secret. Safe to repeat. */
  closeDisk(key: string): Promise<void>;
  openDisks(): readonly OpenDisk[];
  /** Closes and deletes. Safe to repeat. */
  removeDisk(key: string): Promise<void>;
  /** Names of the disks that exist. */
  disks(): Promise<string[]>;
  /** Copies a disk as it is now, also while a machine has it mounted. Idempotent: a copy that exists stays as it is. Resolves with its allocated bytes. */
  copyDisk(from: DiskSpec, to: CopyName): Promise<number>;
  /** Copies a copy, perhaps under another secret. Idempotent. */
  copyCopy(from: CopyName, to: CopyName): Promise<number>;
  removeCopy(key: string): Promise<void>;
  copies(): Promise<string[]>;
  close(): Promise<void>;
}

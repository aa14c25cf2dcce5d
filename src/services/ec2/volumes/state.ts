/**
 * Rows of EBS volumes and snapshots.
 *
 * A volume's bytes are a disk of the volumes plane under the volume's id; those of a root volume are the machines plane's (`MachineSpec.rootVolume`). A snapshot's are a copy of
 * the volumes plane under the snapshot's id; of a root volume, an image of the machines plane under that id (`rootImage`): an image made of such a snapshot names it as
 * its `planeImage`. To take one in a transaction of one's own (CreateImage): `addSnapshot` in snapshots.ts; it is pending until the reconciler has copied the bytes.
 */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';
import type { VolumeType } from './volume-types.ts';

/** How bytes are encrypted: the key, and the data key under it. */
export interface Encryption {
  keyArn: string;
  /** The data key, encrypted by KMS; base64. Volumes and snapshots of one line share it, as in AWS. */
  dataKey: string;
  /** The data key for the planes, sealed by the cloud's own vault, while a job or an attachment needs it; base64. */
  sealed?: string | undefined;
}

export interface Attachment {
  instanceId: string;
  /** As asked for: `/dev/sdf`. */
  device: string;
  /** Position among the instance's disks, which gives NVMe names; from 1 on. */
  slot: number;
  deleteOnTermination: boolean;
  attachedAt: Millis;
  state: 'attaching' | 'attached' | 'detaching' | 'busy';
  /** DetachVolume with Force: goes though it is mounted. */
  force?: boolean | undefined;
}

export interface Modification {
  state: 'modifying' | 'optimizing' | 'completed' | 'failed';
  progress: number;
  started: Millis;
  ended?: Millis | undefined;
  original: { sizeGiB: number; type: VolumeType; iops?: number | undefined; throughput?: number | undefined };
  target: { sizeGiB: number; type: VolumeType; iops?: number | undefined; throughput?: number | undefined };
  message?: string | undefined;
}

export interface VolumeRow {
  id: string;
  sizeGiB: number;
  type: VolumeType;
  iops?: number | undefined;
  throughput?: number | undefined;
  zone: string;
  created: Millis;
  /** The instance of a root volume; absent when it outlived its instance. Device and flags are the instance's (`rootVolume`). */
  instanceId?: string | undefined;
  /** True for a volume made as a root: its bytes are the machines plane's. */
  root?: boolean | undefined;
  /** Work on the bytes that is not done; absent when they are ready. */
  pending?: 'creating' | 'deleting' | undefined;
  failure?: string | undefined;
  snapshotId?: string | undefined;
  /** The snapshot was fully initialised in this zone when the volume was made. */
  fastRestored?: boolean | undefined;
  encryption?: Encryption | undefined;
  /** The data key of the snapshot it is made of, sealed, while it is made. */
  originSealed?: string | undefined;
  multiAttach?: boolean | undefined;
  attachments?: readonly Attachment[] | undefined;
  modification?: Modification | undefined;
  autoEnableIo?: boolean | undefined;
  /** I/O stands still (chaos), since this time. */
  stalledSince?: Millis | undefined;
  clientToken?: string | undefined;
  /** For the bill: what it was before is counted up to then. */
  countedUntil?: Millis | undefined;
  tags: TagMap;
}

export const Volumes = defineTable<VolumeRow>()({
  name: 'ec2.volumes',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byInstance: (row) => [
      ...(row.instanceId === undefined ? [] : [[row.instanceId]]),
      ...(row.attachments ?? []).map(({ instanceId }) => [instanceId]),
    ],
    byClientToken: (row) => (row.clientToken === undefined ? undefined : [row.clientToken]),
  },
});

export interface FastRestore {
  zone: string;
  state: 'enabling' | 'optimizing' | 'enabled' | 'disabling';
  since: Millis;
  enabledAt?: Millis | undefined;
}

export interface SnapshotRow {
  id: string;
  volumeId: string;
  sizeGiB: number;
  description: string;
  started: Millis;
  completed?: Millis | undefined;
  state: 'pending' | 'completed' | 'error';
  failure?: string | undefined;
  /** Of a root volume: the bytes are an image of the machines plane under this snapshot's id (or under that of the snapshot it was copied from). */
  rootImage?: string | undefined;
  /** What its bytes are copied from while it is pending; `region` and `account` of another place. */
  source?: { kind: 'volume' | 'snapshot'; id: string; region?: string | undefined; account?: string | undefined } | undefined;
  /** For a copy under another key: the source's, sealed, while it is pending. */
  sourceSealed?: string | undefined;
  encryption?: Encryption | undefined;
  /** Accounts that may make volumes of it; `all`: everyone. */
  sharedWith: readonly string[];
  tier: 'standard' | 'archive';
  tiering?: {
    operation:
      | 'archiving'
      | 'restoring-temporarily'
      | 'restoring-permanently'
      | 'temporarily-restored'
      | 'archived'
      | 'permanently-restored';
    started: Millis;
    ended?: Millis | undefined;
    /** End of a temporary restore. */
    restoreExpires?: Millis | undefined;
    days?: number | undefined;
  };
  archivedAt?: Millis | undefined;
  fastRestores: readonly FastRestore[];
  /** In the recycle bin. */
  recycled?: { entered: Millis; exits: Millis } | undefined;
  lock?:
    | {
        mode: 'governance' | 'compliance';
        created: Millis;
        coolOffExpires?: Millis | undefined;
        expires: Millis;
        durationDays: number;
        durationFrom: Millis;
      }
    | undefined;
  /** The volume's whole content was allocated blocks of this many bytes. */
  bytes?: number | undefined;
  /** For the bill: what it was before is counted up to then. */
  countedUntil?: Millis | undefined;
  tags: TagMap;
}

export const Snapshots = defineTable<SnapshotRow>()({
  name: 'ec2.snapshots',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVolume: (row) => [row.volumeId] },
});

/** An account's settings of EBS in a Region. */
export interface EbsSettingsRow {
  id: 'ebs';
  encryptByDefault: boolean;
  /** ARN or id as given; absent: alias/aws/ebs. */
  defaultKey?: string | undefined;
}

export const EbsSettings = defineTable<EbsSettingsRow>()({
  name: 'ec2.ebsSettings',
  scope: 'region',
  key: (row) => [row.id],
});

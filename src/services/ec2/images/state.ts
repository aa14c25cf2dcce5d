/** Rows of images that accounts own; the provider's own catalogue is data (catalogue.ts). */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { Encryption } from '../volumes/state.ts';
import type { VolumeType } from '../volumes/volume-types.ts';
import type { TagMap } from '../vpc/state.ts';

/** A volume beside the root that instances of an image begin with. */
export interface ImageVolume {
  device: string;
  snapshotId: string;
  sizeGiB: number;
  type: VolumeType;
  iops?: number | undefined;
  throughput?: number | undefined;
  encrypted: boolean;
  deleteOnTermination: boolean;
}

export interface ImageRow {
  id: string;
  name: string;
  description: string;
  state: 'pending' | 'available' | 'failed' | 'disabled';
  /** Why it failed. */
  stateReason?: string | undefined;
  created: Millis;
  architecture: 'x86_64' | 'arm64';
  rootDeviceName: string;
  rootSizeGiB: number;
  rootType: VolumeType;
  rootDeleteOnTermination: boolean;
  /** Absent for copies of the provider's images, which have no bytes of their own. */
  rootSnapshotId?: string | undefined;
  /** The root snapshot's encryption. */
  rootEncryption?: Encryption | undefined;
  volumes: readonly ImageVolume[];
  /** Image of the machines plane that it stands for: its root snapshot's. */
  planeImage: string;
  /** Login name. */
  user: string;
  /** Instances from it ask for IMDSv2 unless their launch says otherwise. */
  imdsV2: boolean;
  public: boolean;
  /** Accounts that may launch it beside the owner. */
  users: readonly string[];
  sourceImageId?: string | undefined;
  sourceImageRegion?: string | undefined;
  sourceInstanceId?: string | undefined;
  /** Until it is made: the instance whose volumes it takes, and whether that is stopped for it. */
  pendingFrom?: { instanceId: string; reboot: boolean } | undefined;
  deprecateAt?: Millis | undefined;
  deregistrationProtection: boolean;
  lastLaunched?: Millis | undefined;
  clientToken?: string | undefined;
  tags: TagMap;
}

export const Images = defineTable<ImageRow>()({
  name: 'ec2.images',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byName: (row) => [row.name],
    byClientToken: (row) => (row.clientToken === undefined ? undefined : [row.clientToken]),
  },
});

/** A Marketplace product whose terms the account has accepted. */
export interface SubscriptionRow {
  productCode: string;
  since: Millis;
}

export const Subscriptions = defineTable<SubscriptionRow>()({
  name: 'ec2.subscriptions',
  scope: 'account',
  key: (row) => [row.productCode],
});

/** Who owns an image and who may launch it, for lookups from other accounts. Stays when the image is deregistered, so that its id is never another's. */
export interface ImageOwnerRow {
  id: string;
  region: string;
  account: string;
  public: boolean;
  users: readonly string[];
  deregistered: boolean;
}

/** User under which public images are indexed. */
export const everyone = 'all';

export const ImageOwners = defineTable<ImageOwnerRow>()({
  name: 'ec2.imageOwners',
  scope: 'cloud',
  key: (row) => [row.id],
  indexes: {
    byUser: (row) =>
      row.deregistered ? [] : [...(row.public ? [everyone] : []), ...row.users].map((user) => [row.region, user]),
    byAccount: (row) => [row.account],
  },
});

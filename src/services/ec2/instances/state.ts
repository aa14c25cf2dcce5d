/** Rows of instances. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';

/** What should become of the machine; the state follows what does. */
export type InstanceIntent = 'running' | 'stopped' | 'terminated';

export interface InstanceRow {
  id: string;
  reservationId: string;
  /** Position within its reservation. */
  launchIndex: number;
  clientToken?: string | undefined;
  imageId: string;
  type: string;
  /** What it boots: the image's part that the machine needs, so that the image may go. */
  boot: { planeImage: string; user: string; architecture: 'x86_64' | 'arm64' };
  /** Its machine is down while this image is made of it; the state stays `running`. */
  heldFor?: string | undefined;
  keyName?: string | undefined;
  intent: InstanceIntent;
  state: InstanceState;
  /** The machine is off: its interfaces hang on nothing until the next start, so that the network is silent before the state says `stopped`. */
  linkDown?: boolean | undefined;
  /** Its operating system stands still since then, by order, until the boot after this one. */
  hung?: { since: Millis; boot: number } | undefined;
  /** Rises with each reboot asked for. */
  bootNumber: number;
  stateReason?: { code: string; message: string } | undefined;
  /** `User initiated (2026-11-20 12:00:00 GMT)` */
  transitionReason: string;
  launchedAt: Millis;
  terminatedAt?: Millis | undefined;
  vpcId: string;
  subnetId: string;
  zone: string;
  tenancy: 'default' | 'dedicated' | 'host';
  /** As asked for, and as it was settled: partition and host of the last start. */
  placement: {
    groupId?: string | undefined;
    groupName?: string | undefined;
    partition?: number | undefined;
    hostId?: string | undefined;
    affinity?: 'default' | 'host' | undefined;
  };
  /** Whether it is moved to another host when its own fails. */
  autoRecovery: 'default' | 'disabled';
  /** Host that it is on, or was on last: `us-east-1a/dc1/rack3/host5`. */
  place?: string | undefined;
  /** The primary interface gets a public address at each start. */
  publicIpWanted: boolean;
  /** Base64, as given. */
  userData?: string | undefined;
  /** ARN of the instance profile. */
  profileArn?: string | undefined;
  profileAssociationId?: string | undefined;
  /** Of burstable types. Kept and shown; machines here are not throttled when credits would have run out. */
  cpuCredits?: 'standard' | 'unlimited' | undefined;
  monitoring: boolean;
  ebsOptimized: boolean;
  shutdownBehaviour: 'stop' | 'terminate';
  terminationProtection: boolean;
  stopProtection: boolean;
  metadata: {
    httpTokens: 'optional' | 'required';
    hopLimit: number;
    endpoint: 'enabled' | 'disabled';
    tags: 'enabled' | 'disabled';
  };
  /** Asked for at launch: it may be hibernated. */
  hibernation?: boolean | undefined;
  /** When it was asked to hibernate; gone when it is started, or when hibernating failed. */
  hibernatedAt?: Millis | undefined;
  /** Of a Spot Instance: the request that it serves, and what announced its interruption. */
  spot?:
    | {
        requestId: string;
        type: 'one-time' | 'persistent';
        behaviour: 'terminate' | 'stop' | 'hibernate';
        maxPrice?: number | undefined;
        notice?: { at: Millis; because: 'capacity' | 'price' } | undefined;
        /** When it was recommended to rebalance, since an interruption had become likely. */
        recommendedAt?: Millis | undefined;
      }
    | undefined;
  rootDeviceName: string;
  /** Local disks that a mapping named (`ephemeral0` is index 0), for types whose disks are not NVMe. */
  localMappings?: readonly { index: number; device: string }[] | undefined;
  rootVolume: { id: string; sizeGiB: number; deleteOnTermination: boolean; attachedAt: Millis };
  tags: TagMap;
}

export const Instances = defineTable<InstanceRow>()({
  name: 'ec2.instances',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byReservation: (row) => [row.reservationId, row.launchIndex],
    bySubnet: (row) => [row.subnetId],
    byClientToken: (row) => (row.clientToken === undefined ? undefined : [row.clientToken]),
    byState: (row) => [row.state],
    byGroup: (row) => (row.placement.groupId === undefined ? undefined : [row.placement.groupId]),
    byHost: (row) => (row.placement.hostId === undefined ? undefined : [row.placement.hostId]),
  },
});

/** What a client token was first used with, so that a repeat gets the same answer and a different request is refused. */
export interface LaunchTokenRow {
  token: string;
  reservationId: string;
  /** SHA-256 of the parameters. */
  fingerprint: string;
}

export const LaunchTokens = defineTable<LaunchTokenRow>()({
  name: 'ec2.launchTokens',
  scope: 'region',
  key: (row) => [row.token],
});

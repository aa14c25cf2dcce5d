/**
 * What S3 offers to other services inside the process: what requests for S3 Control change, settings of accounts and access points. Types only may
 * be imported from here.
 */
import type { Identity } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import { bucketCheck, type ObjectAsk } from './access/checks.ts';
import {
  createPoint,
  deletePoint,
  listPoints,
  type PointAsk,
  type PointPlace,
  requirePoint,
  setPointPolicy,
} from './access/point-settings.ts';
import {
  beginMultiRegion,
  closeMultiRegion,
  establishPolicy,
  findMultiRegion,
  type MultiRegionAsk,
  type MultiRegionPlace,
  openMultiRegion,
  proposePolicy,
  removeMultiRegion,
  requireMultiRegion,
  type RouteUpdate,
  submitRoutes,
} from './access/multi-region-settings.ts';
import { isPublicPolicy } from './access/public-access.ts';
import { isPublicPoint } from './access/points.ts';
import { replicateNow } from './later/replicate.ts';
import { replicationOf, replicationRulesFor } from './later/replication-rules.ts';
import type { BucketAsk } from './lookup.ts';
import {
  type AccessPointRow,
  Accounts,
  type MultiRegionPointRow,
  MultiRegionPoints,
  type PublicBlock,
  type ReplicationConfig,
  type VersionRow,
  Versions,
} from './state.ts';

export type { AccessPointRow, MultiRegionAsk, MultiRegionPlace, MultiRegionPointRow, PointAsk, PointPlace, RouteUpdate };

/** A version as the lists of batch jobs are chosen from. */
export interface ListedVersion
  extends Pick<VersionRow, 'key' | 'versionId' | 'created' | 'bytes' | 'storageClass' | 'replication'> {
  encryption?: { kind: string; kmsKeyArn?: string | undefined; bucketKey: boolean } | undefined;
  /** Whether a rule of the bucket would replicate it, had it been there before. */
  eligible: boolean;
}

export interface S3Api {
  /** The Block Public Access settings of an account; undefined when it has none. */
  accountBlock(account: string): Promise<PublicBlock | undefined>;
  /** Sets them, or with undefined removes them. They hold for all buckets of the account at once. */
  setAccountBlock(account: string, block: PublicBlock | undefined): Promise<void>;
  /** Throws InvalidRequest, AccessDenied, AccessPointAlreadyOwnedByYou. */
  createAccessPoint(ask: PointAsk): Promise<AccessPointRow>;
  /** Throws NoSuchAccessPoint. */
  accessPoint(place: PointPlace): Promise<AccessPointRow>;
  /** By name; of one bucket if it is given. */
  accessPoints(place: Omit<PointPlace, 'name'> & { bucket?: string | undefined }): Promise<readonly AccessPointRow[]>;
  /** Throws NoSuchAccessPoint. */
  deleteAccessPoint(place: PointPlace): Promise<void>;
  /** With undefined removes it. Throws NoSuchAccessPoint, MalformedPolicy, PolicyTooLarge, AccessDenied. */
  setAccessPointPolicy(place: PointPlace, policy: string | undefined): Promise<void>;
  isPublic(point: AccessPointRow): boolean;
  /** Multi-Region Access Points: each call throws NoSuchMultiRegionAccessPoint, and what access/multi-region-settings.ts says of it. */
  multiRegion: {
    begin(ask: MultiRegionAsk): Promise<MultiRegionPointRow>;
    open(place: MultiRegionPlace): Promise<MultiRegionPointRow>;
    close(place: MultiRegionPlace): Promise<void>;
    remove(place: MultiRegionPlace): Promise<void>;
    get(place: MultiRegionPlace): Promise<MultiRegionPointRow>;
    list(account: string): Promise<readonly MultiRegionPointRow[]>;
    /** By ARN or alias. */
    find(account: string, named: string): Promise<MultiRegionPointRow>;
    propose(place: MultiRegionPlace, policy: string): Promise<void>;
    establish(place: MultiRegionPlace): Promise<void>;
    isPublic(point: MultiRegionPointRow): boolean;
    route(account: string, named: string, updates: readonly RouteUpdate[]): Promise<void>;
  };
  /** All versions of a bucket but delete markers, in order of keys. Throws AccessDenied unless `identity` may have inventories made of it. */
  versions(ask: BucketAsk, identity: Identity): AsyncIterable<ListedVersion>;
  /** Replicates one version now. Throws AccessDenied, NoSuchKey, NoSuchVersion, and why it failed. */
  replicateObject(ask: ObjectAsk, identity: Identity): Promise<void>;
}

const batchRows = 1000;

async function* listVersions(system: Context, ask: BucketAsk, identity: Identity): AsyncGenerator<ListedVersion> {
  const acting = system.asIdentity(identity);
  await acting.permit(await bucketCheck(acting, ask, 's3:PutInventoryConfiguration'));
  const bucket = ask.Bucket ?? '';
  const config = await replicationOf(system, bucket);
  let after: { after?: (string | number)[] } = {};
  for (;;) {
    const rows = await system.table(Versions).list({ prefix: [bucket], ...after, limit: batchRows });
    for (const row of rows) if (row.marker !== true) yield listed(row, config);
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchRows) return;
    after = { after: [bucket, last.key, -last.sequence] };
  }
}

function listed(row: VersionRow, config: ReplicationConfig | undefined): ListedVersion {
  const { key, versionId, created, bytes, storageClass, replication, seal } = row;
  const eligible = config !== undefined && replicationRulesFor(config, { ...row, replication: undefined }).length > 0;
  const encryption = seal && { kind: seal.kind, kmsKeyArn: seal.kmsKeyArn, bucketKey: seal.bucketKey === true };
  return { key, versionId, created, bytes, storageClass, replication, encryption, eligible };
}

/** The api over a context of S3's own. */
export function createApi(system: Context): S3Api {
  return {
    async accountBlock(account) {
      return (await system.table(Accounts).get(account))?.publicBlock;
    },
    async setAccountBlock(account, publicBlock) {
      await system.transact((tx) => tx.table(Accounts).put({ account, publicBlock }));
    },
    createAccessPoint: (ask) => createPoint(system, ask),
    accessPoint: (place) => requirePoint(system, place),
    accessPoints: (place) => listPoints(system, place),
    deleteAccessPoint: (place) => deletePoint(system, place),
    setAccessPointPolicy: (place, policy) => setPointPolicy(system, place, policy),
    isPublic: isPublicPoint,
    multiRegion: {
      begin: (ask) => beginMultiRegion(system, ask),
      open: (place) => openMultiRegion(system, place),
      close: (place) => closeMultiRegion(system, place),
      remove: (place) => removeMultiRegion(system, place),
      get: (place) => requireMultiRegion(system, place),
      list: (account) => system.table(MultiRegionPoints).list({ prefix: [account] }),
      find: (account, named) => findMultiRegion(system, account, named),
      propose: (place, policy) => proposePolicy(system, place, policy),
      establish: (place) => establishPolicy(system, place),
      isPublic: ({ policy }) => isPublicPolicy(policy),
      route: (account, named, updates) => submitRoutes(system, account, named, updates),
    },
    versions: (ask, identity) => listVersions(system, ask, identity),
    replicateObject: (ask, identity) => replicateNow(system, ask, identity),
  };
}

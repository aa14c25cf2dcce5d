/**
 * What S3 offers to other services inside the process: what requests for S3 Control change, settings of accounts and access points. Types only may
 * be imported from here.
 */
import type { Context } from '../../kernel/context.ts';
import {
  createPoint,
  deletePoint,
  listPoints,
  type PointAsk,
  type PointPlace,
  requirePoint,
  setPointPolicy,
} from './access/point-settings.ts';
import { isPublicPoint } from './access/points.ts';
import { type AccessPointRow, Accounts, type PublicBlock } from './state.ts';

export type { AccessPointRow, PointAsk, PointPlace };

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
  };
}

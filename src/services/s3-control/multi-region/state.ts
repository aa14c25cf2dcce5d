/** Rows of asynchronous requests: what was asked of Multi-Region Access Points, and how far it is. */
import type { Millis } from '../../../base/clock.ts';
import type { Value } from '../../../store/store.ts';
import { defineTable } from '../../../store/tables.ts';

export type AsyncKind = 'CreateMultiRegionAccessPoint' | 'DeleteMultiRegionAccessPoint' | 'PutMultiRegionAccessPointPolicy';

export interface AsyncRequestRow {
  token: string;
  /** Given by the caller: the same one is the same request. */
  clientToken: string;
  kind: AsyncKind;
  created: Millis;
  /** Of the access point. */
  name: string;
  /** Details as they were asked for. */
  details: Value;
  status: 'INPROGRESS' | 'SUCCEEDED' | 'FAILED';
  failure?: { code: string; message: string } | undefined;
  /** Names of the Regions that it was carried out in. */
  regions: readonly string[];
}

export const AsyncRequests = defineTable<AsyncRequestRow>()({
  name: 's3-control.asyncRequests',
  scope: 'account',
  key: (row) => [row.token],
  indexes: { byClientToken: (row) => [row.kind, row.clientToken] },
});

/** Rows of Spot Instance requests. An instance that serves one names it (`InstanceRow.spot`). */
import type { Millis } from '../../../base/clock.ts';
import type { Value } from '../../../store/store.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export type InterruptionBehaviour = 'terminate' | 'stop' | 'hibernate';

/** What a launch asks of the Spot market. */
export interface SpotPlan {
  type: 'one-time' | 'persistent';
  behaviour: InterruptionBehaviour;
  /** USD per hour; none given means the On-Demand price. */
  maxPrice?: number | undefined;
  validUntil?: Millis | undefined;
}

export interface SpotRequestRow extends SpotPlan {
  id: string;
  created: Millis;
  state: 'open' | 'active' | 'closed' | 'cancelled' | 'failed' | 'disabled';
  status: { code: string; message: string; at: Millis };
  instanceId?: string | undefined;
  zone?: string | undefined;
  instanceType: string;
  imageId: string;
  /** The launch as RunInstances takes it, as JSON, for requests that are still to be served or served again. */
  launch: Value;
  clientToken?: string | undefined;
  tags: TagMap;
}

export const SpotRequests = defineTable<SpotRequestRow>()({
  name: 'ec2.spotRequests',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byClientToken: (row) => (row.clientToken === undefined ? undefined : [row.clientToken]) },
});

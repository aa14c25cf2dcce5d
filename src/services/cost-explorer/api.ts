/** What services tell of their use. Types only may be imported from here. */
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { addUsage } from './usage.ts';

/** An amount of something that is paid for, in the unit of its price: GB-months, requests, GB. */
export interface UsageLine {
  /** Who pays. */
  account: string;
  region: string;
  at: Millis;
  /** As bills name it: `Amazon Simple Storage Service`. */
  service: string;
  /** Without the prefix of its Region: `TimedStorage-ByteHrs`. */
  usageType: string;
  operation: string;
  amount: number;
  /** What the amount costs in US dollars, and its unit, where the price is not one of the list but of a market. */
  market?: { cost: number; unit: string } | undefined;
}

export interface CostExplorerApi {
  /** Adds to what is known of the days; lines of one kind and day become one. */
  addUsage(lines: readonly UsageLine[]): Promise<void>;
}

/** The api over a context of Cost Explorer's own. */
export function createApi(system: Context): CostExplorerApi {
  return { addUsage: (lines) => addUsage(system, lines) };
}

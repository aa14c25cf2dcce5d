/** What tests of bills share: an account's use, by usage type, as Cost Explorer shows it. */
import { CostExplorer, type Expression, type Group } from '@aws-sdk/client-cost-explorer';
import type { TestAccount } from '../../support/cloud.ts';

export const hour = 3_600_000;
export const day = 24 * hour;

/** `2026-11-21`, so many days from the host's today. */
export function dayFrom(days: number): string {
  return new Date(Date.now() + days * day).toISOString().slice(0, 10);
}

export interface Figure {
  cost: number;
  amount: number;
  unit: string | undefined;
}

/** All that was used, by usage type; accounts are new, and no test moves the clock by more than a year. */
export async function usageOf(account: TestAccount, Filter?: Expression): Promise<Map<string, Figure>> {
  const { ResultsByTime = [] } = await new CostExplorer(account.config()).getCostAndUsage({
    TimePeriod: { Start: dayFrom(-2), End: dayFrom(370) },
    Granularity: 'MONTHLY',
    Metrics: ['UnblendedCost', 'UsageQuantity'],
    GroupBy: [{ Type: 'DIMENSION', Key: 'USAGE_TYPE' }],
    Filter,
  });
  const found = new Map<string, Figure>();
  const groups = ResultsByTime.flatMap(({ Groups = [] }: { Groups?: Group[] | undefined }) => Groups);
  for (const { Keys: [key = ''] = [], Metrics: { UnblendedCost, UsageQuantity } = {} } of groups) {
    const before = found.get(key) ?? { cost: 0, amount: 0 };
    const [cost, amount] = [Number(UnblendedCost?.Amount), Number(UsageQuantity?.Amount)];
    found.set(key, { cost: before.cost + cost, amount: before.amount + amount, unit: UsageQuantity?.Unit });
  }
  return found;
}

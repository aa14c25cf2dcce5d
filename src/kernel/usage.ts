/**
 * What was used and is paid for: one row per account, day and kind of use. Services charge inside the transaction that notes what was counted, so that
 * a crash counts nothing twice and loses nothing. Prices are not in it; Cost Explorer looks them up when somebody asks. Rejected: telling Cost Explorer, which
 * cannot be one transaction with the teller's own mark.
 */
import type { Millis } from '../base/clock.ts';
import { defineTable } from '../store/tables.ts';
import type { Transaction } from './context.ts';

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

export interface UsageRow {
  /** `2026-11-21` */
  day: string;
  region: string;
  service: string;
  /** With the prefix of its Region. */
  usageType: string;
  operation: string;
  amount: number;
  /** Of what has no list price: what it cost, and its unit. */
  market?: { cost: number; unit: string } | undefined;
}

export const Usage = defineTable<UsageRow>()({
  name: 'cost-explorer.usage',
  scope: 'account',
  key: (row) => [row.day, row.region, row.service, row.usageType, row.operation],
});

/** Prefixes of usage types ("Understanding your AWS billing and usage reports for Amazon S3", region codes); none in us-east-1. */
const regionCodes: Readonly<Record<string, string>> = {
  'us-east-2': 'USE2',
  'us-west-1': 'USW1',
  'us-west-2': 'USW2',
  'ca-central-1': 'CAN1',
  'eu-west-1': 'EU',
  'eu-west-2': 'EUW2',
  'eu-west-3': 'EUW3',
  'eu-central-1': 'EUC1',
  'eu-north-1': 'EUN1',
  'eu-south-1': 'EUS1',
  'ap-northeast-1': 'APN1',
  'ap-northeast-2': 'APN2',
  'ap-northeast-3': 'APN3',
  'ap-southeast-1': 'APS1',
  'ap-southeast-2': 'APS2',
  'ap-south-1': 'APS3',
  'ap-east-1': 'APE1',
  'sa-east-1': 'SAE1',
  'me-south-1': 'MES1',
  'af-south-1': 'AFS1',
};

function inRegion(region: string, usageType: string): string {
  if (region === 'us-east-1') return usageType;
  return `${regionCodes[region] ?? region.toUpperCase()}-${usageType}`;
}

/** The usage type without the prefix of its Region. */
export function bareUsageType({ region, usageType }: Pick<UsageRow, 'region' | 'usageType'>): string {
  return usageType.slice(inRegion(region, '').length);
}

/** Adds to what is known of the days, as part of a transaction; lines of one kind and day become one. */
export async function charge(tx: Transaction, lines: readonly UsageLine[]): Promise<void> {
  for (const { account, region, at, service, usageType, operation, amount, market } of lines) {
    const usage = tx.tableIn({ account, region }, Usage);
    const day = new Date(at).toISOString().slice(0, 10);
    const row = { day, region, service, usageType: inRegion(region, usageType), operation, amount };
    const known = await usage.get(...usage.keyOf(row));
    const sum = market && { cost: market.cost + (known?.market?.cost ?? 0), unit: market.unit };
    await usage.put({ ...row, amount: amount + (known?.amount ?? 0), market: sum });
  }
}

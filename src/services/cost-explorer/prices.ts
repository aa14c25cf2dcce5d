/**
 * List prices in US dollars, those of us-east-1 ("Amazon S3 pricing", first tier of each, as of 2025). They stand for every Region: what differs between
 * Regions, volume tiers and the free tier are left out.
 */
import { bareUsageType, type UsageRow } from './usage.ts';

interface Price {
  perUnit: number;
  unit: string;
}

const perMonth = (dollars: number): Price => ({ perUnit: dollars, unit: 'GB-Mo' });
const perThousand = (dollars: number): Price => ({ perUnit: dollars / 1000, unit: 'Requests' });
const perGigabyte = (dollars: number): Price => ({ perUnit: dollars, unit: 'GB' });

const prices: Readonly<Record<string, Readonly<Record<string, Price>>>> = {
  'Amazon Simple Storage Service': {
    'TimedStorage-ByteHrs': perMonth(0.023),
    'TimedStorage-RRS-ByteHrs': perMonth(0.024),
    'TimedStorage-SIA-ByteHrs': perMonth(0.0125),
    'TimedStorage-ZIA-ByteHrs': perMonth(0.01),
    'TimedStorage-GIR-ByteHrs': perMonth(0.004),
    'TimedStorage-GlacierByteHrs': perMonth(0.0036),
    'TimedStorage-GDA-ByteHrs': perMonth(0.00099),
    'TimedStorage-INT-FA-ByteHrs': perMonth(0.023),
    'TimedStorage-INT-IA-ByteHrs': perMonth(0.0125),
    'TimedStorage-INT-AIA-ByteHrs': perMonth(0.004),
    'TimedStorage-INT-AA-ByteHrs': perMonth(0.0036),
    'TimedStorage-INT-DAA-ByteHrs': perMonth(0.00099),
    'Requests-Tier1': perThousand(0.005),
    'Requests-Tier2': perThousand(0.0004),
    'Requests-INT-Tier1': perThousand(0.005),
    'Requests-INT-Tier2': perThousand(0.0004),
    'Requests-SIA-Tier1': perThousand(0.01),
    'Requests-SIA-Tier2': perThousand(0.001),
    'Requests-ZIA-Tier1': perThousand(0.01),
    'Requests-ZIA-Tier2': perThousand(0.001),
    'Requests-GIR-Tier1': perThousand(0.02),
    'Requests-GIR-Tier2': perThousand(0.01),
    'Requests-GLACIER-Tier1': perThousand(0.03),
    'Requests-GLACIER-Tier2': perThousand(0.0004),
    'Requests-GDA-Tier1': perThousand(0.05),
    'Requests-GDA-Tier2': perThousand(0.0004),
    'Retrieval-SIA': perGigabyte(0.01),
    'Retrieval-ZIA': perGigabyte(0.01),
    'Retrieval-GIR': perGigabyte(0.03),
    'Expedited-Retrieval-Bytes': perGigabyte(0.03),
    'Standard-Retrieval-Bytes': perGigabyte(0.01),
    'Bulk-Retrieval-Bytes': perGigabyte(0),
    'Standard-Retrieval-Bytes-GDA': perGigabyte(0.02),
    'Bulk-Retrieval-Bytes-GDA': perGigabyte(0.0025),
  },
};

/** The price of a kind of use. Throws for what has none: a service that tells of it has forgotten to put its price here. */
export function priceOf(row: Pick<UsageRow, 'service' | 'region' | 'usageType'>): Price {
  const price = prices[row.service]?.[bareUsageType(row)];
  if (price === undefined) throw new Error(`No price of ${row.usageType} of ${row.service}.`);
  return price;
}

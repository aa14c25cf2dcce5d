/**
 * List prices in US dollars, those of us-east-1 ("Amazon S3 pricing", "Amazon EBS pricing", first tier of each, as of 2025). They stand for every Region: what differs between
 * Regions, volume tiers and the free tier are left out.
 */
import { bareUsageType, type UsageRow } from '../../kernel/usage.ts';

interface Price {
  perUnit: number;
  unit: string;
}

const perMonth = (dollars: number): Price => ({ perUnit: dollars, unit: 'GB-Mo' });
const perThousand = (dollars: number): Price => ({ perUnit: dollars / 1000, unit: 'Requests' });
const perMillion = (dollars: number): Price => ({ perUnit: dollars / 1e6, unit: 'Queries' });
const iops = (dollars: number): Price => ({ perUnit: dollars, unit: 'IOPS-Mo' });
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
  'Amazon Route 53': {
    'DNS-Queries': perMillion(0.4),
    'Intra-AWS-DNS-Queries': perMillion(0),
  },
  'EC2 - Other': {
    'DataTransfer-Regional-Bytes': perGigabyte(0.01),
    'EBS:VolumeUsage': perMonth(0.05),
    'EBS:VolumeUsage.gp2': perMonth(0.1),
    'EBS:VolumeUsage.gp3': perMonth(0.08),
    'EBS:VolumeUsage.piops': perMonth(0.125),
    'EBS:VolumeUsage.io2': perMonth(0.125),
    'EBS:VolumeUsage.st1': perMonth(0.045),
    'EBS:VolumeUsage.sc1': perMonth(0.015),
    'EBS:VolumeP-IOPS.gp3': iops(0.005),
    'EBS:VolumeP-IOPS.piops': iops(0.065),
    'EBS:VolumeP-IOPS.io2': iops(0.065),
    'EBS:VolumeP-IOPS.io2.tier2': iops(0.0455),
    'EBS:VolumeP-IOPS.io2.tier3': iops(0.03185),
    'EBS:VolumeP-Throughput.gp3': { perUnit: 40.96, unit: 'GiBps-mo' },
    'EBS:SnapshotUsage': perMonth(0.05),
    'EBS:SnapshotArchiveStorage': perMonth(0.0125),
    'EBS:SnapshotArchiveEarlyDelete': perMonth(0.0125),
    'EBS:SnapshotArchiveRetrieval': perGigabyte(0.03),
    'EBS:FastSnapshotRestore': { perUnit: 0.75, unit: 'DSU-Hrs' },
  },
};

/** The list price of a kind of use. Throws for what has none: a service that tells of it has forgotten to put its price here. */
function priceOf(row: Pick<UsageRow, 'service' | 'region' | 'usageType'>): Price {
  const price = prices[row.service]?.[bareUsageType(row)];
  if (price === undefined) throw new Error(`No price of ${row.usageType} of ${row.service}.`);
  return price;
}

/** What a row costs in US dollars. */
export function costOf(row: UsageRow): number {
  return row.market?.cost ?? row.amount * priceOf(row).perUnit;
}

/** The unit of a row's amount, as bills name it. */
export function unitOf(row: UsageRow): string {
  return row.market?.unit ?? priceOf(row).unit;
}

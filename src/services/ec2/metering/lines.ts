/**
 * What instances, volumes and snapshots use within a time, in the words and units of bills ("Amazon EC2 pricing", "Amazon EBS pricing", "Understanding
 * your EC2 usage"). Pure. A snapshot counts with all bytes that its volume had allocated, not with those alone that changed since the one before; one of a
 * root volume with the volume's size, because the bytes are layers that it shares with the image.
 */
import type { Millis } from '../../../base/clock.ts';
import type { InstanceRow } from '../instances/state.ts';
import { onDemandPrice, priceMillis, priceSince, spotPrice } from '../spot/prices.ts';
import type { SnapshotRow, VolumeRow } from '../volumes/state.ts';
import type { UsedRow } from './state.ts';

const hour: Millis = 3_600_000;
const day: Millis = 24 * hour;
const gib = 1024 ** 3;
/** "Billed … with a 1-hour minimum" (fast snapshot restore), "minimum archive period of 90 days". */
const fastRestoreMillisMin = hour;
const archiveMillisMin = 90 * day;

const compute = 'Amazon Elastic Compute Cloud - Compute';
const storage = 'EC2 - Other';

/** A time that use is counted for: from, and to without it. */
export interface Span {
  from: Millis;
  to: Millis;
}

function monthMillis(at: Millis): Millis {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) - Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
}

/** The span cut at each midnight UTC, and also where prices of a market may change. */
function cut({ from, to }: Span, step: Millis = day): Span[] {
  const parts: Span[] = [];
  for (let at = from; at < to; ) {
    const end = Math.min(to, (Math.floor(at / step) + 1) * step);
    parts.push({ from: at, to: end });
    at = end;
  }
  return parts;
}

function startOfDay(at: Millis): Millis {
  return Math.floor(at / day) * day;
}

/** Things kept over time, paid for by the month. */
function kept(span: Span, usageType: string, operation: string, count: number): UsedRow[] {
  if (count <= 0) return [];
  return cut(span).map(({ from, to }) => ({
    day: startOfDay(from),
    service: storage,
    usageType,
    operation,
    amount: (count * (to - from)) / monthMillis(from),
  }));
}

/** io2's prices fall in steps: from 32,000 and from 64,000 IOPS on. */
const io2Tiers = [
  { usageType: 'EBS:VolumeP-IOPS.io2', from: 0, to: 32_000 },
  { usageType: 'EBS:VolumeP-IOPS.io2.tier2', from: 32_000, to: 64_000 },
  { usageType: 'EBS:VolumeP-IOPS.io2.tier3', from: 64_000, to: Number.POSITIVE_INFINITY },
];
/** What comes with every gp3 volume. */
const gp3Iops = 3000;
const gp3Throughput = 125;
const mibPerGib = 1024;

/** A volume is paid for as provisioned, whether it is used or not. */
export function volumeLines(row: Pick<VolumeRow, 'type' | 'sizeGiB' | 'iops' | 'throughput'>, span: Span): UsedRow[] {
  const { type, sizeGiB, iops = 0, throughput = 0 } = row;
  const names: Partial<Record<VolumeRow['type'], string>> = { standard: 'EBS:VolumeUsage', io1: 'EBS:VolumeUsage.piops' };
  const operation = type === 'standard' ? 'CreateVolume' : `CreateVolume-${type[0]?.toUpperCase()}${type.slice(1)}`;
  const line = (usageType: string, count: number) => kept(span, usageType, operation, count);
  const lines = line(names[type] ?? `EBS:VolumeUsage.${type}`, sizeGiB);
  if (type === 'io1') lines.push(...line('EBS:VolumeP-IOPS.piops', iops));
  if (type === 'io2') for (const { usageType, from, to } of io2Tiers) lines.push(...line(usageType, Math.min(iops, to) - from));
  if (type === 'gp3') {
    lines.push(...line('EBS:VolumeP-IOPS.gp3', iops - gp3Iops));
    lines.push(...line('EBS:VolumeP-Throughput.gp3', (throughput - gp3Throughput) / mibPerGib));
  }
  return lines;
}

function gigabytesOf(row: SnapshotRow): number {
  return row.rootImage === undefined ? (row.bytes ?? 0) / gib : row.sizeGiB;
}

/** A snapshot's storage in its tier; while it is restored for some days it is paid for in both. */
export function snapshotLines(row: SnapshotRow, span: Span): UsedRow[] {
  if (row.state !== 'completed') return [];
  const size = gigabytesOf(row);
  const standard = row.tier === 'standard' ? kept(span, 'EBS:SnapshotUsage', 'CreateSnapshot', size) : [];
  const archived = row.archivedAt === undefined ? [] : kept(span, 'EBS:SnapshotArchiveStorage', 'CreateSnapshot', size);
  return [
    ...standard,
    ...archived,
    ...row.fastRestores.flatMap(({ enabledAt, since, state }) => {
      if (enabledAt === undefined) return [];
      const to = state === 'disabling' ? since : span.to;
      return hours(
        { from: Math.max(span.from, enabledAt), to: Math.min(span.to, to) },
        storage,
        'EBS:FastSnapshotRestore',
        'FastSnapshotRestore',
      );
    }),
  ];
}

/** What is left of the least time of a fast restore that ended. */
export function fastRestoreRest(enabledAt: Millis, endedAt: Millis): UsedRow[] {
  const span = { from: endedAt, to: enabledAt + fastRestoreMillisMin };
  return hours(span, storage, 'EBS:FastSnapshotRestore', 'FastSnapshotRestore');
}

/** What is left of the least time in the archive, all at once, when a snapshot leaves it for good. */
export function archiveRest(row: SnapshotRow, at: Millis): UsedRow[] {
  if (row.archivedAt === undefined) return [];
  const rest = row.archivedAt + archiveMillisMin - at;
  if (rest <= 0) return [];
  const amount = (gigabytesOf(row) * rest) / monthMillis(at);
  return [
    { day: startOfDay(at), service: storage, usageType: 'EBS:SnapshotArchiveEarlyDelete', operation: 'DeleteSnapshot', amount },
  ];
}

/** Bytes brought back from the archive. */
export function retrievalLine(row: SnapshotRow, at: Millis): UsedRow {
  const operation = 'RestoreSnapshotTier';
  return {
    day: startOfDay(at),
    service: storage,
    usageType: 'EBS:SnapshotArchiveRetrieval',
    operation,
    amount: gigabytesOf(row),
  };
}

function hours(span: Span, service: string, usageType: string, operation: string): UsedRow[] {
  return cut(span).map(({ from, to }) => ({ day: startOfDay(from), service, usageType, operation, amount: (to - from) / hour }));
}

/** Hours that an instance ran, On-Demand at its list price, Spot at the market's. Types without a price in the list cost nothing. */
export function instanceLines(row: Pick<InstanceRow, 'type' | 'zone' | 'spot'>, span: Span): UsedRow[] {
  const operation = 'RunInstances';
  if (row.spot === undefined) {
    const price = onDemandPrice(row.type) ?? 0;
    return hours(span, compute, `BoxUsage:${row.type}`, operation).map((line) => ({ ...line, cost: line.amount * price }));
  }
  return cut(span, priceMillis).map(({ from, to }) => {
    const amount = (to - from) / hour;
    const cost = amount * (spotPrice(row.type, row.zone, priceSince(from)) ?? 0);
    return {
      day: startOfDay(from),
      service: compute,
      usageType: `SpotUsage:${row.type}`,
      operation: `${operation}:SV`,
      amount,
      cost,
    };
  });
}

/**
 * Metrics of instances in CloudWatch, from what really runs: processor and disk of the machine's control group, packets of its interfaces, status
 * checks. A running instance is looked at every minute of the cloud's time; what is published every minute with detailed monitoring is published
 * every five without ("List the available CloudWatch metrics for your instances"). A jump of the clock gives each minute that was jumped over the
 * rates seen last, since nothing really ran in it.
 */
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import type { CloudWatchApi, ServiceDatum } from '../../cloudwatch/api.ts';
import { Interfaces } from '../interfaces/state.ts';
import { type InstanceRow, Instances } from './state.ts';
import { failingSince } from './status.ts';
import { instanceTypes } from './type-catalogue.ts';

const minute = 60_000;
/** Minutes between points without detailed monitoring. */
const basicMinutes = 5;
/** Real milliseconds below which two looks say nothing about a rate. */
const shortest = 250;
/** Instances whose last look is held. */
const heldMax = 10_000;
/** Longest time that one look fills with points. */
const filledMax = 86_400_000;
/** Tag by which Auto Scaling marks its instances. */
const groupTag = 'aws:autoscaling:groupName';

/** Counters of a machine, and the real time at which they were read. */
interface Counters {
  at: number;
  cpuMicros: number;
  diskRead: number;
  diskWrite: number;
  bytesIn: number;
  bytesOut: number;
  packetsIn: number;
  packetsOut: number;
}

/** What an instance did since the look before: a share of its processors, and amounts. */
type Usage = Readonly<Record<'cpuPercent' | Exclude<keyof Counters, 'at' | 'cpuMicros'>, number>>;

const idle: Usage = { cpuPercent: 0, diskRead: 0, diskWrite: 0, bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0 };

/** A cache of the last looks, made again after a restart; and the minutes that wait for a five-minute point. */
class Looks {
  readonly #last = new Map<string, { counters: Counters; usage: Usage }>();
  readonly #minutes = new Map<string, Usage[]>();

  /** Usage since the last look at this instance. */
  take(id: string, counters: Counters, vcpus: number): Usage {
    const before = this.#last.get(id);
    const elapsed = counters.at - (before?.counters.at ?? counters.at);
    if (before !== undefined && elapsed < shortest) return { ...idle, cpuPercent: before.usage.cpuPercent };
    const since = (member: Exclude<keyof Counters, 'at'>): number =>
      Math.max(0, counters[member] - (before?.counters[member] ?? 0));
    const usage: Usage = {
      cpuPercent: before === undefined ? 0 : Math.min(100, since('cpuMicros') / (elapsed * 10 * vcpus)),
      diskRead: since('diskRead'),
      diskWrite: since('diskWrite'),
      bytesIn: since('bytesIn'),
      bytesOut: since('bytesOut'),
      packetsIn: since('packetsIn'),
      packetsOut: since('packetsOut'),
    };
    if (this.#last.size >= heldMax) this.#last.clear();
    this.#last.set(id, { counters, usage });
    return usage;
  }

  /** The minutes of a point, once there are enough. */
  gather(id: string, usage: Usage, enough: boolean): Usage[] | undefined {
    const minutes = [...(this.#minutes.get(id) ?? []), usage];
    if (this.#minutes.size >= heldMax) this.#minutes.clear();
    this.#minutes.set(id, enough ? [] : minutes);
    return enough ? minutes : undefined;
  }
}

const looks = new Looks();

/** Asks for the first look at an instance that has begun to run. */
export async function watchInstance(tx: Transaction, ctx: Context, id: string): Promise<void> {
  await tx.schedule({ task: 'sampleInstance', key: id, due: Math.floor(ctx.now / minute) * minute + minute });
}

async function readCounters(ctx: Context, row: InstanceRow): Promise<Counters | undefined> {
  const [fabric, machines] = [ctx.part('fabric'), ctx.part('machines')];
  if (fabric.unavailable !== undefined || machines.unavailable !== undefined) return undefined;
  const status = await machines.status(row.id);
  if (status?.state !== 'running') return undefined;
  const cards = new Set((await ctx.table(Interfaces).byIndex('byInstance', [row.id])).map(({ id }) => id));
  const ports = (await fabric.portStatus(row.vpcId)).filter(({ key }) => cards.has(key));
  const sum = (member: 'rxBytes' | 'txBytes' | 'rxPackets' | 'txPackets') =>
    ports.reduce((total, port) => total + port[member], 0);
  return {
    at: ctx.clock.realNow(),
    cpuMicros: status.cpuMicros,
    diskRead: status.diskReadBytes,
    diskWrite: status.diskWriteBytes,
    bytesIn: sum('rxBytes'),
    bytesOut: sum('txBytes'),
    packetsIn: sum('rxPackets'),
    packetsOut: sum('txPackets'),
  };
}

/** Sets of dimensions under which an instance's metrics count. Image and type only with detailed monitoring ("Aggregate statistics"). */
function dimensionSets(row: InstanceRow): Readonly<Record<string, string>>[] {
  const group = row.tags[groupTag];
  return [
    { InstanceId: row.id },
    ...(group === undefined ? [] : [{ AutoScalingGroupName: group }]),
    ...(row.monitoring ? [{ ImageId: row.imageId }, { InstanceType: row.type }, {}] : []),
  ];
}

function usagePoints(row: InstanceRow, minutes: readonly Usage[], at: number): ServiceDatum[] {
  const total = (member: keyof Usage) => minutes.reduce((sum, usage) => sum + usage[member], 0);
  const values = [
    ['CPUUtilization', 'Percent', total('cpuPercent') / minutes.length],
    ['NetworkIn', 'Bytes', total('bytesIn')],
    ['NetworkOut', 'Bytes', total('bytesOut')],
    ['NetworkPacketsIn', 'Count', total('packetsIn')],
    ['NetworkPacketsOut', 'Count', total('packetsOut')],
    ['EBSReadBytes', 'Bytes', total('diskRead')],
    ['EBSWriteBytes', 'Bytes', total('diskWrite')],
  ] as const;
  return dimensionSets(row).flatMap((dimensions) => values.map(([name, unit, value]) => ({ name, unit, value, dimensions, at })));
}

/** Status checks come every minute, whatever the monitoring. */
function checkPoints(row: InstanceRow, failing: Record<'system' | 'instance', number | undefined>, at: number): ServiceDatum[] {
  const fails = { System: failing.system !== undefined, Instance: failing.instance !== undefined };
  const values = [
    ['StatusCheckFailed', fails.System || fails.Instance],
    ['StatusCheckFailed_System', fails.System],
    ['StatusCheckFailed_Instance', fails.Instance],
  ] as const;
  return values.map(([name, failed]) => ({
    name,
    unit: 'Count',
    value: failed ? 1 : 0,
    dimensions: { InstanceId: row.id },
    at,
  }));
}

/**
 * Looks at one running instance, publishes what is due, and asks to be called again. While the clock is being moved one look fills all minutes since the
 * look before, and none of those more than a day before the end: a year's worth of points that all say the same would take minutes to write.
 */
export const sampleInstance: Task = async ({ key, due }, ctx) => {
  const row = await ctx.table(Instances).get(key);
  if (row === undefined || row.intent !== 'running') return;
  const now = Math.floor(ctx.clock.now() / minute) * minute;
  const first = Math.max(due, Math.floor(ctx.clock.heading / minute) * minute - filledMax);
  if (first > now) {
    await ctx.transact((tx) => tx.schedule({ task: 'sampleInstance', key, due: first }));
    return;
  }
  const failing = await failingSince(ctx, row);
  const counters = await readCounters(ctx, row);
  const usage = counters === undefined ? idle : looks.take(row.id, counters, instanceTypes.get(row.type)?.vcpus ?? 1);
  const every = row.monitoring ? 1 : basicMinutes;
  const points: ServiceDatum[] = [];
  for (let at = first; at <= now; at += minute) {
    points.push(...checkPoints(row, failing, at - minute));
    // Amounts were measured once and belong to the first minute; the rate goes on.
    const minuteUsage = at === first ? usage : { ...idle, cpuPercent: usage.cpuPercent };
    const minutes = counters === undefined ? undefined : looks.gather(row.id, minuteUsage, (at / minute) % every === 0);
    // The point of a period carries the time of its beginning.
    if (minutes !== undefined) points.push(...usagePoints(row, minutes, at - every * minute));
  }
  const cloudwatch = await ctx.internal<CloudWatchApi>('cloudwatch');
  await cloudwatch.putMetrics(ctx, 'AWS/EC2', points);
  await ctx.transact((tx) => tx.schedule({ task: 'sampleInstance', key, due: now + minute }));
};

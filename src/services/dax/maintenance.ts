/** The weekly maintenance window (PreferredMaintenanceWindow, UTC): nodes that wait for a reboot to read a changed parameter group get it there, one by one. */
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import { invalidValue } from './errors.ts';
import { note } from './events.ts';
import { requireParameterGroup, settingsOf } from './parameters.ts';
import { type ClusterRow, Clusters, type NodeRow } from './state.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const form = /^(sun|mon|tue|wed|thu|fri|sat):([01]\d|2[0-3]):([0-5]\d)-(sun|mon|tue|wed|thu|fri|sat):([01]\d|2[0-3]):([0-5]\d)$/;

/** Throws InvalidParameterValueException unless it is a window of at least an hour. */
export function checkWindow(window: string): void {
  const [from, to] = momentsOf(window) ?? [];
  if (from === undefined || to === undefined || (to - from + 7 * day) % (7 * day) < 60 * minute)
    throw invalidValue(`The maintenance window ${window} is not valid.`);
}

/** Start and end, in milliseconds since the week began. */
function momentsOf(window: string): [number, number] | undefined {
  const match = form.exec(window);
  if (match === null) return undefined;
  const [, fromDay = '', fromHour, fromMinute, toDay = '', toHour, toMinute] = match;
  const moment = (name: string, hour?: string, minutes?: string): number =>
    days.indexOf(name) * day + (Number(hour) * 60 + Number(minutes)) * minute;
  return [moment(fromDay, fromHour, fromMinute), moment(toDay, toHour, toMinute)];
}

/** When the window opens next. The epoch was a Thursday. */
function nextOpening(window: string, after: Millis): Millis {
  const start = momentsOf(window)?.[0] ?? 0;
  const intoWeek = (after + 4 * day) % (7 * day);
  const wait = (start - intoWeek + 7 * day) % (7 * day);
  return after + (wait === 0 ? 7 * day : wait);
}

export const scheduleMaintenance = (tx: Transaction, row: ClusterRow, now: Millis): Promise<void> =>
  tx.schedule({ task: 'maintain', key: row.name, due: nextOpening(row.maintenanceWindow, now) });

/** The nodes of a cluster with one of them to be rebooted, which reads the parameter group then. */
export async function rebooting(tx: Transaction, row: ClusterRow, id: string): Promise<ClusterRow> {
  const settings = settingsOf(await requireParameterGroup(tx, row.parameterGroup));
  const nodes = row.nodes.map((node): NodeRow => (node.id === id ? { ...node, ...settings, status: 'rebooting' } : node));
  return { ...row, nodes, status: 'modifying' };
}

/** Reboots one node that waits for it, and comes again for the others. */
export const maintain: Task = async ({ key: name, due }, ctx: Context) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Clusters).get(name);
    if (row === undefined || row.status === 'deleting') return;
    const waiting = row.nodes.find(({ parameterGroup }) => parameterGroup !== row.parameterGroup);
    if (waiting === undefined) return scheduleMaintenance(tx, row, due);
    await tx.schedule({ task: 'maintain', key: name, due: due + minute });
    if (row.status !== 'available') return;
    await tx.table(Clusters).put(await rebooting(tx, row, waiting.id));
    await note(tx, ctx, { source: name, type: 'CLUSTER', message: `Maintenance: rebooting node ${waiting.id}.` });
    tx.hint('clusters', name);
  });
};

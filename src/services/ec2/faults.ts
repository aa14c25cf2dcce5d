/**
 * Faults that users order (`pilvi chaos`): an instance whose operating system hangs, an interface whose link is down, a path between two interfaces that
 * loses everything. Rows, so that they outlive a restart; status checks follow from them.
 */
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { Instances } from './instances/state.ts';
import { Interfaces } from './interfaces/state.ts';

export interface LinkFaultRow {
  /** One interface, or both ends of a path. */
  interfaces: readonly [string] | readonly [from: string, to: string];
  since: Millis;
}

const keyOf = ({ interfaces }: Pick<LinkFaultRow, 'interfaces'>): string => interfaces.join(' ');

/** In the account and Region of the first interface. */
export const LinkFaults = defineTable<LinkFaultRow>()({
  name: 'ec2.link-faults',
  scope: 'region',
  key: (row) => [keyOf(row)],
});

/** What is broken by order, for whoever asks what is wrong. */
export interface OrderedFaults {
  instances: readonly string[];
  interfaces: readonly string[];
  paths: readonly (readonly [from: string, to: string])[];
}

export async function orderedFaults(ctx: Context): Promise<OrderedFaults> {
  const links = (await ctx.everywhere(LinkFaults)).map(({ row }) => row.interfaces);
  return {
    instances: (await ctx.everywhere(Instances)).filter(({ row }) => hungSince(row) !== undefined).map(({ row }) => row.id),
    interfaces: links.flatMap((ends) => (ends.length === 1 ? [ends[0]] : [])),
    paths: links.flatMap((ends) => (ends.length === 2 ? [ends] : [])),
  };
}

/** Since when an instance's operating system hangs; it does until the next boot. */
export function hungSince({
  hung,
  bootNumber,
}: {
  hung?: { since: Millis; boot: number } | undefined;
  bootNumber: number;
}): Millis | undefined {
  return hung?.boot === bootNumber ? hung.since : undefined;
}

/** Lets a running instance of any account hang, or go on where it stood still; false when there is none. Safe to repeat. */
export async function hangInstance(ctx: Context, id: string, down: boolean): Promise<boolean> {
  const found = (await ctx.everywhere(Instances)).find(({ row }) => row.id === id && row.state === 'running');
  if (found === undefined) return false;
  const at = ctx.inScope(found.scope);
  await at.transact(async (tx) => {
    await tx.table(Instances).update([id], (row) => ({
      ...row,
      hung: down ? { since: hungSince(row) ?? at.clock.now(), boot: row.bootNumber } : undefined,
    }));
    tx.hint('machines', id);
    tx.hint('networks', found.row.vpcId);
  });
  return true;
}

/** The interface of an id of any account: its own, or an instance's primary one. */
async function interfaceOf(ctx: Context, id: string) {
  const cards = await ctx.everywhere(Interfaces);
  return cards.find(({ row }) => row.id === id || (row.attachment?.instanceId === id && row.attachment.deviceIndex === 0));
}

/** Cuts an interface, or the path between two, or mends it; false when an end does not exist. Ends are interfaces, or instances by their primary one. */
export async function cutLink(
  ctx: Context,
  ends: readonly [string] | readonly [string, string],
  down: boolean,
): Promise<boolean> {
  const found = await Promise.all(ends.map((id) => interfaceOf(ctx, id)));
  const [first, second] = found;
  if (first === undefined || (ends.length === 2 && second === undefined)) return false;
  const interfaces = second === undefined ? ([first.row.id] as const) : ([first.row.id, second.row.id] as const);
  const at = ctx.inScope(first.scope);
  await at.transact(async (tx) => {
    const key = keyOf({ interfaces });
    if (down) {
      const known = await tx.table(LinkFaults).get(key);
      await tx.table(LinkFaults).put({ interfaces, since: known?.since ?? at.clock.now() });
    } else await tx.table(LinkFaults).delete(key);
    tx.hint('links', key);
  });
  return true;
}

/** Since when nothing comes or goes through an interface, by order. */
export async function cutSince(ctx: Context | Transaction, interfaceId: string): Promise<Millis | undefined> {
  return (await ctx.table(LinkFaults).get(interfaceId))?.since;
}

/** Ends all faults of instances, interfaces and paths. */
export async function mendAll(ctx: Context): Promise<void> {
  const { instances, interfaces, paths } = await orderedFaults(ctx);
  for (const id of instances) await hangInstance(ctx, id, false);
  for (const id of interfaces) await cutLink(ctx, [id], false);
  for (const ends of paths) await cutLink(ctx, ends, false);
}

/** The fabric's faults follow the rows. `key` names one interface, or both ends of a path. */
export const links: Reconciler = {
  keys: async (ctx) =>
    (await ctx.everywhere(LinkFaults)).map(({ scope, row }) => ({
      account: scope.account,
      region: scope.region,
      key: keyOf(row),
    })),
  async run({ key }, ctx) {
    const [from = '', to] = key.split(' ');
    const down = (await ctx.table(LinkFaults).get(key)) !== undefined;
    await ctx.part('fabric').setFault(to === undefined ? { kind: 'port', port: from } : { kind: 'path', from, to }, down);
  },
};

/**
 * The outbox: what the cloud would hand to a carrier outside it, e-mail, text messages and pushes to phones. It leaves this machine for nobody; users read it under
 * `/_pilvi/outbox`.
 */
import type { Millis } from '../base/clock.ts';
import type { Store } from '../store/store.ts';
import { defineTable, listAllScopes } from '../store/tables.ts';
import type { Context, Scope, Transaction } from './context.ts';

export interface OutboxRow {
  id: string;
  at: Millis;
  /** Service that sent it. */
  service: string;
  kind: 'email' | 'sms' | 'push';
  from: string;
  to: string;
  subject?: string | undefined;
  body: string;
}

const Outbox = defineTable<OutboxRow>()({ name: 'kernel.outbox', scope: 'region', key: (row) => [row.at, row.id] });

/** Letters kept per account and Region; older ones go. */
const lettersMax = 1000;

/** Puts a letter into the outbox of an account. */
export async function post(
  ctx: Context,
  tx: Transaction,
  scope: Scope,
  letter: Omit<OutboxRow, 'id' | 'at' | 'service'>,
): Promise<void> {
  const table = tx.tableIn(scope, Outbox);
  if ((await table.count()) >= lettersMax) for (const old of await table.list({ limit: 1 })) await table.delete(old.at, old.id);
  await table.put({ ...letter, id: ctx.id('job'), at: ctx.clock.now(), service: ctx.service });
}

/** Letters of one account, or of all, the oldest first. */
export async function letters(store: Store, account: string | undefined): Promise<(OutboxRow & Scope)[]> {
  const found = await listAllScopes(store, Outbox);
  return found
    .filter(({ scope }) => account === undefined || scope.account === account)
    .map(({ scope, row }) => ({ ...scope, ...row }))
    .sort((a, b) => a.at - b.at);
}

/** Finding the queue that a request names, and what to ask of policies for it. */
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { Check } from '../../kernel/service.ts';
import { deskOf } from './desk.ts';
import { queueDoesNotExist } from './errors.ts';
import type { ShelfAccess } from './shelf.ts';
import { type QueueRow, Queues } from './state.ts';
import { parseQueueUrl, queueArn } from './urls.ts';

export interface FoundQueue {
  /** The caller's context in the queue's account: what is scheduled for the queue belongs there. */
  at: Context;
  scope: Scope;
  queue: QueueRow;
}

/** The queue behind a URL, in whatever account. Throws InvalidAddress, QueueDoesNotExist. */
export async function findQueue(ctx: Context, url: string | undefined): Promise<FoundQueue> {
  const { account, name } = parseQueueUrl(url ?? '');
  const scope = { account, region: ctx.region };
  const queue = await ctx.tableIn(scope, Queues).get(name);
  if (queue === undefined) throw queueDoesNotExist();
  return { at: account === ctx.account ? ctx : ctx.inScope(scope), scope, queue };
}

/** The queue's rows in a transaction, with the queue as it is now. Throws QueueDoesNotExist when it has gone meanwhile. */
export async function access(ctx: Context, tx: Transaction, { scope, queue }: FoundQueue): Promise<ShelfAccess> {
  const row = await tx.tableIn(scope, Queues).get(queue.name);
  if (row === undefined || row.id !== queue.id) throw queueDoesNotExist();
  return { tx, scope, queue: row, desk: deskOf(ctx), now: ctx.clock.now() };
}

/** Changes a queue's row in a transaction of its own. Throws QueueDoesNotExist. */
export async function changeQueue(
  { at, scope, queue }: FoundQueue,
  change: (row: QueueRow, tx: Transaction) => QueueRow | Promise<QueueRow>,
): Promise<QueueRow> {
  return at.transact(async (tx) => {
    const row = await tx.tableIn(scope, Queues).get(queue.name);
    if (row === undefined || row.id !== queue.id) throw queueDoesNotExist();
    const changed = await change(row, tx);
    await tx.tableIn(scope, Queues).put(changed);
    return changed;
  });
}

/** An operation that a queue's policy may also allow to other accounts. */
export async function onQueue({ QueueUrl }: { QueueUrl?: string | undefined }, ctx: Context): Promise<readonly Check[]> {
  const { account, name } = parseQueueUrl(QueueUrl ?? '');
  const queue = await ctx.tableIn({ account, region: ctx.region }, Queues).get(name);
  return [checkOf(account, ctx.region, name, queue)];
}

/** An operation that only the queue's own account may ask for ("Cross-account permissions don't apply to this action"). */
export async function onOwnQueue(input: { QueueUrl?: string | undefined }, ctx: Context): Promise<readonly Check[]> {
  const checks = await onQueue(input, ctx);
  return checks.map((check) => (check.resourceAccount === ctx.caller.account ? check : { ...check, resourcePolicy: undefined }));
}

export function checkOf(account: string, region: string, name: string, queue: QueueRow | undefined): Check {
  const conditions = Object.fromEntries(
    Object.entries(queue?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]),
  );
  return {
    resource: queueArn({ account, region }, name),
    resourceAccount: account,
    resourcePolicy: queue?.policy,
    conditions,
  };
}

/**
 * Message move tasks: messages of a dead-letter queue back to where they came from, or to another queue. A task is a row; a job moves one piece
 * and waits for the next, so a task goes on after a restart. Source: SQS Developer Guide, "Configure a dead-letter queue redrive", and the API Reference.
 */
import type { ListMessageMoveTasksResultEntry, SQS } from '@aws-sdk/client-sqs';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check, FiredJob, HandlersOf } from '../../kernel/service.ts';
import { deskOf } from './desk.ts';
import { invalidParameter, invalidValue, resourceNotFound, unsupportedOperation } from './errors.ts';
import { checkOf } from './lookup.ts';
import { drop, put, type ShelfAccess } from './shelf.ts';
import { Flights, type MessageRow, Messages, type MoveRow, Moves, type QueueRow, Queues, Receipts, Waiting } from './state.ts';
import { parseQueueArn } from './urls.ts';

const perSecondMax = 500;
/** Messages that a task without a limit moves in one transaction. */
const pieceMessages = 200;
const tasksShownMax = 10;
/** Milliseconds between the pieces of a task with a limit. */
const pieceMillis = 1000;

type Parameter = 'SourceArn' | 'DestinationArn';

function notFound(parameter: Parameter) {
  return resourceNotFound(`The resource that you specified for the ${parameter} parameter doesn't exist.`);
}

async function requireQueue(ctx: Context, arn: string, parameter: Parameter): Promise<QueueRow> {
  const parsed = parseQueueArn(arn);
  if (parsed === undefined) throw invalidValue(arn, parameter, 'Invalid ARN.');
  const queue =
    parsed.account === ctx.account && parsed.region === ctx.region ? await ctx.table(Queues).get(parsed.name) : undefined;
  if (queue === undefined) throw notFound(parameter);
  return queue;
}

function handleOf({ id, source }: MoveRow): string {
  return Buffer.from(JSON.stringify({ taskId: id, sourceArn: source })).toString('base64');
}

function parseHandle(handle: string): { id: string; source: string } {
  try {
    const { taskId, sourceArn } = JSON.parse(Buffer.from(handle, 'base64').toString('utf8')) as Record<string, unknown>;
    if (typeof taskId === 'string' && typeof sourceArn === 'string') return { id: taskId, source: sourceArn };
  } catch {
    // Falls through to the same answer.
  }
  throw invalidParameter('Value for parameter TaskHandle is invalid.');
}

function isActive({ status }: MoveRow): boolean {
  return status === 'RUNNING' || status === 'CANCELLING';
}

function describe(row: MoveRow): ListMessageMoveTasksResultEntry {
  return {
    TaskHandle: row.status === 'RUNNING' ? handleOf(row) : undefined,
    Status: row.status,
    SourceArn: row.source,
    DestinationArn: row.destination,
    MaxNumberOfMessagesPerSecond: row.perSecond,
    ApproximateNumberOfMessagesMoved: row.moved,
    ApproximateNumberOfMessagesToMove: row.toMove,
    FailureReason: row.failure,
    StartedTimestamp: row.started,
  };
}

export const moveHandlers: HandlersOf<SQS> = {
  async StartMessageMoveTask({ SourceArn = '', DestinationArn, MaxNumberOfMessagesPerSecond: perSecond }, ctx) {
    const source = await requireQueue(ctx, SourceArn, 'SourceArn');
    if (perSecond !== undefined && (perSecond < 1 || perSecond > perSecondMax)) {
      throw invalidValue(
        perSecond,
        'MaxNumberOfMessagesPerSecond',
        `MaxNumberOfMessagesPerSecond must be between 1 and ${perSecondMax}, if provided.`,
      );
    }
    if (DestinationArn !== undefined) {
      const destination = await requireQueue(ctx, DestinationArn, 'DestinationArn');
      if (destination.fifo !== source.fifo) throw unsupportedOperation('Source and destination queues must be of the same type.');
    }
    if ((await ctx.table(Queues).firstByIndex('byTarget', [SourceArn])) === undefined)
      throw invalidParameter('Source queue must be configured as a Dead Letter Queue.');
    const now = ctx.clock.now();
    const edge = [source.shelf, now, Number.POSITIVE_INFINITY];
    const toMove =
      (await ctx.table(Waiting).count([source.shelf], { before: edge })) +
      (await ctx.table(Flights).count([source.shelf], { before: edge }));
    const row: MoveRow = {
      source: SourceArn,
      started: now,
      id: ctx.uuid(),
      status: 'RUNNING',
      destination: DestinationArn,
      perSecond,
      moved: 0,
      toMove,
    };
    await ctx.transact(async (tx) => {
      const earlier = await tx.table(Moves).list({ prefix: [SourceArn] });
      if (earlier.some(isActive)) {
        throw invalidParameter(
          'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
        );
      }
      for (const old of earlier.slice(0, Math.max(0, earlier.length + 1 - tasksShownMax)))
        await tx.table(Moves).delete(old.source, old.started, old.id);
      await tx.table(Moves).put(row);
      await tx.schedule({ task: 'move', key: `${row.started} ${row.id} ${SourceArn}`, due: now });
    });
    return { TaskHandle: handleOf(row) };
  },

  async CancelMessageMoveTask({ TaskHandle = '' }, ctx) {
    const { id, source } = parseHandle(TaskHandle);
    await requireQueue(ctx, source, 'SourceArn');
    return ctx.transact(async (tx) => {
      const row = (await tx.table(Moves).list({ prefix: [source] })).find((one) => one.id === id);
      if (row === undefined) throw resourceNotFound('Task does not exist.');
      if (row.status !== 'RUNNING') throw invalidParameter('Only active tasks can be cancelled.');
      await tx.table(Moves).put({ ...row, status: 'CANCELLING' });
      return { ApproximateNumberOfMessagesMoved: row.moved };
    });
  },

  async ListMessageMoveTasks({ SourceArn = '', MaxResults = 1 }, ctx) {
    await requireQueue(ctx, SourceArn, 'SourceArn');
    if (MaxResults < 1 || MaxResults > tasksShownMax)
      throw invalidValue(MaxResults, 'MaxResults', `MaxResults must be between 1 and ${tasksShownMax}, if provided.`);
    const rows = await ctx.table(Moves).list({ prefix: [SourceArn], reverse: true, limit: MaxResults });
    return { Results: rows.map(describe) };
  },
};

function onArn(action?: string) {
  return async (arn: string | undefined, ctx: Context): Promise<readonly Check[]> => {
    const parsed = parseQueueArn(arn ?? '');
    if (parsed === undefined) return [{ action, resource: '*' }];
    const queue = await ctx.tableIn(parsed, Queues).get(parsed.name);
    const check = checkOf(parsed.account, parsed.region, parsed.name, queue);
    return [{ ...check, action, resourcePolicy: parsed.account === ctx.caller.account ? check.resourcePolicy : undefined }];
  };
}

export const moveChecks: AuthorisationsOf<SQS> = {
  // The one who starts a task must also be able to take from the source and, where one is named, to send to the destination.
  StartMessageMoveTask: async ({ SourceArn, DestinationArn }, ctx) => [
    ...(await onArn()(SourceArn, ctx)),
    ...(await onArn('sqs:ReceiveMessage')(SourceArn, ctx)),
    ...(await onArn('sqs:DeleteMessage')(SourceArn, ctx)),
    ...(await onArn('sqs:GetQueueAttributes')(SourceArn, ctx)),
    ...(DestinationArn === undefined ? [] : await onArn('sqs:SendMessage')(DestinationArn, ctx)),
  ],
  CancelMessageMoveTask: ({ TaskHandle = '' }, ctx) => {
    const [, source] = /"sourceArn":"([^"]+)"/.exec(Buffer.from(TaskHandle, 'base64').toString('utf8')) ?? [];
    return onArn()(source, ctx);
  },
  ListMessageMoveTasks: ({ SourceArn }, ctx) => onArn()(SourceArn, ctx),
};

/** Moves a piece of a task's messages. `key` is start time, id and source. */
export async function move({ key, due }: FiredJob, ctx: Context): Promise<void> {
  const [started = '', id = '', source = ''] = key.split(' ');
  const woken = new Set<string>();
  await ctx.transact(async (tx) => {
    const row = await tx.table(Moves).get(source, Number(started), id);
    if (row === undefined || !isActive(row)) return;
    const changed = row.status === 'CANCELLING' ? { ...row, status: 'CANCELLED' as const } : await movePiece(ctx, tx, row, woken);
    await tx.table(Moves).put(changed);
    if (!isActive(changed)) return;
    const next = row.perSecond === undefined ? due : Math.max(due + pieceMillis, ctx.clock.now());
    await tx.schedule({ task: 'move', key, due: next });
  });
  for (const shelf of woken) deskOf(ctx).wake(shelf, pieceMessages);
}

async function movePiece(ctx: Context, tx: Transaction, row: MoveRow, woken: Set<string>): Promise<MoveRow> {
  const scope: Scope = ctx;
  const source = await tx.table(Queues).get(parseQueueArn(row.source)?.name ?? '');
  if (source === undefined) return { ...row, status: 'FAILED', failure: 'AWS.SimpleQueueService.NonExistentQueue' };
  const shelf: ShelfAccess = { tx, scope, queue: source, desk: deskOf(ctx), now: ctx.clock.now() };
  const limit = Math.min(row.perSecond ?? pieceMessages, Math.max(row.toMove - row.moved, 0));
  let moved = 0;
  for (const message of await nextMessages(shelf, limit)) {
    const target = await tx.table(Queues).get(parseQueueArn(row.destination ?? message.deadLetterSource ?? '')?.name ?? '');
    if (target === undefined)
      return { ...row, moved: row.moved + moved, status: 'FAILED', failure: 'AWS.SimpleQueueService.NonExistentQueue' };
    await drop(shelf, message, await tx.table(Receipts).get(source.shelf, message.sequence));
    const { deadLetterSource: _source, receivedBefore: _before, ...fresh } = message;
    // "All redriven messages are considered new messages with a new messageID and enqueueTime."
    await put({ ...shelf, queue: target }, { ...fresh, id: ctx.uuid(), sent: shelf.now, due: shelf.now });
    woken.add(target.shelf);
    moved += 1;
  }
  const total = row.moved + moved;
  const done = moved < limit || total >= row.toMove;
  return { ...row, moved: total, status: done ? 'COMPLETED' : 'RUNNING' };
}

/** Messages of the queue that are visible, the longest there first. */
async function nextMessages({ tx, queue, now }: ShelfAccess, limit: number): Promise<MessageRow[]> {
  if (limit === 0) return [];
  const before = [queue.shelf, now, Number.POSITIVE_INFINITY];
  const places = [
    ...(await tx.table(Flights).list({ prefix: [queue.shelf], before, limit })),
    ...(await tx.table(Waiting).list({ prefix: [queue.shelf], before, limit })),
  ];
  const messages: MessageRow[] = [];
  for (const place of places.sort((a, b) => a.sequence - b.sequence).slice(0, limit)) {
    const message = await tx.table(Messages).get(queue.shelf, place.sent, place.sequence);
    if (message !== undefined) messages.push(message);
  }
  return messages;
}

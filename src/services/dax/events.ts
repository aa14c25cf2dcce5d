/** Events of clusters and groups, kept for 14 days ("DescribeEvents"). */
import type { DAX } from '@aws-sdk/client-dax';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidCombination } from './errors.ts';
import { pageFor } from './paging.ts';
import { type EventRow, Events } from './state.ts';

const keptMillis = 14 * 86_400_000;
const minute = 60_000;
/** Without a time the last hour is shown. */
const shownMinutes = 60;

/** Notes what happened; lets go of what is too old. */
export async function note(tx: Transaction, ctx: Context, event: Pick<EventRow, 'source' | 'type' | 'message'>): Promise<void> {
  const at = ctx.clock.now();
  const events = await tx.table(Events).list();
  for (const old of events) if (old.at < at - keptMillis) await tx.table(Events).delete(old.at, old.number);
  const number = events.filter((each) => each.at === at).length;
  await tx.table(Events).put({ ...event, at, number });
}

export const eventHandlers: HandlersOf<DAX> = {
  async DescribeEvents(input, ctx) {
    if (input.Duration !== undefined && (input.StartTime !== undefined || input.EndTime !== undefined))
      throw invalidCombination('Duration cannot be given together with StartTime or EndTime.');
    const to = input.EndTime?.getTime() ?? ctx.now;
    const from = input.StartTime?.getTime() ?? to - (input.Duration ?? shownMinutes) * minute;
    const all = (await ctx.table(Events).list()).filter(
      (row) =>
        row.at >= from &&
        row.at <= to &&
        (input.SourceName === undefined || row.source === input.SourceName) &&
        (input.SourceType === undefined || row.type === input.SourceType),
    );
    const page = pageFor('DescribeEvents', all, (row) => [row.at, row.number], input);
    return {
      Events: page.items.map(({ source, type, message, at }) => ({
        ...{ SourceName: source, SourceType: type, Message: message },
        Date: new Date(at),
      })),
      NextToken: page.NextToken,
    };
  },
};

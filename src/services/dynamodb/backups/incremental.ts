/**
 * Incremental exports: for each item that changed in a period, what it was at its beginning and at its end ("DynamoDB table export output format"), from the
 * log of point-in-time recovery. Several changes of one item are one line; an item that came and went is none.
 */
import type { IncrementalExportSpecification } from '@aws-sdk/client-dynamodb';
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { RequestChecks } from '../checks.ts';
import { validation } from '../errors.ts';
import { Changes, type ChangeRow, type ExportRow } from '../state.ts';

const minute = 60_000;
const periodMin = 15 * minute;
const periodMax = 24 * 60 * minute;
const chunkRows = 1000;

export type Period = NonNullable<ExportRow['period']>;

/** The period that a request names. Throws ValidationException, and InvalidExportTimeException when the log does not reach as far. */
export function readPeriod(
  given: IncrementalExportSpecification | undefined,
  window: { earliest: Millis; latest: Millis },
): Period {
  new RequestChecks()
    .oneOf(given?.ExportViewType, 'incrementalExportSpecification.exportViewType', ['NEW_IMAGE', 'NEW_AND_OLD_IMAGES'])
    .done();
  if (given?.ExportFromTime === undefined) throw validation('ExportFromTime must be specified for an incremental export');
  const from = given.ExportFromTime.getTime();
  const to = given.ExportToTime?.getTime() ?? window.latest;
  const tooEarly = from < Math.floor(window.earliest / 1000) * 1000;
  if (tooEarly || to > window.latest)
    throw new AwsError('InvalidExportTimeException', tooEarly ? 'ExportFromTime is too early' : 'ExportToTime is too late');
  if (to - from < periodMin) throw validation('Difference between ExportFromTime and ExportToTime is less than 15 minutes');
  if (to - from > periodMax) throw validation('Difference between ExportFromTime and ExportToTime is more than 24 hours');
  return { from, to, view: given.ExportViewType ?? 'NEW_AND_OLD_IMAGES' };
}

interface Net {
  keys: string;
  before: ChangeRow['before'];
  after: ChangeRow['after'];
  at: Millis;
}

/** The lines of an incremental export, with the bytes of the items that they show. */
export async function incrementalLines(ctx: Context, space: string, period: Period): Promise<{ size: number; line: string }[]> {
  const nets = new Map<string, Net>();
  for await (const { keys, before, after, at } of changesIn(ctx, space, period)) {
    const known = nets.get(keys);
    nets.set(keys, { keys, before: known === undefined ? before : known.before, after, at });
  }
  return [...nets.values()]
    .filter(({ before, after }) => before !== undefined || after !== undefined)
    .map((net) => lineOf(net, period));
}

async function* changesIn(ctx: Context, space: string, { from, to }: Period): AsyncIterable<ChangeRow> {
  let last: readonly [number, number] = [from - 1, Number.MAX_SAFE_INTEGER];
  for (;;) {
    const changes: ChangeRow[] = await ctx.table(Changes).list({ prefix: [space], after: [space, ...last], limit: chunkRows });
    for (const change of changes) {
      if (change.at >= to) return;
      yield change;
    }
    const end = changes.at(-1);
    if (end === undefined || changes.length < chunkRows) return;
    last = [end.at, end.count];
  }
}

function lineOf({ keys, before, after, at }: Net, { view }: Period): { size: number; line: string } {
  const old = view === 'NEW_AND_OLD_IMAGES' ? before : undefined;
  const parts = [
    `"Metadata":{"WriteTimestampMicros":{"N":"${at * 1000}"}}`,
    `"Keys":${keys}`,
    ...(old === undefined ? [] : [`"OldImage":${old[1]}`]),
    ...(after === undefined ? [] : [`"NewImage":${after[1]}`]),
  ];
  return { size: (old?.[0] ?? 0) + (after?.[0] ?? 0), line: `{${parts.join(',')}}\n` };
}

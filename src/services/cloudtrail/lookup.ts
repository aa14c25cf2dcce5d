/** LookupEvents: the event history of the last 90 days, on in every account. */
import type { CloudTrail, Event, LookupAttribute } from '@aws-sdk/client-cloudtrail';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { Calls, type CallRow } from '../../kernel/recorder.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { trailError } from './errors.ts';
import { eventId, eventOf, eventSource, resourcesOf } from './event.ts';

const historyMillis = 90 * 86_400_000;
/** Most events of a page (LookupEvents, MaxResults). */
const pageMax = 50;
const chunkRows = 500;

const attributes: Readonly<Record<string, (row: CallRow, value: string) => boolean>> = {
  EventId: (row, value) => eventId(row) === value,
  EventName: (row, value) => row.operation === value,
  ReadOnly: (row, value) => String(row.readOnly) === value,
  Username: (row, value) => nameOf(row) === value,
  ResourceType: () => false,
  ResourceName: (row, value) => resourcesOf(row).some(({ name }) => name === value),
  EventSource: (row, value) => eventSource(row.service) === value,
  AccessKeyId: (row, value) => row.accessKeyId === value,
};

/** The user's name, `root`, or the name of a session. */
function nameOf(row: CallRow): string | undefined {
  if (row.kind === 'root') return 'root';
  return row.userName ?? row.arn.split('/').at(-1);
}

function matcher(asked: readonly LookupAttribute[]): (row: CallRow) => boolean {
  if (asked.length > 1) throw trailError('InvalidLookupAttributes', 'Only one lookup attribute can be specified.');
  const [{ AttributeKey: key = '', AttributeValue: value = '' } = {}] = asked;
  if (asked.length === 0) return () => true;
  const test = attributes[key];
  if (test === undefined || value === '' || value.length > 2000)
    throw trailError('InvalidLookupAttributes', `The lookup attribute ${key} is not valid.`);
  if (key === 'ResourceType') throw parameterNotImplemented('LookupEvents', 'LookupAttributes with ResourceType');
  return (row) => test(row, value);
}

export const lookupHandlers: HandlersOf<CloudTrail> = {
  /** Newest first. Throws InvalidLookupAttributes, InvalidTimeRange, InvalidMaxResults, InvalidNextToken. */
  async LookupEvents(input, ctx) {
    const { LookupAttributes: asked = [], MaxResults: limit = pageMax, StartTime, EndTime, EventCategory: category } = input;
    if (category !== undefined) throw parameterNotImplemented('LookupEvents', 'EventCategory');
    if (limit < 1 || limit > pageMax)
      throw trailError('InvalidMaxResults', `A value between 1 and ${pageMax} must be specified for MaxResults.`);
    const [start, end] = [StartTime?.getTime() ?? 0, EndTime?.getTime() ?? Number.MAX_SAFE_INTEGER];
    if (start > end) throw trailError('InvalidTimeRange', 'The start time must be before the end time.');
    const matches = matcher(asked);
    const scope = `LookupEvents ${JSON.stringify(asked)} ${start} ${end}`;
    let after = input.NextToken === undefined ? undefined : parsePageToken(scope, input.NextToken);
    if (after === undefined && input.NextToken !== undefined)
      throw trailError('InvalidNextToken', 'The specified nextToken is invalid.');
    const oldest = Math.max(start, ctx.now - historyMillis);
    const found: CallRow[] = [];
    for (;;) {
      const rows = await ctx.table(Calls).list({ reverse: true, limit: chunkRows, ...(after === undefined ? {} : { after }) });
      const inRange = rows.filter((row) => row.at >= oldest && row.at <= end);
      found.push(...inRange.filter(matches));
      const last = rows.at(-1);
      if (last === undefined || rows.length < chunkRows || last.at < oldest || found.length > limit) break;
      after = [last.at, last.requestId];
    }
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const Events = page.map(
      (row): Event => ({
        EventId: eventId(row),
        EventName: row.operation,
        ReadOnly: String(row.readOnly),
        AccessKeyId: row.accessKeyId,
        EventTime: new Date(row.at),
        EventSource: eventSource(row.service),
        Username: nameOf(row),
        Resources: resourcesOf(row).map(({ name }) => ({ ResourceName: name })),
        CloudTrailEvent: JSON.stringify(eventOf(ctx, row)),
      }),
    );
    const more = found.length > limit && last !== undefined;
    return { Events, NextToken: more ? formatPageToken(scope, [last.at, last.requestId]) : undefined };
  },
};

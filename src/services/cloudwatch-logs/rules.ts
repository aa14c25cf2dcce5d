/** Limits and forms of CloudWatch Logs: pure. Sources: CloudWatch Logs User Guide, "Quotas"; constraints of the API Reference. */
import { RequestCheck } from '../../kernel/request-check.ts';

export const quotas = {
  /** Bytes of a batch: the messages in UTF-8 and 26 for each event. */
  batchBytes: 1_048_576,
  batchEvents: 10_000,
  eventOverheadBytes: 26,
  tagsPerGroup: 50,
  metricFiltersPerGroup: 100,
  subscriptionFiltersPerGroup: 2,
  resourcePoliciesPerRegion: 10,
} as const;

const day = 86_400_000;

/** Milliseconds between the first and the last event of a batch; how old and how far ahead of the clock an event may be (PutLogEvents). */
export const times = { batchSpan: day, oldest: 14 * day, newest: 7_200_000, day } as const;

/** Days that PutRetentionPolicy takes. */
export const retentionDays: readonly number[] = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const groupForm = '[\\.\\-_/#A-Za-z0-9]+';
const streamForm = '[^:*]*';
const filterNameForm = '[^:*]*';

const whole = (form: string): RegExp => new RegExp(`^(?:${form})$`, 'u');

/** Checks of this service: all problems in one InvalidParameterException. */
export class LogsCheck extends RequestCheck {
  constructor() {
    super('InvalidParameterException');
  }

  group(value: string | undefined, member = 'logGroupName'): this {
    return this.length(member, value, 1, 512).pattern(member, value, whole(groupForm), groupForm);
  }

  stream(value: string | undefined, member = 'logStreamName'): this {
    return this.length(member, value, 1, 512).pattern(member, value, whole(streamForm), streamForm);
  }

  filterName(value: string | undefined): this {
    return this.length('filterName', value, 1, 512).pattern('filterName', value, whole(filterNameForm), filterNameForm);
  }

  /** The most of a page: 50 for lists of nouns, 10,000 for events. */
  limit(value: number | undefined, max: number): this {
    return this.range('limit', value, 1, max);
  }

  tags(value: Readonly<Record<string, string>> | undefined): this {
    this.count('tags', value === undefined ? undefined : Object.keys(value), 1, quotas.tagsPerGroup);
    for (const [key, text] of Object.entries(value ?? {})) this.length('tags', key, 1, 128).length(`tags.${key}`, text, 0, 256);
    return this;
  }
}

/** Bytes that an event counts for. */
export function eventBytes(message: string): number {
  return Buffer.byteLength(message) + quotas.eventOverheadBytes;
}

/** Events before this time have vanished; 0 without a retention. */
export function oldestKept(now: number, days: number | undefined): number {
  return days === undefined ? 0 : now - days * day;
}

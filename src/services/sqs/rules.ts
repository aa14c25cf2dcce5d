/** SQS's limits and the checks that AWS makes beyond the model: pure. Source: SQS Developer Guide, "Quotas", and the API Reference. */
import { invalidCharacters, invalidValue } from './errors.ts';

/** Message and batch: 1 MiB since August 2025 ("Amazon SQS message quotas"). */
export const messageBytesMax = 1_048_576;
export const visibilitySecondsMax = 43_200;
export const delaySecondsMax = 900;
export const waitSecondsMax = 20;
export const batchEntriesMax = 10;
export const receiveMax = 10;
/** Messages in flight, of both kinds of queue; only standard queues answer OverLimit ("Amazon SQS standard queue quotas", "FIFO queue quotas"). */
export const flightsMax = 120_000;
/** Calls of each action per second on a FIFO queue without high throughput. */
export const fifoCallsPerSecond = 300;
/** Milliseconds for which a deduplication id, and a receive attempt id, is remembered. */
export const deduplicationMillis = 300_000;
/** Milliseconds for which the name of a deleted queue rests, and between two purges. */
export const restMillis = 60_000;
export const tagsMax = 50;
/** Statements of a queue's policy ("Amazon SQS policy quotas"). */
export const statementsMax = 20;
/** Source queues that a redrive allow policy may name. */
export const sourcesMax = 10;

const idForm = /^[\w!"#$%&'()*+,\-./:;<=>?@[\\\]^`{|}~]{1,128}$/;

/** Deduplication ids, group ids and receive attempt ids: 1 to 128 alphanumeric characters and punctuation. */
export function checkId(value: string | undefined, parameter: string): void {
  if (value === undefined || idForm.test(value)) return;
  throw invalidValue(
    value,
    parameter,
    `${parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
  );
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly the characters that XML 1.0 does not allow
const unwanted = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const half = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Characters that a message may hold (API Reference, SendMessage: those of XML 1.0). Throws InvalidMessageContents. */
export function checkCharacters(text: string): void {
  if (unwanted.test(text) || half.test(text)) throw invalidCharacters();
}

/** A whole number within bounds, as text. Undefined for anything else. */
export function wholeNumber(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,9}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

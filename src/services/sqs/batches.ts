/** What the batch operations have in common: the checks of the batch as a whole, and entries that fail on their own. */
import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import { AwsError } from '../../kernel/errors.ts';
import { batchEntryIdsNotDistinct, emptyBatch, invalidBatchEntryId, tooManyEntries } from './errors.ts';
import { batchEntriesMax } from './rules.ts';

interface Entry {
  Id: string | undefined;
}

/** Throws for a batch that is empty, too long, or whose ids are malformed or come twice. */
export function checkEntries(entries: readonly Entry[], entryName: string): void {
  if (entries.length === 0) throw emptyBatch(entryName);
  if (entries.length > batchEntriesMax) throw tooManyEntries(entries.length);
  const seen = new Set<string>();
  for (const { Id = '' } of entries) {
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(Id)) throw invalidBatchEntryId();
    if (seen.has(Id)) throw batchEntryIdsNotDistinct(Id);
    seen.add(Id);
  }
}

/** Runs `work` on each entry: its result, or the entry's own error. */
export function runBatch<E extends Entry, R>(
  entries: readonly E[],
  work: (entry: E, index: number) => R,
): { passed: { id: string; entry: E; result: R }[]; failed: BatchResultErrorEntry[] } {
  const passed: { id: string; entry: E; result: R }[] = [];
  const failed: BatchResultErrorEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    try {
      passed.push({ id: entry.Id ?? '', entry, result: work(entry, index) });
    } catch (error) {
      failed.push(failedEntry(entry.Id ?? '', error));
    }
  }
  return { passed, failed };
}

/** An entry's error. Anything but an `AwsError` is a bug and thrown on. */
export function failedEntry(id: string, error: unknown): BatchResultErrorEntry {
  if (!(error instanceof AwsError)) throw error;
  return { Id: id, SenderFault: error.status < 500, Code: error.code, Message: error.message };
}

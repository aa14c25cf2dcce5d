/** Rows of customer-managed prefix lists. Those of AWS are made from the platform's addresses (aws-lists.ts). */
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface PrefixEntryRow {
  cidr: string;
  description?: string | undefined;
}

export interface PrefixListRow {
  id: string;
  name: string;
  family: 'IPv4' | 'IPv6';
  entriesMax: number;
  /** Entries of each version; the first is version 1, the last is in force. */
  versions: readonly (readonly PrefixEntryRow[])[];
  state: 'create-complete' | 'modify-complete' | 'restore-complete';
  tags: TagMap;
}

export const PrefixLists = defineTable<PrefixListRow>()({
  name: 'ec2.prefixLists',
  scope: 'region',
  key: (row) => [row.id],
});

/** The entries in force. */
export function entriesOf(row: PrefixListRow): readonly PrefixEntryRow[] {
  return row.versions.at(-1) ?? [];
}

/** Rows of the inventory: what was found on a node, by type. */
import { defineTable } from '../../../store/tables.ts';

export type Entry = Readonly<Record<string, string>>;

export interface InventoryRow {
  instance: string;
  /** `AWS:Application` */
  type: string;
  schemaVersion: string;
  /** `2026-11-21T07:00:00Z` */
  captureTime: string;
  entries: readonly Entry[];
}

export const Inventory = defineTable<InventoryRow>()({
  name: 'ssm.inventory',
  scope: 'region',
  key: (row) => [row.instance, row.type],
});

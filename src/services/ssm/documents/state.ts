/** Rows of documents. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';

export type DocumentFormat = 'JSON' | 'YAML';

export interface DocumentVersionFacts {
  version: string;
  versionName?: string | undefined;
  content: string;
  format: DocumentFormat;
  created: Millis;
}

export interface DocumentRow {
  name: string;
  type: 'Command' | 'Automation';
  displayName?: string | undefined;
  targetType?: string | undefined;
  defaultVersion: string;
  /** In the order in which they were made. */
  versions: readonly DocumentVersionFacts[];
  tags: Readonly<Record<string, string>>;
  /** Accounts that may use it too, or `all`. */
  sharedWith?: readonly string[] | undefined;
}

export const Documents = defineTable<DocumentRow>()({ name: 'ssm.documents', scope: 'region', key: (row) => [row.name] });

/** Access Analyzer's rows: analyzers and what they found, in their Region. */
import type { ResourceType } from '@aws-sdk/client-accessanalyzer';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export interface AnalyzerRow {
  name: string;
  created: Millis;
  tags: Readonly<Record<string, string>>;
  /** Of the request that made it. */
  clientToken?: string | undefined;
  lastResource?: string | undefined;
  lastAnalyzed?: Millis | undefined;
}

export const Analyzers = defineTable<AnalyzerRow>()({
  name: 'accessanalyzer.analyzers',
  scope: 'region',
  key: (row) => [row.name],
});

export interface FindingRow {
  analyzer: string;
  id: string;
  /** What the finding says, as text: the same access is the same finding, however often it is found. */
  print: string;
  resource: string;
  resourceType: ResourceType;
  principal: Readonly<Record<string, string>>;
  action: readonly string[];
  condition: Readonly<Record<string, string>>;
  isPublic: boolean;
  created: Millis;
  analyzed: Millis;
  updated: Millis;
  archived: boolean;
  /** The access is gone. */
  resolved: boolean;
}

export const Findings = defineTable<FindingRow>()({
  name: 'accessanalyzer.findings',
  scope: 'region',
  key: (row) => [row.analyzer, row.id],
});

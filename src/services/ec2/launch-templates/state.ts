/** Rows of launch templates and their versions. A version never changes; a template says which one is the default. */
import type { Millis } from '../../../base/clock.ts';
import type { Value } from '../../../store/store.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface LaunchTemplateRow {
  id: string;
  name: string;
  created: Millis;
  /** ARN of the caller. */
  createdBy: string;
  defaultVersion: number;
  /** The highest number ever given; numbers are not used again. */
  latestNumber: number;
  clientToken?: string | undefined;
  tags: TagMap;
}

export const LaunchTemplates = defineTable<LaunchTemplateRow>()({
  name: 'ec2.launchTemplates',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byName: (row) => [row.name],
    byClientToken: (row) => (row.clientToken === undefined ? undefined : [row.clientToken]),
  },
  unique: ['byName'],
});

export interface LaunchTemplateVersionRow {
  templateId: string;
  number: number;
  description?: string | undefined;
  created: Millis;
  createdBy: string;
  clientToken?: string | undefined;
  /** RequestLaunchTemplateData as plain data; times are ISO texts. */
  data: Value;
}

export const LaunchTemplateVersions = defineTable<LaunchTemplateVersionRow>()({
  name: 'ec2.launchTemplateVersions',
  scope: 'region',
  key: (row) => [row.templateId, row.number],
});

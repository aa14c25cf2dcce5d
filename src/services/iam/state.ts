/** IAM's rows. All of them are scoped to the account: IAM is global (IAM-001). Names are unique without regard to case. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

/** What users, groups and roles have in common. */
export interface PrincipalRow {
  name: string;
  path: string;
  id: string;
  created: Millis;
  /** Inline policies: name to document. */
  inline: Readonly<Record<string, string>>;
  /** ARNs of attached managed policies, in order of attachment. */
  attached: readonly string[];
}

export interface UserRow extends PrincipalRow {
  tags: Readonly<Record<string, string>>;
  boundary?: string | undefined;
  /** Names of the groups it belongs to, in lower case. */
  groups: readonly string[];
  passwordLastUsed?: Millis | undefined;
}

export const Users = defineTable<UserRow>()({
  name: 'iam.users',
  scope: 'account',
  key: (row) => [row.name.toLowerCase()],
  indexes: {
    byGroup: (row) => row.groups.map((group) => [group]),
    byPolicy: (row) => row.attached.map((arn) => [arn]),
    byId: (row) => [row.id],
  },
});

export interface AccessKeyRow {
  id: string;
  secret: string;
  /** In lower case. */
  userName: string;
  active: boolean;
  created: Millis;
  lastUsed?: { at: Millis; service: string; region: string } | undefined;
}

export const AccessKeys = defineTable<AccessKeyRow>()({
  name: 'iam.accessKeys',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byUser: (row) => [row.userName, row.created] },
});

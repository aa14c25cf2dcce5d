/** STS's rows: sessions, in the account whose credentials they are. */
import type { Millis } from '../../base/clock.ts';
import type { Identity } from '../../kernel/caller.ts';
import { defineTable } from '../../store/tables.ts';

export interface SessionRow {
  /** `ASIA…`; names its account. */
  id: string;
  secret: string;
  token: string;
  created: Millis;
  expires: Millis;
  /** Who acts by it, fixed when it was given; without session policies, which stand below as they were given. */
  identity: Identity;
  /** Inline session policy. */
  policy?: string | undefined;
  /** Managed session policies: the version in force counts, as everywhere. Absent when no session policy of any kind was given. */
  policyArns?: readonly string[] | undefined;
}

export const Sessions = defineTable<SessionRow>()({
  name: 'sts.sessions',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byExpiry: (row) => [row.expires] },
});

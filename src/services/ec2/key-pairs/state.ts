/** Rows of key pairs: the public half only; the private half is returned once and never stored (EC2-029). */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface KeyPairRow {
  id: string;
  name: string;
  type: 'rsa' | 'ed25519';
  fingerprint: string;
  /** OpenSSH line. */
  publicKey: string;
  created: Millis;
  tags: TagMap;
}

/** A public key pushed for one user of one instance, valid for a minute (EC2 Instance Connect). */
export interface PushedKeyRow {
  instanceId: string;
  user: string;
  publicKey: string;
  expires: Millis;
}

export const PushedKeys = defineTable<PushedKeyRow>()({
  name: 'ec2.pushedKeys',
  scope: 'region',
  key: (row) => [row.instanceId, row.user, row.publicKey],
});

export const KeyPairs = defineTable<KeyPairRow>()({
  name: 'ec2.keyPairs',
  scope: 'region',
  key: (row) => [row.name],
  indexes: { byId: (row) => [row.id] },
});

/** ACM's rows. Private keys are sealed under the cloud's master key; who uses a certificate stands in rows of its own, written through api.ts. */
import type { Millis } from '../../base/clock.ts';
import type { KeyAlgorithm } from '../../base/x509.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface DomainRow {
  domain: string;
  /** The record that proves control of the domain, with dots at the ends. */
  record: { name: string; value: string };
  status: 'PENDING_VALIDATION' | 'SUCCESS' | 'FAILED';
}

/** What is only there once a certificate is. */
export interface Body {
  certificate: string;
  chain?: string | undefined;
  sealedKey: Uint8Array;
  serial: string;
  subject: string;
  issuer: string;
  notBefore: Millis;
  notAfter: Millis;
  extendedKeyUsages: readonly string[];
}

export interface CertificateRow {
  id: string;
  type: 'AMAZON_ISSUED' | 'IMPORTED';
  status: 'PENDING_VALIDATION' | 'ISSUED' | 'EXPIRED' | 'VALIDATION_TIMED_OUT';
  /** First of the names. */
  domain: string;
  names: readonly string[];
  keyAlgorithm: string;
  created: Millis;
  /** Of an issued one: when; of an imported one: when last. */
  since?: Millis | undefined;
  domains: readonly DomainRow[];
  exportable: boolean;
  exported: boolean;
  logging: 'ENABLED' | 'DISABLED';
  renewal?: { status: 'SUCCESS' | 'PENDING_VALIDATION'; at: Millis } | undefined;
  tags: TagMap;
  token?: string | undefined;
  body?: Body | undefined;
}

export const Certificates = defineTable<CertificateRow>()({
  name: 'acm.certificates',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byToken: (row) => (row.token === undefined ? undefined : [row.token]) },
});

export interface UseRow {
  certificate: string;
  /** ARN of the listener's load balancer, distribution, domain name. */
  user: string;
}

export const Uses = defineTable<UseRow>()({ name: 'acm.uses', scope: 'region', key: (row) => [row.certificate, row.user] });

/** Key algorithms that certificates are issued with. */
export const issuedAlgorithms: readonly KeyAlgorithm[] = [
  'RSA_2048',
  'RSA_3072',
  'RSA_4096',
  'EC_prime256v1',
  'EC_secp384r1',
  'EC_secp521r1',
];

/** Rows of domain registration: an account's domains and operations, and for all accounts who holds which name. */
import type { ContactDetail, Nameserver, OperationType } from '@aws-sdk/client-route-53-domains';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export interface DomainRow {
  /** In small letters without the dot at the end. */
  name: string;
  created: Millis;
  updated: Millis;
  expires: Millis;
  autoRenew: boolean;
  transferLock: boolean;
  servers: readonly Nameserver[];
  contacts: Contacts;
  /** What a registrar that takes the domain over must know. */
  authCode: string;
  /** Past its date and not renewed: it does not resolve, and is given up after a while. */
  expired: boolean;
  tags: Readonly<Record<string, string>>;
}

export interface Contacts {
  admin: ContactDetail;
  registrant: ContactDetail;
  tech: ContactDetail;
  billing: ContactDetail;
  privacy: { admin: boolean; registrant: boolean; tech: boolean; billing: boolean };
}

export const Domains = defineTable<DomainRow>()({ name: 'route53domains.domains', scope: 'account', key: (row) => [row.name] });

/** Who holds a name, from the moment in which it is asked for. */
export const DomainNames = defineTable<{ name: string; account: string }>()({
  name: 'route53domains.names',
  scope: 'cloud',
  key: (row) => [row.name],
});

export interface OperationRow {
  id: string;
  domain: string;
  type: OperationType;
  status: 'SUBMITTED' | 'IN_PROGRESS' | 'ERROR' | 'SUCCESSFUL' | 'FAILED';
  message?: string | undefined;
  submitted: Millis;
  updated: Millis;
  /** What is to be done. */
  order?: DomainOrder | undefined;
}

/** A domain that an operation brings to the account. */
export interface DomainOrder {
  years: number;
  autoRenew: boolean;
  contacts: Contacts;
  /** Of a transfer: servers to keep, and the code that proves it. */
  servers?: readonly Nameserver[] | undefined;
  authCode?: string | undefined;
}

export const Operations = defineTable<OperationRow>()({
  name: 'route53domains.operations',
  scope: 'account',
  key: (row) => [row.id],
});

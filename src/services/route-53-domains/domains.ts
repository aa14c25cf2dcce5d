/** An account's domains and operations: listed, described, and changed in what a holder may change. */
import type { ContactDetail, DomainPrice, Route53Domains } from '@aws-sdk/client-route-53-domains';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { addDone, requireDomain } from './registrations.ts';
import { checkContact, checkServers, invalidInput, unsupportedTld } from './rules.ts';
import { type DomainRow, Domains, type OperationRow, Operations } from './state.ts';
import { topLevels, type TopLevel } from './top-levels.ts';

const pageMax = 100;

/** One page of a list that is in order already. Throws InvalidInput for a marker that is none. */
function pageOf<T>(
  kind: string,
  all: readonly T[],
  keyOf: (one: T) => string,
  marker: string | undefined,
  size: number | undefined,
) {
  const after = marker === undefined ? undefined : parsePageToken(kind, marker)?.[0];
  if (marker !== undefined && after === undefined) throw invalidInput('The marker is not valid.');
  const start = after === undefined ? 0 : all.findIndex((one) => keyOf(one) === after) + 1;
  const page = all.slice(start, start + Math.min(size ?? 20, pageMax));
  const last = page.at(-1);
  const more = last !== undefined && start + page.length < all.length;
  return { page, ...(more ? { NextPageMarker: formatPageToken(kind, [keyOf(last)]) } : {}) };
}

function describeOperation(row: OperationRow) {
  return {
    OperationId: row.id,
    Status: row.status,
    Type: row.type,
    DomainName: row.domain,
    SubmittedDate: new Date(row.submitted),
    LastUpdatedDate: new Date(row.updated),
    ...(row.message === undefined ? {} : { Message: row.message }),
  };
}

function describePrice({ name, ...price }: TopLevel): DomainPrice {
  const dollars = (Price: number) => ({ Price, Currency: 'USD' });
  return {
    Name: name,
    RegistrationPrice: dollars(price.registration),
    RenewalPrice: dollars(price.renewal),
    TransferPrice: dollars(price.transfer),
    ChangeOwnershipPrice: dollars(price.changeOwnership),
    RestorationPrice: dollars(price.restoration),
  };
}

/** Changes one domain, with an operation that is done at once. */
function change(
  ctx: Context,
  name: string | undefined,
  type: OperationRow['type'],
  next: (row: DomainRow) => Partial<DomainRow>,
) {
  return ctx.transact(async (tx) => {
    const row = await requireDomain(tx, name);
    await tx.table(Domains).put({ ...row, ...next(row), updated: ctx.now });
    tx.hint('domains', row.name);
    return addDone(ctx, tx, type, row.name);
  });
}

/** The same for what needs no operation. */
async function quietly(ctx: Context, name: string | undefined, next: Partial<DomainRow>) {
  await ctx.transact(async (tx) => {
    const row = await requireDomain(tx, name);
    await tx.table(Domains).put({ ...row, ...next, updated: ctx.now });
  });
  return {};
}

export const domainHandlers: HandlersOf<Route53Domains> = {
  async ListDomains(input, ctx) {
    if (input.FilterConditions !== undefined) throw parameterNotImplemented('ListDomains', 'FilterConditions');
    if (input.SortCondition !== undefined) throw parameterNotImplemented('ListDomains', 'SortCondition');
    const { page, ...more } = pageOf(
      'domains',
      await ctx.table(Domains).list(),
      ({ name }) => name,
      input.Marker,
      input.MaxItems,
    );
    return {
      Domains: page.map((row) => ({
        DomainName: row.name,
        AutoRenew: row.autoRenew,
        TransferLock: row.transferLock,
        Expiry: new Date(row.expires),
      })),
      ...more,
    };
  },

  async GetDomainDetail(input, ctx) {
    const row = await requireDomain(ctx, input.DomainName);
    const { contacts } = row;
    return {
      DomainName: row.name,
      Nameservers: [...row.servers],
      AutoRenew: row.autoRenew,
      AdminContact: contacts.admin,
      RegistrantContact: contacts.registrant,
      TechContact: contacts.tech,
      BillingContact: contacts.billing,
      AdminPrivacy: contacts.privacy.admin,
      RegistrantPrivacy: contacts.privacy.registrant,
      TechPrivacy: contacts.privacy.tech,
      BillingPrivacy: contacts.privacy.billing,
      RegistrarName: 'Pilvi Registrar',
      CreationDate: new Date(row.created),
      UpdatedDate: new Date(row.updated),
      ExpirationDate: new Date(row.expires),
      StatusList: [...(row.transferLock ? ['clientTransferProhibited'] : ['ok']), ...(row.expired ? ['clientHold'] : [])],
    };
  },

  async GetOperationDetail(input, ctx) {
    const row = await ctx.table(Operations).get(input.OperationId ?? '');
    if (row === undefined) throw invalidInput(`Operation ${input.OperationId} not found.`);
    return describeOperation(row);
  },

  /** The newest first. */
  async ListOperations(input, ctx) {
    for (const name of ['SubmittedSince', 'Status', 'Type', 'SortBy', 'SortOrder'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('ListOperations', name);
    const all = (await ctx.table(Operations).list()).sort((a, b) => b.submitted - a.submitted);
    const { page, ...more } = pageOf('operations', all, ({ id }) => id, input.Marker, input.MaxItems);
    return { Operations: page.map(describeOperation), ...more };
  },

  async ListPrices(input) {
    const sold = topLevels.filter(({ name }) => input.Tld === undefined || name === input.Tld);
    if (sold.length === 0) throw unsupportedTld(input.Tld ?? '');
    const { page, ...more } = pageOf('prices', sold, ({ name }) => name, input.Marker, input.MaxItems);
    return { Prices: page.map(describePrice), ...more };
  },

  UpdateDomainNameservers(input, ctx) {
    if (input.FIAuthKey !== undefined) throw parameterNotImplemented('UpdateDomainNameservers', 'FIAuthKey');
    return change(ctx, input.DomainName, 'UPDATE_NAMESERVER', (row) => ({
      servers: checkServers(row.name, input.Nameservers ?? []),
    }));
  },

  UpdateDomainContact(input, ctx) {
    if (input.Consent !== undefined) throw parameterNotImplemented('UpdateDomainContact', 'Consent');
    return change(ctx, input.DomainName, 'UPDATE_DOMAIN_CONTACT', ({ contacts }) => {
      const next = (kind: string, given: ContactDetail | undefined, old: ContactDetail) =>
        given === undefined ? old : checkContact(kind, given);
      return {
        contacts: {
          ...contacts,
          admin: next('admin', input.AdminContact, contacts.admin),
          registrant: next('registrant', input.RegistrantContact, contacts.registrant),
          tech: next('tech', input.TechContact, contacts.tech),
          billing: next('billing', input.BillingContact, contacts.billing),
        },
      };
    });
  },

  UpdateDomainContactPrivacy(input, ctx) {
    return change(ctx, input.DomainName, 'CHANGE_PRIVACY_PROTECTION', ({ contacts }) => ({
      contacts: {
        ...contacts,
        privacy: {
          admin: input.AdminPrivacy ?? contacts.privacy.admin,
          registrant: input.RegistrantPrivacy ?? contacts.privacy.registrant,
          tech: input.TechPrivacy ?? contacts.privacy.tech,
          billing: input.BillingPrivacy ?? contacts.privacy.billing,
        },
      },
    }));
  },

  EnableDomainTransferLock: (input, ctx) => change(ctx, input.DomainName, 'DOMAIN_LOCK', () => ({ transferLock: true })),
  DisableDomainTransferLock: (input, ctx) => change(ctx, input.DomainName, 'DOMAIN_LOCK', () => ({ transferLock: false })),
  EnableDomainAutoRenew: (input, ctx) => quietly(ctx, input.DomainName, { autoRenew: true }),
  DisableDomainAutoRenew: (input, ctx) => quietly(ctx, input.DomainName, { autoRenew: false }),

  /** The code by which another registrar takes the domain over; a locked domain has none. */
  async RetrieveDomainAuthCode(input, ctx) {
    const row = await requireDomain(ctx, input.DomainName);
    if (row.transferLock) throw invalidInput('The domain is locked: disable its transfer lock first.');
    return { AuthCode: row.authCode };
  },

  async ListTagsForDomain(input, ctx) {
    const { tags } = await requireDomain(ctx, input.DomainName);
    return { TagList: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
  },

  async UpdateTagsForDomain(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireDomain(tx, input.DomainName);
      const added = (input.TagsToUpdate ?? []).map(({ Key = '', Value = '' }) => [Key, Value] as const);
      const tags = { ...row.tags, ...Object.fromEntries(added) };
      if (Object.keys(tags).length > 50) throw invalidInput('A domain has at most 50 tags.');
      await tx.table(Domains).put({ ...row, tags });
      return {};
    });
  },

  async DeleteTagsForDomain(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireDomain(tx, input.DomainName);
      const gone = input.TagsToDelete ?? [];
      const tags = Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.includes(key)));
      await tx.table(Domains).put({ ...row, tags });
      return {};
    });
  },
};

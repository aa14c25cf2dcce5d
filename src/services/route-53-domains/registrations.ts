/** Registering, transferring in, renewing and giving up: requests become operations, and a task carries them out. */
import type { ContactDetail, OperationType, RegisterDomainRequest, Route53Domains } from '@aws-sdk/client-route-53-domains';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { addYears, checkContact, checkServers, invalidInput, readName } from './rules.ts';
import { type Contacts, DomainNames, type DomainOrder, type DomainRow, Domains, Operations, type OperationRow } from './state.ts';

/** Domains an account may hold ("Quotas on domains"). */
const domainsMax = 20;

/** A domain of the account. Throws InvalidInput for others. */
export async function requireDomain(reading: Pick<Transaction, 'table'> | Context, text: string | undefined): Promise<DomainRow> {
  const name = (text ?? '').toLowerCase().replace(/\.$/, '');
  const row = await reading.table(Domains).get(name);
  if (row === undefined) throw invalidInput(`Domain ${name} not found in the account.`);
  return row;
}

/** Writes an operation that is done already. */
export async function addDone(
  ctx: Context,
  tx: Transaction,
  type: OperationType,
  domain: string,
): Promise<{ OperationId: string }> {
  const id = ctx.uuid();
  await tx.table(Operations).put({ id, domain, type, status: 'SUCCESSFUL', submitted: ctx.now, updated: ctx.now });
  return { OperationId: id };
}

/** Writes an operation that a task will carry out. */
async function begin(ctx: Context, tx: Transaction, type: OperationType, domain: string, order: DomainOrder) {
  const id = ctx.uuid();
  const row: OperationRow = { id, domain, type, status: 'IN_PROGRESS', submitted: ctx.now, updated: ctx.now, order };
  await tx.table(Operations).put(row);
  await tx.schedule({ task: 'carryOut', key: id, due: ctx.now });
  return { OperationId: id };
}

function readContacts(input: RegisterDomainRequest): Contacts {
  const { RegistrantContact, AdminContact, TechContact, BillingContact } = input;
  const registrant = checkContact('registrant', RegistrantContact ?? {});
  const check = (kind: string, contact: ContactDetail | undefined) => checkContact(kind, contact ?? {});
  return {
    registrant,
    admin: check('admin', AdminContact),
    tech: check('tech', TechContact),
    billing: BillingContact === undefined ? registrant : check('billing', BillingContact),
    privacy: {
      registrant: input.PrivacyProtectRegistrantContact ?? true,
      admin: input.PrivacyProtectAdminContact ?? true,
      tech: input.PrivacyProtectTechContact ?? true,
      billing: input.PrivacyProtectBillingContact ?? true,
    },
  };
}

async function refuseTooMany(tx: Transaction): Promise<void> {
  if ((await tx.table(Domains).count()) >= domainsMax)
    throw new AwsError('DomainLimitExceeded', 'The number of domains has exceeded the allowed threshold for the account.');
}

async function refuseInProgress(tx: Transaction, name: string): Promise<void> {
  const running = (await tx.table(Operations).list()).some(({ domain, status }) => domain === name && status === 'IN_PROGRESS');
  if (running) throw new AwsError('DuplicateRequest', 'The request is already in progress for the domain.');
}

export const registrationHandlers: HandlersOf<Route53Domains> = {
  async CheckDomainAvailability(input, ctx) {
    if (input.IdnLangCode !== undefined) throw parameterNotImplemented('CheckDomainAvailability', 'IdnLangCode');
    const { name } = readName(input.DomainName);
    return { Availability: (await ctx.table(DomainNames).get(name)) === undefined ? 'AVAILABLE' : 'UNAVAILABLE' };
  },

  /** API Reference, RegisterDomain: reserves the name at once; the zone, its servers and the delegation follow in the operation. */
  async RegisterDomain(input, ctx) {
    if (input.IdnLangCode !== undefined) throw parameterNotImplemented('RegisterDomain', 'IdnLangCode');
    const { name, top } = readName(input.DomainName);
    const years = input.DurationInYears ?? 1;
    if (!Number.isInteger(years) || years < 1 || years > top.yearsMax)
      throw invalidInput(`The TLD ${top.name} can be registered for 1 to ${top.yearsMax} years.`);
    const contacts = readContacts(input);
    return ctx.transact(async (tx) => {
      await refuseInProgress(tx, name);
      await refuseTooMany(tx);
      if ((await tx.table(DomainNames).get(name)) !== undefined) throw invalidInput(`The domain ${name} is not available.`);
      await tx.table(DomainNames).put({ name, account: ctx.account });
      return begin(ctx, tx, 'REGISTER_DOMAIN', name, { years, autoRenew: input.AutoRenew ?? true, contacts });
    });
  },

  async CheckDomainTransferability(input, ctx) {
    const { name } = readName(input.DomainName);
    const holder = await ctx.table(DomainNames).get(name);
    if (holder?.account === ctx.account) return { Transferability: { Transferable: 'DOMAIN_IN_OWN_ACCOUNT' } };
    const row = holder === undefined ? undefined : await ctx.tableIn({ account: holder.account, region: '' }, Domains).get(name);
    const able = row !== undefined && !row.transferLock && (input.AuthCode === undefined || input.AuthCode === row.authCode);
    return { Transferability: { Transferable: able ? 'TRANSFERABLE' : 'UNTRANSFERABLE' } };
  },

  /**
   * API Reference, TransferDomain: from another registrar, with the code that the domain's holder got there. Every other account of this cloud is
   * another registrar: nobody else registers names in it. Whether the code is right shows in the operation.
   */
  async TransferDomain(input, ctx) {
    if (input.IdnLangCode !== undefined) throw parameterNotImplemented('TransferDomain', 'IdnLangCode');
    const { name, top } = readName(input.DomainName);
    const years = input.DurationInYears ?? 1;
    if (!Number.isInteger(years) || years < 1 || years > top.yearsMax)
      throw invalidInput(`The TLD ${top.name} can be transferred for 1 to ${top.yearsMax} years.`);
    const contacts = readContacts(input as RegisterDomainRequest);
    const servers = input.Nameservers === undefined ? undefined : checkServers(name, input.Nameservers);
    return ctx.transact(async (tx) => {
      await refuseInProgress(tx, name);
      await refuseTooMany(tx);
      const holder = await tx.table(DomainNames).get(name);
      if (holder === undefined) throw invalidInput(`The domain ${name} is not registered.`);
      if (holder.account === ctx.account) throw invalidInput(`The domain ${name} is in this account already.`);
      const order = { years, autoRenew: input.AutoRenew ?? true, contacts, servers, authCode: input.AuthCode };
      return begin(ctx, tx, 'TRANSFER_IN_DOMAIN', name, order);
    });
  },

  /** Extends by whole years; the year in which it ends now guards against paying twice. */
  async RenewDomain(input, ctx) {
    const { top } = readName(input.DomainName);
    const years = input.DurationInYears ?? 1;
    return ctx.transact(async (tx) => {
      const row = await requireDomain(tx, input.DomainName);
      if (new Date(row.expires).getUTCFullYear() !== input.CurrentExpiryYear)
        throw invalidInput(`The domain does not expire in ${input.CurrentExpiryYear}.`);
      const expires = addYears(row.expires, years);
      if (years < 1 || expires > addYears(ctx.now, top.yearsMax))
        throw invalidInput(`The TLD ${top.name} can be registered for 1 to ${top.yearsMax} years.`);
      await extend(tx, { ...row, expires, updated: ctx.now, expired: false });
      return addDone(ctx, tx, 'RENEW_DOMAIN', row.name);
    });
  },

  async DeleteDomain(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireDomain(tx, input.DomainName);
      await release(tx, row.name);
      return addDone(ctx, tx, 'DELETE_DOMAIN', row.name);
    });
  },
};

/** Keeps a domain with another end, and waits for that. */
export async function extend(tx: Transaction, row: DomainRow): Promise<void> {
  await tx.table(Domains).put(row);
  await tx.schedule({ task: 'expire', key: row.name, due: row.expires });
  tx.hint('domains', row.name);
}

/** Gives a name up: anybody may register it. */
export async function release(tx: Transaction, name: string): Promise<void> {
  await tx.table(Domains).delete(name);
  await tx.table(DomainNames).delete(name);
  await tx.unschedule('expire', name);
  tx.hint('domains', name);
}

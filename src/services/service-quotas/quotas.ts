/** Quotas as they are listed, and requests to raise them ("Requesting a quota increase"). */
import type { RequestedServiceQuotaChange, ServiceQuota, ServiceQuotas as Client } from '@aws-sdk/client-service-quotas';
import { pageOf } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { type Quota, quotaOf, quotaServices, quotas, RaisedQuotas } from '../../kernel/quotas.ts';
import type { AuthorisationsOf, Check, HandlersOf, Task } from '../../kernel/service.ts';
import { Requests, type RequestRow } from './state.ts';

/** "Many quotas are approved automatically", within minutes; here nobody has to look at them. */
const decidedMillis = 500;
const pageDefault = 100;

const all: readonly Quota[] = Object.values(quotas);

function noSuchResource(message: string): AwsError {
  return new AwsError('NoSuchResourceException', message);
}

function illegal(message: string): AwsError {
  return new AwsError('IllegalArgumentException', message);
}

function requireService(code: string | undefined): void {
  if (code === undefined || !Object.hasOwn(quotaServices, code))
    throw noSuchResource(`The request failed because the specified service ${code ?? ''} does not exist.`);
}

function requireQuota(service: string | undefined, code: string | undefined): Quota {
  requireService(service);
  const found = all.find((quota) => quota.service === service && quota.code === code);
  if (found === undefined)
    throw noSuchResource(
      `The request failed because the specified quota ${code ?? ''} does not exist for service ${service ?? ''}.`,
    );
  return found;
}

function arnOf(ctx: Context, service: string, code: string): string {
  return `arn:aws:servicequotas:${ctx.region}:${ctx.account}:${service}/${code}`;
}

function describe(ctx: Context, quota: Quota, value: number): ServiceQuota {
  return {
    ServiceCode: quota.service,
    ServiceName: quotaServices[quota.service],
    QuotaArn: arnOf(ctx, quota.service, quota.code),
    QuotaCode: quota.code,
    QuotaName: quota.name,
    Value: value,
    Unit: 'None',
    Adjustable: true,
    GlobalQuota: false,
    QuotaAppliedAtLevel: 'ACCOUNT',
  };
}

function describeRequest(ctx: Context, row: RequestRow): RequestedServiceQuotaChange {
  const quota = requireQuota(row.service, row.code);
  return {
    Id: row.id,
    ServiceCode: row.service,
    ServiceName: quotaServices[quota.service],
    QuotaCode: row.code,
    QuotaName: quota.name,
    DesiredValue: row.value,
    Status: row.status,
    Created: new Date(row.created),
    LastUpdated: new Date(row.updated),
    Requester: row.requester,
    QuotaArn: arnOf(ctx, row.service, row.code),
    GlobalQuota: false,
    Unit: 'None',
    QuotaRequestedAtLevel: 'ACCOUNT',
  };
}

interface Paging {
  NextToken?: string | undefined;
  MaxResults?: number | undefined;
}

function page<T>(
  scope: string,
  rows: readonly T[],
  keyOf: (row: T) => readonly (string | number)[],
  { NextToken, MaxResults }: Paging,
) {
  if (MaxResults !== undefined && (MaxResults < 1 || MaxResults > pageDefault))
    throw illegal(`MaxResults must be between 1 and ${pageDefault}.`);
  const found = pageOf(rows, keyOf, { scope, token: NextToken, limit: MaxResults ?? pageDefault });
  if (found === undefined) throw new AwsError('InvalidPaginationTokenException', 'Invalid pagination token was used');
  return found;
}

function ofService(service: string | undefined): Quota[] {
  requireService(service);
  return all.filter((quota) => quota.service === service).sort((a, b) => (a.code < b.code ? -1 : 1));
}

/** Quotas here are of accounts: none is of single resources. */
function checkLevel(operation: string, level: string | undefined): void {
  if (level === 'RESOURCE') throw parameterNotImplemented(operation, 'QuotaAppliedAtLevel RESOURCE');
}

const listHandlers: HandlersOf<Client> = {
  async ListServices(input) {
    const rows = Object.entries(quotaServices);
    const found = page('ListServices', rows, ([code]) => [code], input);
    return {
      Services: found.items.map(([ServiceCode, ServiceName]) => ({ ServiceCode, ServiceName })),
      NextToken: found.nextToken,
    };
  },

  /** Values that hold, raised ones included. */
  async ListServiceQuotas(input, ctx) {
    checkLevel('ListServiceQuotas', input.QuotaAppliedAtLevel);
    const wanted = ofService(input.ServiceCode).filter(({ code }) => input.QuotaCode === undefined || code === input.QuotaCode);
    const found = page(`ListServiceQuotas ${input.ServiceCode}`, wanted, ({ code }) => [code], input);
    const Quotas = await Promise.all(found.items.map(async (quota) => describe(ctx, quota, await quotaOf(ctx, quota))));
    return { Quotas, NextToken: found.nextToken };
  },

  async ListAWSDefaultServiceQuotas(input, ctx) {
    const rows = ofService(input.ServiceCode);
    const found = page(`ListAWSDefaultServiceQuotas ${input.ServiceCode}`, rows, ({ code }) => [code], input);
    return { Quotas: found.items.map((quota) => describe(ctx, quota, quota.value)), NextToken: found.nextToken };
  },

  async GetServiceQuota(input, ctx) {
    if (input.ContextId !== undefined) throw parameterNotImplemented('GetServiceQuota', 'ContextId');
    const quota = requireQuota(input.ServiceCode, input.QuotaCode);
    return { Quota: describe(ctx, quota, await quotaOf(ctx, quota)) };
  },

  async GetAWSDefaultServiceQuota(input, ctx) {
    const quota = requireQuota(input.ServiceCode, input.QuotaCode);
    return { Quota: describe(ctx, quota, quota.value) };
  },
};

async function history(
  ctx: Context,
  operation: string,
  input: Paging & { Status?: string | undefined; QuotaRequestedAtLevel?: string | undefined },
  wanted: (row: RequestRow) => boolean,
) {
  checkLevel(operation, input.QuotaRequestedAtLevel);
  const rows = (await ctx.table(Requests).list()).filter(
    (row) => wanted(row) && (input.Status === undefined || row.status === input.Status),
  );
  const found = page(operation, rows, ({ created, id }) => [created, id], input);
  return { RequestedQuotas: found.items.map((row) => describeRequest(ctx, row)), NextToken: found.nextToken };
}

const requestHandlers: HandlersOf<Client> = {
  /**
   * Decided a moment later: approved, and in force from then on, up to the most that the real cloud grants. Throws IllegalArgumentException for a value that is not
   * greater, ResourceAlreadyExistsException while another request for the quota is open.
   */
  async RequestServiceQuotaIncrease(input, ctx) {
    if (input.ContextId !== undefined) throw parameterNotImplemented('RequestServiceQuotaIncrease', 'ContextId');
    const quota = requireQuota(input.ServiceCode, input.QuotaCode);
    const value = input.DesiredValue ?? 0;
    const row: RequestRow = {
      ...{ id: ctx.id('quotaRequest'), created: ctx.now, updated: ctx.now },
      ...{ service: quota.service, code: quota.code, value, status: 'PENDING' },
      requester: JSON.stringify({ accountId: ctx.account, callerArn: ctx.caller.arn }),
    };
    await ctx.transact(async (tx) => {
      const open = (await tx.table(Requests).byIndex('byCode', [quota.code])).some(({ status }) => status === 'PENDING');
      if (open)
        throw new AwsError(
          'ResourceAlreadyExistsException',
          'Only one open service quota increase request is allowed per quota.',
        );
      if (value <= (await quotaOf(tx, quota)))
        throw illegal('You must provide a quota value greater than the current quota value');
      await tx.table(Requests).put(row);
      await tx.schedule({ task: 'decideRequest', key: row.id, due: ctx.now + decidedMillis });
    });
    return { RequestedQuota: describeRequest(ctx, row) };
  },

  async GetRequestedServiceQuotaChange(input, ctx) {
    const row = await ctx.table(Requests).firstByIndex('byId', [input.RequestId ?? '']);
    if (row === undefined)
      throw noSuchResource('The request failed because the specified quota increase request does not exist.');
    return { RequestedQuota: describeRequest(ctx, row) };
  },

  async ListRequestedServiceQuotaChangeHistory(input, ctx) {
    if (input.ServiceCode !== undefined) requireService(input.ServiceCode);
    const wanted = (row: RequestRow) => input.ServiceCode === undefined || row.service === input.ServiceCode;
    return history(ctx, 'ListRequestedServiceQuotaChangeHistory', input, wanted);
  },

  async ListRequestedServiceQuotaChangeHistoryByQuota(input, ctx) {
    const { service, code } = requireQuota(input.ServiceCode, input.QuotaCode);
    const wanted = (row: RequestRow) => row.service === service && row.code === code;
    return history(ctx, 'ListRequestedServiceQuotaChangeHistoryByQuota', input, wanted);
  },
};

export const quotaHandlers: HandlersOf<Client> = { ...listHandlers, ...requestHandlers };

/** What nobody grants is denied; all else is approved and holds at once. */
export const decideRequest: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Requests).firstByIndex('byId', [job.key]);
    if (row?.status !== 'PENDING') return;
    const granted = row.value <= (requireQuota(row.service, row.code).most ?? Number.POSITIVE_INFINITY);
    await tx.table(Requests).put({ ...row, status: granted ? 'APPROVED' : 'DENIED', updated: job.due });
    if (granted) await tx.table(RaisedQuotas).put({ code: row.code, value: row.value });
  });
};

function onQuota(input: { ServiceCode?: string | undefined; QuotaCode?: string | undefined }, ctx: Context): Check[] {
  const { ServiceCode: service = '*', QuotaCode: code = '*' } = input;
  return [{ resource: arnOf(ctx, service, code), conditions: { 'servicequotas:service': service } }];
}

export const quotaChecks: AuthorisationsOf<Client> = {
  GetServiceQuota: onQuota,
  ListRequestedServiceQuotaChangeHistoryByQuota: onQuota,
  RequestServiceQuotaIncrease: onQuota,
};

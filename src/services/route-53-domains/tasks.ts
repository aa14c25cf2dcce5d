/** What happens to domains without a request: operations are carried out, domains end or are renewed, the top-level zones follow. */
import type { Nameserver } from '@aws-sdk/client-route-53-domains';
import type { Context } from '../../kernel/context.ts';
import type { Reconciler, Task } from '../../kernel/service.ts';
import { hostAddress } from '../../planes/fabric/addresses.ts';
import { addDone, extend, release } from './registrations.ts';
import { addYears } from './rules.ts';
import { DomainNames, type DomainRow, Domains, type DomainOrder, Operations, type OperationRow } from './state.ts';

/** Cloud milliseconds for which an ended domain can still be renewed ("late renewal", 44 days with most TLDs). */
const graceMillis = 44 * 86_400_000;

/** Carries one operation out. */
export const carryOut: Task = async ({ key }, ctx) => {
  const operation = await ctx.table(Operations).get(key);
  if (operation?.status !== 'IN_PROGRESS' || operation.order === undefined) return;
  if (operation.type === 'REGISTER_DOMAIN') await register(ctx, operation, operation.order);
  else await transferIn(ctx, operation, operation.order);
};

function newRow(ctx: Context, name: string, order: DomainOrder, servers: readonly Nameserver[]): Omit<DomainRow, 'expires'> {
  const authCode = Buffer.from(ctx.bytes(12)).toString('base64url');
  return {
    ...{ name, created: ctx.now, updated: ctx.now, autoRenew: order.autoRenew, transferLock: true, servers },
    ...{ contacts: order.contacts, authCode, expired: false, tags: {} },
  };
}

/** Makes the hosted zone as the registrar does, and hands the domain to its servers. */
async function register(ctx: Context, operation: OperationRow, order: DomainOrder): Promise<void> {
  const name = operation.domain;
  const route53 = ctx.asService().call('route-53');
  const reference = `RISWorkflow-RD:${operation.id}`;
  const made = await route53
    .createHostedZone({
      Name: name,
      CallerReference: reference,
      HostedZoneConfig: { Comment: 'HostedZone created by Route53 Registrar' },
    })
    // A run that was cut off has made it already.
    .catch(async () => undefined);
  const zone = made ?? (await findZone(ctx, name, reference));
  const servers = (zone?.DelegationSet?.NameServers ?? []).map((Name) => ({ Name }));
  await ctx.transact(async (tx) => {
    const row = newRow(ctx, name, order, servers);
    await extend(tx, { ...row, expires: addYears(ctx.now, order.years) });
    await tx.table(Operations).put({ ...operation, status: 'SUCCESSFUL', updated: ctx.now, order: undefined });
  });
}

async function findZone(ctx: Context, name: string, reference: string) {
  const route53 = ctx.asService().call('route-53');
  const { HostedZones = [] } = await route53.listHostedZonesByName({ DNSName: name });
  const own = HostedZones.find(({ CallerReference }) => CallerReference === reference);
  return own?.Id === undefined ? undefined : route53.getHostedZone({ Id: own.Id });
}

async function transferIn(ctx: Context, operation: OperationRow, order: DomainOrder): Promise<void> {
  const name = operation.domain;
  await ctx.transact(async (tx) => {
    const holder = await tx.table(DomainNames).get(name);
    const theirs = holder === undefined ? undefined : tx.tableIn({ account: holder.account, region: '' }, Domains);
    const row = await theirs?.get(name);
    const problem =
      row === undefined
        ? `The domain ${name} is not registered.`
        : row.transferLock
          ? 'The domain is locked: its registrar must take the transfer lock off.'
          : row.authCode !== order.authCode
            ? 'The authorization code is not valid.'
            : undefined;
    if (problem !== undefined || row === undefined || theirs === undefined) {
      await tx.table(Operations).put({ ...operation, status: 'FAILED', message: problem, updated: ctx.now, order: undefined });
      return;
    }
    await theirs.delete(name);
    await tx.table(DomainNames).put({ name, account: ctx.account });
    // A transfer adds its years to what was paid for already.
    await extend(tx, {
      ...newRow(ctx, name, order, order.servers ?? row.servers),
      created: row.created,
      expires: addYears(row.expires, order.years),
    });
    await tx.table(Operations).put({ ...operation, status: 'SUCCESSFUL', updated: ctx.now, order: undefined });
  });
}

/** A domain's end: renewed, or suspended and given up when nobody renews it in time. */
export const expire: Task = async ({ key, due }, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Domains).get(key);
    if (row === undefined) return;
    if (row.expired && due >= row.expires + graceMillis) return release(tx, key);
    if (row.expires > due) return;
    if (row.autoRenew) {
      await extend(tx, { ...row, expires: addYears(row.expires, 1), updated: due });
      await addDone(ctx, tx, 'RENEW_DOMAIN', key);
      return;
    }
    await tx.table(Domains).put({ ...row, expired: true, updated: due });
    await tx.schedule({ task: 'expire', key, due: row.expires + graceMillis });
    tx.hint('domains', key);
  });
};

/** Domains on their way to the top-level zones. */
export const domainReconciler: Reconciler = {
  async keys(ctx) {
    return (await ctx.everywhere(Domains)).map(({ scope, row }) => ({
      account: scope.account,
      region: 'us-east-1',
      key: row.name,
    }));
  },

  async run({ key }, ctx) {
    const dns = ctx.part('dns');
    const holder = await ctx.table(DomainNames).get(key);
    const row = holder === undefined ? undefined : await ctx.tableIn({ account: holder.account, region: '' }, Domains).get(key);
    if (row === undefined) return dns.registry.removeDomain(key);
    const servers = row.expired ? [] : row.servers;
    dns.registry.setDomain({
      name: key,
      servers: await Promise.all(
        servers.map(async ({ Name: name = '', GlueIps: glue = [] }) => {
          if (glue.length > 0) return { name, addresses: glue };
          const { answers } = await dns.resolve({ name, type: 'A' }, { address: hostAddress });
          return { name, addresses: answers.flatMap((record) => (record.type === 'A' ? [record.data] : [])) };
        }),
      ),
    });
  },
};

/** Before an account's rows go: its names are anybody's again. */
export async function forgetDomainsOf(account: string | undefined, ctx: Context): Promise<void> {
  for (const { name, account: holder } of await ctx.table(DomainNames).list()) {
    if (account !== undefined && account !== holder) continue;
    ctx.part('dns').registry.removeDomain(name);
    await ctx.transact((tx) => tx.table(DomainNames).delete(name));
  }
}

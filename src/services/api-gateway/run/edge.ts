/** The edge of API Gateway: requests to names and paths of APIs. */
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { NetworkPath } from '../../../kernel/service.ts';
import type { WebRequest, WebUpgrade } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { Addresses, RestApis } from '../state.ts';
import { findTarget, type Target } from './address.ts';
import { answerHttp } from '../v2/http.ts';
import { openSocket } from '../v2/sockets.ts';
import { answerRest, forbidden } from './rest.ts';

/** Answers a call of an API; undefined for what is an operation on connections. */
export async function answerWeb(web: WebRequest): Promise<WireResponse | undefined> {
  if (/\/@connections\//.test(web.request.path)) return undefined;
  const target = await findTarget(web);
  if (target === undefined) return undefined;
  if (target === 'unknown') return forbidden(web.requestId);
  if (!(await knowsClient(web, target))) return forbidden(web.requestId);
  if (!(await isReachable(web, target))) return forbidden(web.requestId);
  if (target.address.kind === 'rest') return answerRest(web, target);
  if (target.address.kind === 'http') return answerHttp(web, target);
  return forbidden(web.requestId);
}

/** A domain with mutual TLS answers those only who came by TLS with a certificate that it trusts. */
async function knowsClient({ ctx, clientCertificate }: WebRequest, { domain }: Target): Promise<boolean> {
  if (domain?.mutual !== true) return true;
  const shown = clientCertificate();
  if (shown?.problem !== undefined) ctx.trace(`api: Access denied. Reason: ${shown.problem}`);
  return shown !== undefined && shown.problem === undefined;
}

/**
 * Private APIs answer VPC endpoints alone, and a VPC endpoint with private names leads to private APIs alone: public ones must be asked by their custom domains
 * ("Private REST APIs", considerations).
 */
async function isReachable(web: WebRequest, { address, domain }: Target): Promise<boolean> {
  let path: NetworkPath | undefined;
  try {
    path = await web.network();
  } catch (error) {
    if (error instanceof AwsError) return false;
    throw error;
  }
  const api = address.kind === 'rest' ? await web.ctx.tableIn(address, RestApis).get(address.name) : undefined;
  const isPrivate = api?.endpoint.types?.[0] === 'PRIVATE';
  return isPrivate ? path !== undefined : path === undefined || domain !== undefined;
}

/** Takes over connections to WebSocket APIs; false for what is none. */
export async function answerUpgrade(upgrade: WebUpgrade): Promise<boolean> {
  const target = await findTarget(upgrade.web);
  if (target === undefined || target === 'unknown' || target.address.kind !== 'websocket') return false;
  if (!(await knowsClient(upgrade.web, target)) || !(await isReachable(upgrade.web, target))) return false;
  await openSocket(upgrade, target);
  return true;
}

/** Addresses belong to the cloud and are given back before an account's rows go. */
export async function forgetAccount(account: string | undefined, ctx: Context): Promise<void> {
  const rows = (await ctx.table(Addresses).list()).filter((row) => account === undefined || row.account === account);
  for (const { name, kind } of rows) if (kind === 'domain') ctx.part('webNames').delete(name);
  await ctx.transact(async (tx) => {
    for (const { name } of rows) await tx.table(Addresses).delete(name);
  });
}

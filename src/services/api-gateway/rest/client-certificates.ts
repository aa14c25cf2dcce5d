/**
 * Client certificates: what a stage shows to the web servers behind its API, so that they can tell who calls ("Generate and configure an SSL certificate for
 * backend authentication"). Each signs itself and lasts a year.
 */
import { createPublicKey } from 'node:crypto';
import type { APIGateway, ClientCertificate } from '@aws-sdk/client-api-gateway';
import { generateKey, makeCertificate } from '../../../base/x509.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, limitExceeded, noSuch } from '../errors.ts';
import { pageItems } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import { type ClientCertificateRow, ClientCertificates, Stages } from '../state.ts';
import { checkTags } from './tags.ts';

const lifeMillis = 365 * 86_400_000;
/** "Client certificates per account per Region: 60". */
const certificatesMax = 60;
const subject = { organisation: 'Amazon.com', commonName: 'ApiGateway' };

const labelOf = (account: string, id: string): string => `apigateway ${account} ${id}`;

function describe(row: ClientCertificateRow): ClientCertificate {
  return {
    clientCertificateId: row.id,
    description: row.description,
    pemEncodedCertificate: row.certificate,
    createdDate: new Date(row.created),
    expirationDate: new Date(row.expires),
    tags: { ...row.tags },
  };
}

async function requireCertificate(
  from: Pick<Context, 'table'> | Pick<Transaction, 'table'>,
  id = '',
): Promise<ClientCertificateRow> {
  const row = await from.table(ClientCertificates).get(id);
  if (row === undefined) throw noSuch('Client Certificate');
  return row;
}

/** The certificate with its key, in PEM, as connections show it; undefined when it is gone. */
export async function clientCertificateOf(
  ctx: Context,
  id: string | undefined,
): Promise<{ certificate: string; privateKey: string } | undefined> {
  const row = id === undefined ? undefined : await ctx.table(ClientCertificates).get(id);
  if (row === undefined) return undefined;
  const privateKey = ctx.part('vault').open(row.sealedKey, labelOf(ctx.account, row.id)).toString('utf8');
  return { certificate: row.certificate, privateKey };
}

export const clientCertificateHandlers: HandlersOf<APIGateway> = {
  async GenerateClientCertificate(input, ctx) {
    const tags = checkTags(input.tags);
    if ((await ctx.table(ClientCertificates).list()).length >= certificatesMax)
      throw limitExceeded('Maximum number of client certificates for this account has been reached.');
    const key = await generateKey('RSA_2048');
    const id = ctx.id('gatewayPart');
    const created = ctx.now - (ctx.now % 1000);
    const expires = created + lifeMillis;
    const certificate = makeCertificate({
      ...{ subject, names: [], publicKey: createPublicKey(key), issuer: { name: subject, privateKey: key } },
      ...{ serial: ctx.bytes(8), notBefore: created, notAfter: expires },
    });
    const pem = key.export({ type: 'pkcs8', format: 'pem' }) as string;
    const sealedKey = ctx.part('vault').seal(Buffer.from(pem), labelOf(ctx.account, id));
    const row: ClientCertificateRow = { id, description: input.description, certificate, sealedKey, created, expires, tags };
    await ctx.transact((tx) => tx.table(ClientCertificates).put(row));
    return describe(row);
  },

  async GetClientCertificate(input, ctx) {
    return describe(await requireCertificate(ctx, input.clientCertificateId));
  },

  async GetClientCertificates(input, ctx) {
    const rows = await ctx.table(ClientCertificates).list();
    const { items, ...page } = pageItems('GetClientCertificates', rows, ({ id }) => id, input);
    return { items: items.map(describe), ...page };
  },

  UpdateClientCertificate(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireCertificate(tx, input.clientCertificateId);
      const changed = applyPatch(row, input.patchOperations, { '/description': 'text' });
      await tx.table(ClientCertificates).put(changed);
      return describe(changed);
    });
  },

  async DeleteClientCertificate(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireCertificate(tx, input.clientCertificateId);
      const user = (await tx.table(Stages).list()).find(({ clientCertificateId }) => clientCertificateId === id);
      if (user !== undefined)
        throw badRequest(`Client certificate ${id} is in use by stage ${user.name} of API ${user.api} and cannot be deleted`);
      await tx.table(ClientCertificates).delete(id);
    });
    return {};
  },
};

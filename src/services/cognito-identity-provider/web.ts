/** The public documents of a pool: its keys, and the discovery document of OpenID Connect ("Verifying JSON web tokens"). */
import type { WireResponse } from '../../model/types.ts';
import type { WebRequest } from '../../kernel/web.ts';
import { issuerOf, keySetOf } from './keys.ts';
import { findPool } from './lookup.ts';

const form = /^\/([\w-]+_[0-9A-Za-z]+)\/\.well-known\/(jwks\.json|openid-configuration)$/;

function json(status: number, body: object): WireResponse {
  const headers = {
    'content-type': 'application/json',
    'access-control-allow-origin': '*',
    'cache-control': 'public, max-age=86400',
  };
  return { status, headers, body: Buffer.from(JSON.stringify(body)) };
}

/** Answers the two documents; undefined for every other path. */
export async function serveDocuments({ request, ctx }: WebRequest): Promise<WireResponse | undefined> {
  const [, id = '', document] = form.exec(request.path) ?? [];
  if (document === undefined) return undefined;
  const found = await findPool(ctx, id);
  if (found === undefined) return json(404, { message: `User pool ${id} does not exist.` });
  if (document === 'jwks.json') return json(200, keySetOf(found.pool));
  const issuer = issuerOf(id);
  return json(200, {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    id_token_signing_alg_values_supported: ['RS256'],
    subject_types_supported: ['public'],
    response_types_supported: ['code', 'token'],
    scopes_supported: ['openid', 'email', 'phone', 'profile'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  });
}

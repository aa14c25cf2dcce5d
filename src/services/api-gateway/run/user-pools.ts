/** User pools as authorizers ("Control access to REST APIs using Amazon Cognito user pools as an authorizer"). */
import type { Authorizer } from '@aws-sdk/client-api-gateway';
import type { CognitoApi } from '../../cognito-identity-provider/api.ts';
import { isValid } from './authorizers.ts';
import { type Call, Refusal, valuesOf } from './call.ts';

function unauthorized(): Refusal {
  return new Refusal('UNAUTHORIZED', 'Unauthorized');
}

/** Claims that mappings and functions see as dates. */
const dates = new Set(['exp', 'iat']);
const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Mon Jan 23 20:26:42 UTC 2017` */
function showDate(seconds: number): string {
  const at = new Date(seconds * 1000);
  const day = String(at.getUTCDate()).padStart(2, '0');
  return `${weekdays[at.getUTCDay()]} ${months[at.getUTCMonth()]} ${day} ${at.toISOString().slice(11, 19)} UTC ${at.getUTCFullYear()}`;
}

function show(name: string, value: unknown): string {
  if (dates.has(name) && typeof value === 'number') return showDate(value);
  return Array.isArray(value) ? value.join(',') : String(value);
}

/**
 * The claims of the call's token, as text. "If no scopes are specified, the incoming token is treated as an identity token", else as an access token
 * that must have one of them. Throws Refusal UNAUTHORIZED.
 */
export async function claimsOf(call: Call, authorizer: Authorizer, scopes: readonly string[]): Promise<Record<string, string>> {
  const header = (authorizer.identitySource ?? '').split('.').slice(3).join('.');
  const token = valuesOf(call.headers, header)?.[0]
    ?.replace(/^Bearer\s+/i, '')
    .trim();
  if (token === undefined || token === '') throw unauthorized();
  const pools = await call.ctx.internal<CognitoApi>('cognito-identity-provider');
  for (const arn of authorizer.providerARNs ?? []) {
    const claims = await pools.claimsOf(arn, token);
    if (claims === undefined) continue;
    if (claims['token_use'] !== (scopes.length === 0 ? 'id' : 'access')) throw unauthorized();
    const audience = String(claims['aud'] ?? claims['client_id']);
    if (!isValid(audience, authorizer.identityValidationExpression)) throw unauthorized();
    const granted = String(claims['scope'] ?? '').split(' ');
    if (scopes.length > 0 && !scopes.some((scope) => granted.includes(scope))) throw unauthorized();
    return Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, show(name, value)]));
  }
  throw unauthorized();
}

/** Who may call a method: resource policies, Signature Version 4, Lambda authorizers, user pools ("How API Gateway resource policies affect authorization workflow"). */
import type { Authorizer, Method } from '@aws-sdk/client-api-gateway';
import { anonymousIdentity, type Identity } from '../../../kernel/caller.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { expandPolicy } from '../rest/apis.ts';
import { askAuthorizer } from './authorizers.ts';
import { type Call, internalError, Refusal } from './call.ts';
import { claimsOf } from './user-pools.ts';

/** ARN of what is called: `arn:aws:execute-api:region:account:api/stage/METHOD/path`. */
export function methodArn(call: Pick<Call, 'ctx' | 'api' | 'method' | 'path'> & { stage: { name: string } }): string {
  const { account, region } = call.ctx;
  return `arn:aws:execute-api:${region}:${account}:${call.api}/${call.stage.name}/${call.method}/${call.path.replace(/^\//, '').replace(/\/$/, '')}`;
}

/** Lets the call in or throws Refusal. */
export async function authoriseCall(call: Call, method: Method): Promise<void> {
  const policy = call.served.facts.policy;
  const resourcePolicy = policy === undefined ? undefined : expandPolicy(policy, call.ctx, call.api);
  if (method.authorizationType === 'AWS_IAM') {
    const identity = await signerOf(call);
    await ask(call, identity, resourcePolicy);
    return;
  }
  if (method.authorizationType === 'CUSTOM') {
    await authoriseByFunction(call, method, resourcePolicy);
    return;
  }
  if (method.authorizationType === 'COGNITO_USER_POOLS')
    call.authorizer = { claims: await claimsOf(call, authorizerOf(call, method), method.authorizationScopes ?? []) };
  if (resourcePolicy !== undefined) await ask(call, anonymousIdentity, resourcePolicy);
}

function authorizerOf(call: Call, method: Method): Authorizer {
  const authorizer = call.served.definition.authorizers[method.authorizerId ?? ''];
  if (authorizer === undefined) throw internalError('Execution failed due to configuration error: no such authorizer', call);
  return authorizer;
}

/** The policy that a Lambda authorizer returns is evaluated together with the API's own: either may allow, both may deny. */
async function authoriseByFunction(call: Call, method: Method, resourcePolicy: string | undefined): Promise<void> {
  const authorizer = authorizerOf(call, method);
  const { principalId, policy, context, usageIdentifierKey } = await askAuthorizer(call, authorizer);
  const own = resourcePolicy === undefined ? [] : listOf((JSON.parse(resourcePolicy) as { Statement?: unknown }).Statement);
  const given = listOf(policy.Statement).map((statement) => ({ ...(statement as object), Principal: '*' }));
  const merged = JSON.stringify({ Version: '2012-10-17', Statement: [...own, ...given] });
  try {
    await ask(call, anonymousIdentity, merged);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const explicit = error.message.includes('explicit deny') ? ' with an explicit deny' : '';
    throw new Refusal('ACCESS_DENIED', `User is not authorized to access this resource${explicit}`);
  }
  call.authorizer = { principalId, ...context, ...(usageIdentifierKey === undefined ? {} : { usageIdentifierKey }) };
}

function listOf(statements: unknown): unknown[] {
  return Array.isArray(statements) ? statements : statements === undefined ? [] : [statements];
}

async function ask(call: Call, identity: Identity, resourcePolicy: string | undefined): Promise<void> {
  const ctx = await call.web.contextOf(identity, call.ctx);
  try {
    await ctx.permit({
      action: 'execute-api:Invoke',
      resource: methodArn(call),
      resourceAccount: call.ctx.account,
      resourcePolicy,
    });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw denied(error.message);
  }
}

/** The gateway shows no more of account numbers than their end. */
function denied(message: string): Refusal {
  const text = message.replace(/(arn:aws:execute-api:[^:]+:)\d{8}(\d{4}:)/g, '$1********$2');
  return new Refusal('ACCESS_DENIED', text);
}

/** Whoever signed. Throws Refusal for unsigned calls and wrong signatures. */
async function signerOf(call: Call): Promise<Identity> {
  let identity: Identity | undefined;
  try {
    identity = await call.web.signer();
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw signatureRefusal(error);
  }
  if (identity === undefined) throw new Refusal('MISSING_AUTHENTICATION_TOKEN', 'Missing Authentication Token');
  call.signer = identity;
  call.identity.accountId = identity.account;
  call.identity.caller = identity.userId;
  call.identity.user = identity.userId;
  call.identity.userArn = identity.arn;
  const accessKey = /Credential=([^/,\s]+)/.exec(call.web.request.headers['authorization'] ?? '')?.[1];
  if (accessKey !== undefined) call.identity.accessKey = accessKey;
  return identity;
}

function signatureRefusal({ code, message }: AwsError): Refusal {
  if (/Expired/.test(code)) return new Refusal('EXPIRED_TOKEN', message);
  if (/UnrecognizedClient|InvalidClientToken/.test(code))
    return new Refusal('INVALID_SIGNATURE', 'The security token included in the request is invalid.', {
      errorType: 'UnrecognizedClientException',
    });
  return new Refusal('INVALID_SIGNATURE', message, { errorType: code });
}

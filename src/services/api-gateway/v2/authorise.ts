/** Who may call a route: signatures, JSON web tokens, Lambda functions ("Control and manage access to HTTP APIs"). */
import type { Authorizer } from '@aws-sdk/client-apigatewayv2';
import { anonymousIdentity } from '../../../kernel/caller.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { memberAt, valuesOf } from '../run/call.ts';
import { askAuthorizerFunction } from '../run/functions.ts';
import { contextVariables, type HttpCall, HttpRefusal } from './call.ts';
import { event1, event2 } from './events.ts';
import { checkToken } from './tokens.ts';
import type { RouteDef } from './state.ts';

const forbidden = (): HttpRefusal => new HttpRefusal(403, 'Forbidden');
const failed = (): HttpRefusal => new HttpRefusal(500, 'Internal Server Error');

/** Lets the call in or throws HttpRefusal. */
export async function authoriseHttp(call: HttpCall, route: RouteDef): Promise<void> {
  const type = route.AuthorizationType ?? 'NONE';
  if (type === 'NONE') return;
  if (type === 'AWS_IAM') return authoriseSigned(call);
  const authorizer = call.served.definition.authorizers[route.AuthorizerId ?? ''];
  if (authorizer === undefined) throw failed();
  if (type === 'JWT') {
    call.authorizer = { jwt: await checkToken(call, authorizer, route.AuthorizationScopes ?? []) };
    return;
  }
  call.authorizer = { lambda: await askFunction(call, authorizer) };
}

/** ARN of what is called. */
function routeArn({ ctx, api, stage, method, path }: HttpCall): string {
  return `arn:aws:execute-api:${ctx.region}:${ctx.account}:${api.id}/${stage.name}/${method}${path}`;
}

async function authoriseSigned(call: HttpCall): Promise<void> {
  try {
    const identity = await call.web.signer();
    if (identity === undefined) throw forbidden();
    call.signer = identity;
    const ctx = await call.web.contextOf(identity, call.ctx);
    await ctx.permit({ action: 'execute-api:Invoke', resource: routeArn(call), resourceAccount: call.ctx.account });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    call.log(error.message);
    throw forbidden();
  }
}

interface Remembered {
  until: number;
  context: Record<string, unknown> | undefined;
}

const rememberedMax = 10_000;
const rememberedCache = new Map<string, Remembered>();

function sourceValue(call: HttpCall, source: string): string | undefined {
  const [, kind, name = ''] = /^\$request\.(header|querystring)\.(.+)$/.exec(source) ?? [];
  if (kind === 'header') return valuesOf(call.headers, name)?.join(',');
  if (kind === 'querystring') return call.query[name]?.join(',');
  if (source.startsWith('$stageVariables.')) return call.stage.variables[source.slice('$stageVariables.'.length)];
  const found = memberAt(contextVariables(call), source.slice('$context.'.length).split('.'));
  return found === undefined || found === null ? undefined : String(found);
}

/** Context that a function gives to a call that it lets in. Throws HttpRefusal. */
async function askFunction(call: HttpCall, authorizer: Authorizer): Promise<Record<string, unknown>> {
  const values: string[] = [];
  for (const source of authorizer.IdentitySource ?? []) {
    const value = sourceValue(call, source);
    if (value === undefined || value === '') throw new HttpRefusal(401, 'Unauthorized');
    values.push(value);
  }
  const ttl = values.length === 0 ? 0 : (authorizer.AuthorizerResultTtlInSeconds ?? 0);
  const { ctx, api, stage } = call;
  const served = [stage.name, stage.deploymentId, stage.cacheEpoch];
  const key = JSON.stringify([ctx.account, ctx.region, api.id, ...served, authorizer.AuthorizerId, values]);
  const known = ttl > 0 ? rememberedCache.get(key) : undefined;
  let context: Record<string, unknown> | undefined;
  if (known !== undefined && known.until > ctx.now) context = known.context;
  else {
    context = await invokeAuthorizer(call, authorizer, values);
    if (ttl > 0) {
      if (rememberedCache.size >= rememberedMax) rememberedCache.clear();
      rememberedCache.set(key, { until: ctx.now + ttl * 1000, context });
    }
  }
  if (context === undefined) throw forbidden();
  return context;
}

async function invokeAuthorizer(
  call: HttpCall,
  authorizer: Authorizer,
  values: readonly string[],
): Promise<Record<string, unknown> | undefined> {
  const { api } = call;
  const second = authorizer.AuthorizerPayloadFormatVersion === '2.0';
  const event = second
    ? { ...event2(call), type: 'REQUEST', routeArn: routeArn(call), identitySource: values }
    : {
        ...event1(call),
        type: 'REQUEST',
        methodArn: routeArn(call),
        identitySource: values.join(','),
        authorizationToken: values[0],
      };
  let text: string;
  try {
    const answer = await askAuthorizerFunction(call, api.id, authorizer, event);
    text = answer.text;
    if (answer.failed) throw failed();
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    call.log(`${error.code}: ${error.message}`);
    throw failed();
  }
  return authorizer.EnableSimpleResponses === true ? readSimple(text) : readPolicy(call, text);
}

function readSimple(text: string): Record<string, unknown> | undefined {
  const answer = parse(text);
  if (typeof answer?.['isAuthorized'] !== 'boolean') throw failed();
  return answer['isAuthorized'] ? ((answer['context'] as Record<string, unknown> | undefined) ?? {}) : undefined;
}

async function readPolicy(call: HttpCall, text: string): Promise<Record<string, unknown> | undefined> {
  const answer = parse(text);
  const policy = answer?.['policyDocument'] as { Statement?: unknown } | undefined;
  if (typeof policy !== 'object' || policy === null) throw failed();
  const statements = Array.isArray(policy.Statement) ? (policy.Statement as object[]) : [policy.Statement as object];
  const resourcePolicy = JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((one) => ({ ...one, Principal: '*' })),
  });
  const ctx = await call.web.contextOf(anonymousIdentity, call.ctx);
  const allowed = await ctx
    .permit({ action: 'execute-api:Invoke', resource: routeArn(call), resourceAccount: call.ctx.account, resourcePolicy })
    .then(
      () => true,
      (error: unknown) => {
        if (error instanceof AwsError) return false;
        throw error;
      },
    );
  return allowed ? ((answer?.['context'] as Record<string, unknown> | undefined) ?? {}) : undefined;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw failed();
  }
}

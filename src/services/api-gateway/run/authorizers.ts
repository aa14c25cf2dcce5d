/** Lambda authorizers of REST APIs: what they are asked, what they answer, and how long that is remembered ("Use API Gateway Lambda authorizers"). */
import type { Authorizer } from '@aws-sdk/client-api-gateway';
import { AwsError } from '../../../kernel/errors.ts';
import { methodArn } from './authorise.ts';
import { type Call, contextVariables, memberAt, Refusal, valuesOf } from './call.ts';
import { invokeFunction, proxyEvent } from './functions.ts';

export interface Authorisation {
  principalId: string;
  /** Statements of the policy, as an identity's: without principals. */
  policy: { Version?: string; Statement?: unknown };
  context: Record<string, string>;
  usageIdentifierKey?: string | undefined;
}

interface Remembered {
  until: number;
  /** Undefined: Unauthorized. */
  found: Authorisation;
}

const rememberedMax = 10_000;
const rememberedCache = new Map<string, Remembered>();

function unauthorized(): Refusal {
  return new Refusal('UNAUTHORIZED', 'Unauthorized');
}

/** What went wrong inside an authorizer is not told. */
function failure(call: Call, reason: string, type: 'AUTHORIZER_FAILURE' | 'AUTHORIZER_CONFIGURATION_ERROR'): Refusal {
  call.log(`Execution failed due to configuration error: ${reason}`);
  return new Refusal(type, 'null', {
    errorType: type === 'AUTHORIZER_FAILURE' ? 'AuthorizerFailureException' : 'AuthorizerConfigurationException',
  });
}

/** Values of the identity sources; undefined when one of them is missing. */
function identityValues(call: Call, sources: string | undefined): string[] | undefined {
  const values: string[] = [];
  for (const source of (sources ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')) {
    const value = identityValue(call, source);
    if (value === undefined || value === '') return undefined;
    values.push(value);
  }
  return values;
}

function identityValue(call: Call, source: string): string | undefined {
  const [, kind, name = ''] = /^method\.request\.(header|querystring)\.(.+)$/.exec(source) ?? [];
  if (kind === 'header') return valuesOf(call.headers, name)?.[0];
  if (kind === 'querystring') return call.query[name]?.at(-1);
  if (source.startsWith('stageVariables.')) return call.variables[source.slice('stageVariables.'.length)];
  const found = memberAt(contextVariables(call), source.split('.').slice(1));
  return found === undefined || found === null ? undefined : String(found);
}

/** What a Lambda authorizer says of a call. Throws Refusal UNAUTHORIZED, AUTHORIZER_FAILURE, AUTHORIZER_CONFIGURATION_ERROR. */
export async function askAuthorizer(call: Call, authorizer: Authorizer): Promise<Authorisation> {
  const isToken = authorizer.type === 'TOKEN';
  const values = identityValues(call, authorizer.identitySource);
  const ttl = authorizer.authorizerResultTtlInSeconds ?? 300;
  if (values === undefined) throw unauthorized();
  if (isToken && !isValid(values[0] ?? '', authorizer.identityValidationExpression)) throw unauthorized();
  const { account, region } = call.ctx;
  const key = JSON.stringify([
    account,
    region,
    call.api,
    call.stage.name,
    call.stage.cacheEpoch,
    call.stage.deploymentId,
    authorizer.id,
    values,
  ]);
  const known = ttl > 0 ? rememberedCache.get(key) : undefined;
  if (known !== undefined && known.until > call.ctx.now) return known.found;
  const found = await invokeAuthorizer(call, authorizer, isToken ? tokenEvent(call, values[0] ?? '') : requestEvent(call));
  if (ttl > 0) {
    if (rememberedCache.size >= rememberedMax) rememberedCache.clear();
    rememberedCache.set(key, { until: call.ctx.now + ttl * 1000, found });
  }
  return found;
}

/** Whether an expression of an authorizer lets a text through; one that is none lets nothing. */
export function isValid(token: string, expression: string | undefined): boolean {
  if (expression === undefined || expression === '') return true;
  try {
    return new RegExp(`^(?:${expression})$`).test(token);
  } catch {
    return false;
  }
}

function tokenEvent(call: Call, token: string): object {
  return { type: 'TOKEN', methodArn: methodArn(call), authorizationToken: token };
}

function requestEvent(call: Call): object {
  const { body: _body, isBase64Encoded: _encoded, ...event } = proxyEvent(call);
  return { type: 'REQUEST', methodArn: methodArn(call), ...event };
}

async function invokeAuthorizer(call: Call, authorizer: Authorizer, event: object): Promise<Authorisation> {
  const { ctx } = call;
  let text: string;
  try {
    const answer = await invokeFunction(call, {
      uri: authorizer.authorizerUri ?? '',
      credentials: authorizer.authorizerCredentials,
      sourceArn: `arn:aws:execute-api:${ctx.region}:${ctx.account}:${call.api}/authorizers/${authorizer.id}`,
      payload: JSON.stringify(event),
    });
    text = Buffer.from(answer.payload).toString('utf8');
    if (answer.functionError !== undefined) {
      // "Unauthorized" alone is a refusal, anything else a failure.
      if ((JSON.parse(text) as { errorMessage?: unknown }).errorMessage === 'Unauthorized') throw unauthorized();
      throw failure(call, `Authorizer error: ${text}`, 'AUTHORIZER_FAILURE');
    }
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw failure(call, `${error.code}: ${error.message}`, 'AUTHORIZER_CONFIGURATION_ERROR');
  }
  const found = readAuthorisation(text);
  if (found === undefined) throw failure(call, 'Malformed authorizer response', 'AUTHORIZER_CONFIGURATION_ERROR');
  return found;
}

function readAuthorisation(text: string): Authorisation | undefined {
  let parsed: Record<string, unknown> | null;
  try {
    parsed = JSON.parse(text) as Record<string, unknown> | null;
  } catch {
    return undefined;
  }
  const policy = parsed?.['policyDocument'];
  const principal = parsed?.['principalId'];
  if (typeof policy !== 'object' || policy === null || typeof principal !== 'string') return undefined;
  const context: Record<string, string> = {};
  for (const [name, value] of Object.entries((parsed?.['context'] as object | undefined) ?? {})) {
    // "You can't set a JSON object or array as a valid value of any key in the context map".
    if (typeof value === 'object' && value !== null) return undefined;
    if (value !== null) context[name] = String(value);
  }
  const key = parsed?.['usageIdentifierKey'];
  return { principalId: principal, policy, context, usageIdentifierKey: typeof key === 'string' ? key : undefined };
}

/** Response caches of REST APIs' stages, by the cloud's clock ("Cache settings for REST APIs"). A cache: it is empty after a restart. */
import type { Integration } from '@aws-sdk/client-api-gateway';
import { AwsError } from '../../../kernel/errors.ts';
import { methodArn } from './authorise.ts';
import { type Answer, type Call, Refusal, setHeader, valuesOf } from './call.ts';
import { settingOf } from './keys.ts';
import { mapRequest } from './parameters.ts';

interface Kept {
  until: number;
  answer: Answer;
}

/** "Maximum size of a response that can be cached: 1 MB". */
const answerBytesMax = 1024 * 1024;
const keptMax = 2_000;
const keptCache = new Map<string, Kept>();

/** Answers out of the stage's cache, or by `work`, whose answer is kept when it is a success. Only GET is cached unless a method says so itself. */
export async function throughCache(call: Call, integration: Integration, work: () => Promise<Answer>): Promise<Answer> {
  const setting = settingOf(call);
  const own =
    call.stage.methodSettings[`${call.resourcePath.length > 1 ? call.resourcePath.slice(1) : call.resourcePath}/${call.method}`];
  const caches = setting?.cachingEnabled === true && (call.method === 'GET' || own?.cachingEnabled === true);
  if (!call.stage.cacheClusterEnabled || !caches) return work();
  const key = keyOf(call, integration);
  const known = keptCache.get(key);
  const asked = asksAnew(call) ? await mayInvalidate(call) : undefined;
  if (asked !== true && known !== undefined && known.until > call.ctx.now) {
    call.cache = 'hit';
    const headers = { ...known.answer.headers };
    if (asked === false && setting?.unauthorizedCacheControlHeaderStrategy !== 'SUCCEED_WITHOUT_RESPONSE_HEADER')
      setHeader(headers, 'Warning', ['199 Cache-control headers were ignored because the caller was unauthorized.']);
    return { ...known.answer, headers };
  }
  call.cache = 'miss';
  const answer = await work();
  const ttl = setting?.cacheTtlInSeconds ?? 300;
  if (answer.status >= 200 && answer.status < 300 && ttl > 0 && answer.body.byteLength <= answerBytesMax) {
    if (keptCache.size >= keptMax) keptCache.clear();
    keptCache.set(key, { until: call.ctx.now + ttl * 1000, answer });
  }
  return answer;
}

/** The method, and the values of the parameters that the integration names. */
function keyOf(call: Call, { cacheNamespace = call.resourceId, cacheKeyParameters = [] }: Integration): string {
  const { account, region } = call.ctx;
  const sources = Object.fromEntries(cacheKeyParameters.map((name, index) => [`integration.request.header.k${index}`, name]));
  const { headers } = mapRequest(call, sources);
  const values = cacheKeyParameters.map((name, index) => [name, headers[`k${index}`] ?? null]);
  return JSON.stringify([
    account,
    region,
    call.api,
    call.stage.name,
    call.stage.cacheEpoch,
    call.stage.deploymentId,
    cacheNamespace,
    call.method,
    values,
  ]);
}

function asksAnew(call: Call): boolean {
  return valuesOf(call.headers, 'cache-control')?.some((value) => /max-age=0|no-cache/.test(value)) ?? false;
}

/** Whether the caller's wish for a fresh answer counts. Throws Refusal where the stage refuses who may not have it. */
async function mayInvalidate(call: Call): Promise<boolean> {
  const setting = settingOf(call);
  if (setting?.requireAuthorizationForCacheControl === false) return true;
  const { signer } = call;
  if (signer !== undefined) {
    try {
      const ctx = await call.web.contextOf(signer, call.ctx);
      await ctx.permit({ action: 'execute-api:InvalidateCache', resource: methodArn(call), resourceAccount: call.ctx.account });
      return true;
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
    }
  }
  if (setting?.unauthorizedCacheControlHeaderStrategy === 'FAIL_WITH_403')
    throw new Refusal('ACCESS_DENIED', 'Forbidden', { errorType: 'ForbiddenException' });
  return false;
}

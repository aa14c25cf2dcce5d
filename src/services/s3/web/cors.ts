/** Cross-origin requests: a bucket's rules, preflights, and the headers on answers ("Using cross-origin resource sharing (CORS)"). */
import type { CORSRule, S3 } from '@aws-sdk/client-s3';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { bucketCheck } from '../access/checks.ts';
import { changeBucket } from '../buckets/settings.ts';
import { invalidRequest, malformedXml, noSuchSetting, s3Error } from '../errors.ts';
import { requireBucket } from '../lookup.ts';
import { Buckets, type CorsRule } from '../state.ts';
import { bucketAndKey } from './address.ts';

/** Rules of one bucket ("You can add up to 100 rules"). */
const rulesMax = 100;
const methods: ReadonlySet<string> = new Set(['GET', 'PUT', 'HEAD', 'POST', 'DELETE']);

function readRule(rule: CORSRule): CorsRule {
  const { AllowedMethods: allowedMethods = [], AllowedOrigins: allowedOrigins = [], AllowedHeaders: allowedHeaders = [] } = rule;
  if (allowedMethods.length === 0 || allowedOrigins.length === 0) throw malformedXml();
  for (const method of allowedMethods) {
    if (!methods.has(method))
      throw invalidRequest(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`);
  }
  for (const origin of allowedOrigins) {
    if (origin.split('*').length > 2) throw invalidRequest(`AllowedOrigin "${origin}" can not have more than one wildcard.`);
  }
  for (const header of allowedHeaders) {
    if (header.split('*').length > 2) throw invalidRequest(`AllowedHeader "${header}" can not have more than one wildcard.`);
  }
  for (const header of rule.ExposeHeaders ?? []) {
    if (header.includes('*')) {
      const text = `ExposeHeader "${header}" contains wildcard. We currently do not support wildcard for ExposeHeader.`;
      throw invalidRequest(text);
    }
  }
  return {
    id: rule.ID,
    allowedMethods,
    allowedOrigins,
    allowedHeaders,
    exposeHeaders: rule.ExposeHeaders ?? [],
    maxAgeSeconds: rule.MaxAgeSeconds,
  };
}

export const corsHandlers: HandlersOf<S3> = {
  async PutBucketCors(input, ctx) {
    const rules = input.CORSConfiguration?.CORSRules ?? [];
    if (rules.length === 0 || rules.length > rulesMax) throw malformedXml();
    const cors = rules.map(readRule);
    await changeBucket(ctx, input, (row) => ({ ...row, cors }));
    return {};
  },

  async GetBucketCors(input, ctx) {
    const { cors, name } = await requireBucket(ctx, input);
    if (cors === undefined) throw noSuchSetting('NoSuchCORSConfiguration', 'The CORS configuration does not exist', name);
    return {
      CORSRules: cors.map((rule) => ({
        ...(rule.id === undefined ? {} : { ID: rule.id }),
        AllowedHeaders: [...rule.allowedHeaders],
        AllowedMethods: [...rule.allowedMethods],
        AllowedOrigins: [...rule.allowedOrigins],
        ExposeHeaders: [...rule.exposeHeaders],
        ...(rule.maxAgeSeconds === undefined ? {} : { MaxAgeSeconds: rule.maxAgeSeconds }),
      })),
    };
  },

  async DeleteBucketCors(input, ctx) {
    await changeBucket(ctx, input, (row) => ({ ...row, cors: undefined }));
    return {};
  },
};

export const corsChecks: AuthorisationsOf<S3> = {
  PutBucketCors: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketCors: async (input, ctx) => [await bucketCheck(ctx, input)],
  DeleteBucketCors: async (input, ctx) => [await bucketCheck(ctx, input)],
};

function matches(pattern: string, text: string): boolean {
  const [start = '', end] = pattern.split('*');
  return end === undefined
    ? pattern === text
    : text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}

interface CrossOrigin {
  origin: string;
  method: string;
  headers: readonly string[];
}

/** The first rule that allows it counts. */
function findRule(rules: readonly CorsRule[], { origin, method, headers }: CrossOrigin): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.allowedMethods.includes(method) &&
      rule.allowedOrigins.some((pattern) => matches(pattern, origin)) &&
      headers.every((header) => rule.allowedHeaders.some((pattern) => matches(pattern.toLowerCase(), header))),
  );
}

function describe(rule: CorsRule, { origin, headers }: CrossOrigin): Record<string, string> {
  const everybody = rule.allowedOrigins.includes('*');
  return {
    'access-control-allow-origin': everybody ? '*' : origin,
    'access-control-allow-methods': rule.allowedMethods.join(', '),
    ...(everybody ? {} : { 'access-control-allow-credentials': 'true' }),
    ...(headers.length === 0 ? {} : { 'access-control-allow-headers': headers.join(', ') }),
    ...(rule.exposeHeaders.length === 0 ? {} : { 'access-control-expose-headers': rule.exposeHeaders.join(', ') }),
    ...(rule.maxAgeSeconds === undefined ? {} : { 'access-control-max-age': String(rule.maxAgeSeconds) }),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  };
}

async function rulesOf({ request, ctx }: WebRequest): Promise<readonly CorsRule[] | undefined> {
  const { bucket } = bucketAndKey(request);
  return bucket === '' ? undefined : (await ctx.table(Buckets).get(bucket))?.cors;
}

/** Answers a preflight. Throws AccessForbidden for what no rule allows, BadRequest for one without an Origin. */
export async function answerPreflight(web: WebRequest): Promise<WireResponse> {
  const { headers } = web.request;
  const origin = headers['origin'];
  if (origin === undefined) throw s3Error('BadRequest', 'Insufficient information. Origin request header needed.', 400);
  const method = headers['access-control-request-method'] ?? '';
  if (!methods.has(method)) throw s3Error('BadRequest', `Invalid Access-Control-Request-Method: ${method || 'null'}`, 400);
  const asked = (headers['access-control-request-headers'] ?? '').split(',').map((name) => name.trim().toLowerCase());
  const cross: CrossOrigin = { origin, method, headers: asked.filter((name) => name !== '') };
  const rules = await rulesOf(web);
  const members = { Method: method, ResourceType: bucketAndKey(web.request).key === '' ? 'BUCKET' : 'OBJECT' };
  if (rules === undefined) throw s3Error('AccessForbidden', 'CORSResponse: CORS is not enabled for this bucket.', 403, members);
  const rule = findRule(rules, cross);
  if (rule !== undefined) return { status: 200, headers: describe(rule, cross), body: '' };
  const text =
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
  throw s3Error('AccessForbidden', text, 403, members);
}

/** Headers on the answer to a request with an Origin; none when no rule allows it. */
export async function corsHeaders(web: WebRequest): Promise<Record<string, string> | undefined> {
  const rules = await rulesOf(web);
  const cross: CrossOrigin = { origin: web.request.headers['origin'] ?? '', method: web.request.method, headers: [] };
  const rule = rules && findRule(rules, cross);
  return rule && describe(rule, cross);
}

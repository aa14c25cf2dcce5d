/**
 * Functions as targets ("Use Lambda functions as targets of an Application Load Balancer"): a request becomes an event, the function's result the
 * response. Nodes hand such requests over to here, because functions are called by their name and not over a network.
 */
import { parseArn } from '../../base/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandedAnswer, HandedRequest } from '../../planes/proxy/types.ts';
import type { FunctionAnswer, LambdaApi } from '../lambda/api.ts';
import { groupAttribute } from './attributes.ts';
import { validationError } from './errors.ts';
import { type GroupRow, Groups } from './state.ts';

/** Bytes of the JSON that a function may answer ("Limits"). */
const answerBytesMax = 1_048_576;
const functionForm = /^function:[a-zA-Z0-9-_]{1,64}(:(\$LATEST|[a-zA-Z0-9-_]{1,128}))?$/;

/** Calls a target on account of its group, whose permission the function's policy must hold. Throws as Lambda's Invoke does. */
async function invoke(
  ctx: Context,
  group: string,
  target: string,
  type: 'RequestResponse' | 'DryRun',
  payload: string,
): Promise<FunctionAnswer> {
  const { account, region } = ctx;
  const caller = { principal: 'elasticloadbalancing.amazonaws.com', sourceArn: group, sourceAccount: account };
  const lambda = await ctx.internal<LambdaApi>('lambda');
  return lambda.invoke({ account, region, function: target, payload, type, caller });
}

/**
 * Checks a function that shall be registered. Its zone is all of them. Throws ValidationError for what is no function of this account and Region,
 * AccessDenied when the group may not call it.
 */
export async function checkFunction(ctx: Context, group: string, id: string): Promise<'all'> {
  const arn = parseArn(id);
  if (arn?.service !== 'lambda' || !functionForm.test(arn.resource))
    throw validationError(`'${id}' is not a valid Lambda function ARN`);
  if (arn.account !== ctx.account || arn.region !== ctx.region)
    throw validationError(`The Lambda function '${id}' must be in the same account and Region as the target group`);
  try {
    await invoke(ctx, group, id, 'DryRun', '{}');
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    // A function that is being made may be registered.
    if (error.code === 'ResourceConflictException') return 'all';
    throw new AwsError(
      'AccessDenied',
      `elasticloadbalancing principal does not have permission to invoke ${id} from target group ${group}`,
      { status: 403 },
    );
  }
  return 'all';
}

/** Answers a request that a node hands over; never rejects. */
export async function answerRequest(system: Context, request: HandedRequest): Promise<HandedAnswer> {
  try {
    const scope = parseArn(request.pool);
    const ctx = system.inScope({ account: scope?.account ?? '', region: scope?.region ?? '' });
    const group = await ctx.table(Groups).get(request.pool);
    if (group === undefined) return { status: 502, failure: 'LambdaResourceNotFound', fault: 'function' };
    const event = eventOf(group, request);
    if (event === undefined) return { status: 400, failure: 'LambdaBadRequest', fault: 'function' };
    return await callWith(ctx, group, request.target, event);
  } catch (error) {
    system.trace(`A request to ${request.target} failed: ${String(error)}`);
    return { status: 502, failure: 'LambdaUnhandledException', fault: 'cloud' };
  }
}

async function callWith(ctx: Context, group: GroupRow, target: string, event: object): Promise<HandedAnswer> {
  try {
    const answer = await invoke(ctx, group.arn, target, 'RequestResponse', JSON.stringify(event));
    return readAnswer(group, answer);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const failure =
      failures[error.code] ?? (/^(EC2|ENI|Subnet|Invalid|KMS)/.test(error.code) ? `Lambda${error.code}` : undefined);
    return { status: 502, failure: failure ?? 'LambdaServiceException', fault: failure === undefined ? 'cloud' : 'function' };
  }
}

/** Refusals of Lambda that are the user's to mend ("Access logs": error reason codes). */
const failures: Readonly<Record<string, string>> = {
  AccessDeniedException: 'LambdaAccessDenied',
  ResourceNotFoundException: 'LambdaResourceNotFound',
  TooManyRequestsException: 'LambdaThrottling',
  InvalidRequestContentException: 'LambdaBadRequest',
  RequestEntityTooLargeException: 'LambdaRequestTooLarge',
};

type Event = Readonly<Record<string, unknown>>;

function shapeOf(group: GroupRow, method: string, path: string, lists: Record<'query' | 'headers', Pairs>): Event {
  const multi = isMulti(group);
  return {
    requestContext: { elb: { targetGroupArn: group.arn } },
    httpMethod: method,
    path,
    ...(multi
      ? { multiValueQueryStringParameters: gather(lists.query), multiValueHeaders: gather(lists.headers) }
      : { queryStringParameters: Object.fromEntries(lists.query), headers: Object.fromEntries(lists.headers) }),
  };
}

const isMulti = (group: GroupRow): boolean => groupAttribute(group, 'lambda.multi_value_headers.enabled') === 'true';

type Pairs = readonly (readonly [name: string, value: string])[];

function gather(pairs: Pairs): Record<string, string[]> {
  const lists = new Map<string, string[]>();
  for (const [name, value] of pairs) lists.set(name, [...(lists.get(name) ?? []), value]);
  return Object.fromEntries(lists);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Types whose bodies are passed on as text ("Receive events from the load balancer"). */
const textTypes = /^(text\/.*|application\/(json|javascript|xml))$/;

/** The event of a request; undefined where what shall be text is no UTF-8. Query parameters stay encoded, as AWS leaves them. */
function eventOf(group: GroupRow, { method, path, query, headers, body }: HandedRequest): Event | undefined {
  const headerOf = (wanted: string): string | undefined => headers.find(([name]) => name === wanted)?.[1];
  const type = (headerOf('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
  const isText = body === '' || (headerOf('content-encoding') === undefined && textTypes.test(type));
  const decode = (text: string): string => utf8.decode(Buffer.from(text, 'latin1'));
  const pairs = query.split('&').filter((part) => part !== '');
  try {
    return {
      ...shapeOf(group, method, decode(path), {
        query: pairs.map((part) => splitPair(decode(part))),
        headers: headers.map(([name, value]) => [name, decode(value)] as const),
      }),
      body: isText ? utf8.decode(Buffer.from(body, 'base64')) : body,
      isBase64Encoded: !isText,
    };
  } catch {
    return undefined;
  }
}

function splitPair(part: string): readonly [string, string] {
  const at = part.indexOf('=');
  return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
}

/** The event of a health check ("Enable health checks"). */
function checkEvent(group: GroupRow): Event {
  const headers = [['user-agent', 'ELB-HealthChecker/2.0']] as const;
  return { ...shapeOf(group, 'GET', group.check.path ?? '/', { query: [], headers }), body: '', isBase64Encoded: false };
}

const invalid: HandedAnswer = { status: 502, failure: 'LambdaInvalidResponse', fault: 'function' };
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they would end a line
const badText = /[\x00-\x08\x0a-\x1f\x7f]/;

/** "Respond to the load balancer". A failed function, a result that is too long and one that is no response are all 502 to the client. */
function readAnswer(group: GroupRow, { payload, functionError }: FunctionAnswer): HandedAnswer {
  if (functionError !== undefined) return { status: 502, failure: 'LambdaUnhandled', fault: 'function' };
  if (payload.byteLength > answerBytesMax) return { status: 502, failure: 'LambdaResponseTooLarge', fault: 'function' };
  const result = parseObject(Buffer.from(payload).toString('utf8'));
  if (result === undefined) return invalid;
  const { statusCode, statusDescription, body, isBase64Encoded } = result;
  const headers = readHeaders(isMulti(group) ? result['multiValueHeaders'] : result['headers']);
  if (typeof statusCode !== 'number' || !Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) return invalid;
  if (headers === undefined || (body !== undefined && body !== null && typeof body !== 'string')) return invalid;
  if (statusDescription !== undefined && statusDescription !== null && typeof statusDescription !== 'string') return invalid;
  const reason = (statusDescription ?? '').replace(/^\d{3} /, '');
  if (badText.test(reason)) return invalid;
  return {
    status: statusCode,
    reason: reason === '' ? undefined : latin1(reason),
    headers,
    body: isBase64Encoded === true ? (body ?? '') : Buffer.from(body ?? '').toString('base64'),
  };
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Headers with one value or several each; undefined for anything else. */
function readHeaders(given: unknown): (readonly [string, string])[] | undefined {
  if (given === undefined || given === null) return [];
  if (typeof given !== 'object' || Array.isArray(given)) return undefined;
  const found: (readonly [string, string])[] = [];
  for (const [name, value] of Object.entries(given))
    for (const each of Array.isArray(value) ? (value as unknown[]) : [value as unknown]) {
      if (typeof each !== 'string' || !fieldName.test(name) || badText.test(each)) return undefined;
      found.push([name, latin1(each)]);
    }
  return found;
}

/** One health check of a function: the status that it answers, `timeout` when it takes too long, undefined when it fails. */
export async function probeFunction(ctx: Context, group: GroupRow, target: string): Promise<number | 'timeout' | undefined> {
  const over = new AbortController();
  const late = ctx.clock.pause(group.check.timeoutSeconds * 1000, over.signal).then(() => 'timeout' as const);
  const answer = callWith(ctx, group, target, checkEvent(group)).catch(() => undefined);
  const first = await Promise.race([answer, late]);
  over.abort();
  if (first === 'timeout') return first;
  return first === undefined || first.failure !== undefined ? undefined : first.status;
}

/** Lambda functions behind methods: addresses of functions, events of proxy integrations, and their answers. */
import type { Integration } from '@aws-sdk/client-api-gateway';
import type { Identity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { FunctionAnswer, LambdaApi } from '../../lambda/api.ts';
import { type BackendRequest, mediaType, roleOf } from './backends.ts';
import {
  type Answer,
  type Call,
  contextVariables,
  internalError,
  lastValues,
  type Multi,
  Refusal,
  setHeader,
  valuesOf,
} from './call.ts';
import { isBinary, wantsBinary } from './media.ts';
import { withStageVariables } from './parameters.ts';

/** `arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:…:function:name/invocations` */
const uriForm = /^arn:aws[a-z-]*:apigateway:([^:]+):lambda:path\/[^/]+\/functions\/(.+)\/invocations$/;
/** "Use the caller's own credentials". */
const passThrough = 'arn:aws:iam::*:user/*';

/** Whether an integration's address is a function's. */
export function isFunctionUri(uri: string): boolean {
  return uriForm.test(uri);
}

export interface FunctionUse {
  /** Address of an integration or an authorizer. */
  uri: string;
  /** Role by which it is called; without one the function's policy must let the gateway in. */
  credentials?: string | undefined;
  /** On whose account the gateway calls. */
  sourceArn: string;
  payload: string | Uint8Array;
  type?: 'RequestResponse' | 'Event' | undefined;
}

/** What is needed of a call to reach a function. */
export interface FunctionUser {
  ctx: Context;
  log: (line: string) => void;
  /** Whoever signed the call, where somebody did. */
  signer?: Identity | undefined;
}

/** Asks the function of an authorizer of an HTTP or WebSocket API. Throws as `invokeFunction` does. */
export async function askAuthorizerFunction(
  user: FunctionUser,
  api: string,
  authorizer: {
    AuthorizerId?: string | undefined;
    AuthorizerUri?: string | undefined;
    AuthorizerCredentialsArn?: string | undefined;
  },
  event: object,
): Promise<{ text: string; failed: boolean }> {
  const { account, region } = user.ctx;
  const answer = await invokeFunction(user, {
    uri: authorizer.AuthorizerUri ?? '',
    credentials: authorizer.AuthorizerCredentialsArn,
    sourceArn: `arn:aws:execute-api:${region}:${account}:${api}/authorizers/${authorizer.AuthorizerId}`,
    payload: JSON.stringify(event),
  });
  return { text: Buffer.from(answer.payload).toString('utf8'), failed: answer.functionError !== undefined };
}

/** Calls a function. Throws AwsError as Lambda's Invoke does, Refusal for a role that does not trust the gateway. */
export async function invokeFunction(user: FunctionUser, use: FunctionUse): Promise<FunctionAnswer> {
  const { ctx } = user;
  // HTTP APIs name functions by their own ARN too.
  const [, region, name] = uriForm.exec(use.uri) ?? [undefined, use.uri.split(':')[3] ?? ctx.region, use.uri];
  const lambda = await ctx.internal<LambdaApi>('lambda');
  const identity =
    use.credentials === undefined || use.credentials === ''
      ? undefined
      : use.credentials === passThrough
        ? user.signer
        : await roleOf(user, use.credentials);
  const caller =
    identity === undefined
      ? { principal: 'apigateway.amazonaws.com', sourceArn: use.sourceArn, sourceAccount: ctx.account }
      : { identity };
  return lambda.invoke({
    account: ctx.account,
    region,
    function: name,
    payload: use.payload,
    type: use.type ?? 'RequestResponse',
    caller,
  });
}

/** ARN that the gateway calls a method's function on account of. */
function sourceArn({ ctx, api, stage, method, resourcePath }: Call): string {
  return `arn:aws:execute-api:${ctx.region}:${ctx.account}:${api}/${stage.name}/${method}${resourcePath}`;
}

/** "If the Lambda API rejects the invocation request, API Gateway returns a 500 error code". */
function rejected(error: unknown, call: Call): Refusal {
  if (error instanceof Refusal) return error;
  if (!(error instanceof AwsError)) throw error;
  const reason =
    error.code === 'AccessDeniedException' ? 'Invalid permissions on Lambda function' : `${error.code}: ${error.message}`;
  return internalError(`Execution failed due to configuration error: ${reason}`, call);
}

async function invoke(
  call: Call,
  integration: Integration,
  payload: string | Uint8Array,
  type?: 'Event',
): Promise<FunctionAnswer> {
  try {
    return await invokeFunction(call, {
      uri: withStageVariables(integration.uri ?? '', call.variables),
      credentials: integration.credentials && withStageVariables(integration.credentials, call.variables),
      sourceArn: sourceArn(call),
      payload,
      type,
    });
  } catch (error) {
    throw rejected(error, call);
  }
}

/** A Lambda function behind a method without proxying: the mapped body is its event, an error's message is what responses are selected by. */
export async function callFunction(
  call: Call,
  integration: Integration,
  request: BackendRequest,
): Promise<{ answer: Answer; selected: string | undefined }> {
  const type = valuesOf(request.headers, 'x-amz-invocation-type')?.[0] === 'Event' ? 'Event' : undefined;
  const payload = request.body.byteLength === 0 ? '{}' : request.body;
  const answer = await invoke(call, integration, payload, type);
  const body = Buffer.from(answer.payload);
  const headers: Multi = { 'Content-Type': ['application/json'] };
  return {
    answer: { status: answer.status, headers, body },
    selected: answer.functionError === undefined ? undefined : errorMessage(body),
  };
}

function errorMessage(body: Buffer): string {
  try {
    const message = (JSON.parse(body.toString('utf8')) as { errorMessage?: unknown }).errorMessage;
    return typeof message === 'string' ? message : body.toString('utf8');
  } catch {
    return body.toString('utf8');
  }
}

/** Headers of a call with those that the gateway adds. */
function forwardedHeaders(call: Pick<Call, 'headers' | 'web' | 'requestId'>): Multi {
  const headers: Multi = { ...call.headers };
  const port = /:(\d+)$/.exec(call.web.request.headers['host'] ?? '')?.[1] ?? (call.web.secure ? '443' : '80');
  setHeader(headers, 'X-Forwarded-For', [[...(valuesOf(call.headers, 'x-forwarded-for') ?? []), call.web.sourceIp].join(', ')]);
  setHeader(headers, 'X-Forwarded-Port', [port]);
  setHeader(headers, 'X-Forwarded-Proto', [call.web.secure ? 'https' : 'http']);
  return headers;
}

function orNull<T extends object>(values: T): T | null {
  return Object.keys(values).length === 0 ? null : values;
}

/** The event of a proxy integration, format 1.0 ("Input format of a Lambda function for proxy integration"). */
export function proxyEvent(call: Call): Record<string, unknown> {
  const binary = call.body.byteLength > 0 && isBinary(call.served.facts.binaryMediaTypes, mediaType(call.headers));
  const headers = forwardedHeaders(call);
  const {
    responseOverride: _response,
    requestOverride: _request,
    authorizer,
    awsEndpointRequestId: _aws,
    isCanaryRequest: _canary,
    ...context
  } = contextVariables(call);
  return {
    resource: call.resourcePath,
    path: eventPath(call),
    httpMethod: call.method,
    headers: lastValues(headers),
    multiValueHeaders: headers,
    queryStringParameters: orNull(lastValues(call.query)),
    multiValueQueryStringParameters: orNull(call.query),
    pathParameters: orNull(call.pathParameters),
    stageVariables: orNull(call.variables),
    requestContext: {
      ...context,
      ...(call.authorizer === undefined ? {} : { authorizer }),
      deploymentId: call.stage.deploymentId,
    },
    body: call.body.byteLength === 0 ? null : call.body.toString(binary ? 'base64' : 'utf8'),
    isBase64Encoded: binary,
  };
}

/** Without the stage, but with the base path of a custom domain. */
function eventPath(call: Call): string {
  return call.fullPath === `/${call.stage.name}${call.path}` ? call.path : call.fullPath;
}

interface ProxyResult {
  statusCode?: unknown;
  headers?: Readonly<Record<string, unknown>> | null;
  multiValueHeaders?: Readonly<Record<string, readonly unknown[]>> | null;
  body?: unknown;
  isBase64Encoded?: unknown;
}

/** "502 Bad Gateway": the function failed, or its answer has not the form that proxy integrations want. */
function badGateway(call: Pick<Call, 'log'>, reason: string): Refusal {
  call.log(`Execution failed due to configuration error: ${reason}`);
  return new Refusal('DEFAULT_5XX', 'Internal server error', { status: 502, errorType: 'InternalServerErrorException' });
}

/** A Lambda function that gets the whole request and answers with the whole response. Throws Refusal. */
export async function proxyFunction(call: Call, integration: Integration): Promise<Answer> {
  const answer = await invoke(call, integration, JSON.stringify(proxyEvent(call)));
  const text = Buffer.from(answer.payload).toString('utf8');
  if (answer.functionError !== undefined) {
    call.log(`Lambda execution failed with status 200 due to customer function error: ${errorMessage(Buffer.from(text))}`);
    throw badGateway(call, 'Lambda function error');
  }
  const result = readProxyResult(text);
  if (result === undefined) throw badGateway(call, 'Malformed Lambda proxy response');
  call.integration.status = result.status;
  if (valuesOf(result.headers, 'content-type') === undefined) setHeader(result.headers, 'Content-Type', ['application/json']);
  // REST APIs decode to bytes for those who accept them only.
  const asBytes = result.base64 && wantsBinary(call.served.facts.binaryMediaTypes, call.headers);
  return { status: result.status, headers: result.headers, body: Buffer.from(result.body, asBytes ? 'base64' : 'utf8') };
}

/** A function's answer in the form of proxy integrations; undefined when it has another. */
export function readProxyResult(text: string): { status: number; headers: Multi; body: string; base64: boolean } | undefined {
  let result: ProxyResult | null;
  try {
    result = JSON.parse(text) as ProxyResult | null;
  } catch {
    return undefined;
  }
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return undefined;
  const status = Number(result.statusCode);
  if (!Number.isInteger(status) || status < 100 || status > 599) return undefined;
  const { body = '' } = result;
  if (body !== null && typeof body !== 'string') return undefined;
  const headers: Multi = {};
  for (const [name, value] of Object.entries(result.headers ?? {}))
    if (value !== null && value !== undefined) setHeader(headers, name, [String(value)]);
  for (const [name, values] of Object.entries(result.multiValueHeaders ?? {})) {
    if (!Array.isArray(values)) return undefined;
    const single = valuesOf(headers, name)?.filter((value) => !values.includes(value)) ?? [];
    setHeader(headers, name, [...single, ...values.map(String)]);
  }
  return { status, headers, body: body ?? '', base64: result.isBase64Encoded === true };
}

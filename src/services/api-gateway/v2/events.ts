/** Events of HTTP APIs for Lambda functions, formats 1.0 and 2.0, and what functions answer ("Create AWS Lambda proxy integrations for HTTP APIs"). */
import { type Answer, lastValues, type Multi, setHeader, valuesOf } from '../run/call.ts';
import { readProxyResult } from '../run/functions.ts';
import { clientPart, contextVariables, formatTime, type HttpCall } from './call.ts';

/** Bodies of these types go to functions as they are; others as base64. */
const textType = /^(text\/|application\/(json|javascript|xml|[a-z0-9.+-]*\+(json|xml)|x-amz-json-1\.[01]|graphql))/i;

function isText(headers: Multi): boolean {
  const type = valuesOf(headers, 'content-type')?.[0];
  return type === undefined || textType.test(type);
}

function joined(values: Multi): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, all]) => [name, all.join(',')]));
}

function forwarded(call: HttpCall): Multi {
  const headers: Multi = Object.fromEntries(Object.entries(call.headers).map(([name, values]) => [name.toLowerCase(), values]));
  const port = /:(\d+)$/.exec(call.web.request.headers['host'] ?? '')?.[1] ?? (call.web.secure ? '443' : '80');
  setHeader(headers, 'x-forwarded-for', [[...(headers['x-forwarded-for'] ?? []), call.web.sourceIp].join(', ')]);
  setHeader(headers, 'x-forwarded-port', [port]);
  setHeader(headers, 'x-forwarded-proto', [call.web.secure ? 'https' : 'http']);
  return headers;
}

function orNothing<T extends object>(name: string, values: T): Record<string, T> {
  return Object.keys(values).length === 0 ? {} : { [name]: values };
}

/** Authorisation as format 2.0 shows it. */
function authorizer2(call: HttpCall): Record<string, unknown> {
  if (call.authorizer !== undefined) return { authorizer: call.authorizer };
  const { signer } = call;
  if (signer === undefined) return {};
  const iam = {
    accountId: signer.account,
    callerId: signer.userId,
    userArn: signer.arn,
    userId: signer.userId,
    cognitoIdentity: null,
    principalOrgId: null,
  };
  return { authorizer: { iam } };
}

/** The event, format 2.0. */
export function event2(call: HttpCall): Record<string, unknown> {
  const { cookie, ...headers } = forwarded(call);
  const text = isText(call.headers);
  const key = call.route?.RouteKey ?? '';
  const cookies = cookie?.flatMap((line) => line.split(/;\s*/)).filter((item) => item !== '');
  return {
    version: '2.0',
    routeKey: key,
    rawPath: call.rawPath,
    rawQueryString: call.web.rawQuery,
    ...(cookies === undefined ? {} : { cookies }),
    headers: joined(headers),
    ...orNothing('queryStringParameters', joined(call.query)),
    requestContext: {
      accountId: call.ctx.account,
      apiId: call.api.id,
      ...authorizer2(call),
      ...(Object.keys(clientPart(call)).length === 0 ? {} : { authentication: clientPart(call) }),
      domainName: call.domainName,
      domainPrefix: call.domainName.split('.')[0] ?? '',
      http: {
        method: call.method,
        path: call.rawPath,
        protocol: 'HTTP/1.1',
        sourceIp: call.web.sourceIp,
        userAgent: call.web.request.headers['user-agent'] ?? '',
      },
      requestId: call.requestId,
      routeKey: key,
      stage: call.stage.name,
      time: formatTime(call.ctx.now),
      timeEpoch: call.ctx.now,
    },
    ...orNothing('pathParameters', call.pathParameters),
    ...orNothing('stageVariables', call.stage.variables),
    ...(call.body.byteLength === 0 ? {} : { body: call.body.toString(text ? 'utf8' : 'base64') }),
    isBase64Encoded: call.body.byteLength > 0 && !text,
  };
}

/** The event, format 1.0, with headers in small letters as HTTP APIs send them. */
export function event1(call: HttpCall): Record<string, unknown> {
  const headers = forwarded(call);
  const text = isText(call.headers);
  const orNull = <T extends object>(values: T): T | null => (Object.keys(values).length === 0 ? null : values);
  const key = call.route?.RouteKey ?? '';
  const { routeKey: _route, authorizer: _authorizer, ...context } = contextVariables(call);
  return {
    version: '1.0',
    resource: key === '$default' ? '$default' : (key.split(' ')[1] ?? ''),
    path: call.rawPath,
    httpMethod: call.method,
    headers: lastValues(headers),
    multiValueHeaders: headers,
    queryStringParameters: orNull(lastValues(call.query)),
    multiValueQueryStringParameters: orNull(call.query),
    requestContext: {
      ...context,
      authorizer: call.authorizer ?? null,
      resourceId: key,
      resourcePath: key === '$default' ? '$default' : (key.split(' ')[1] ?? ''),
    },
    pathParameters: orNull(call.pathParameters),
    stageVariables: orNull(call.stage.variables),
    body: call.body.byteLength === 0 ? null : call.body.toString(text ? 'utf8' : 'base64'),
    isBase64Encoded: call.body.byteLength > 0 && !text,
  };
}

interface Result2 {
  statusCode?: unknown;
  headers?: Readonly<Record<string, unknown>>;
  cookies?: readonly unknown[];
  body?: unknown;
  isBase64Encoded?: unknown;
}

/** What a function answered, in format 1.0; undefined when it has another form. */
export function readResult1(text: string): Answer | undefined {
  const result = readProxyResult(text);
  if (result === undefined) return undefined;
  return withType(
    { status: result.status, headers: result.headers, body: Buffer.from(result.body, result.base64 ? 'base64' : 'utf8') },
    'text/plain;charset=UTF-8',
  );
}

/** What a function answered, in format 2.0: without a status code the answer is the body, as JSON with status 200. */
export function readResult2(text: string): Answer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || (value as Result2).statusCode === undefined) {
    const body = typeof value === 'string' ? value : text;
    return { status: 200, headers: { 'content-type': ['application/json'] }, body: Buffer.from(body) };
  }
  const { statusCode, headers: given = {}, cookies = [], body = '', isBase64Encoded } = value as Result2;
  const status = Number(statusCode);
  if (!Number.isInteger(status) || status < 100 || status > 599) return undefined;
  const headers: Multi = {};
  for (const [name, item] of Object.entries(given)) setHeader(headers, name, [String(item)]);
  if (cookies.length > 0) setHeader(headers, 'set-cookie', cookies.map(String));
  const content = typeof body === 'string' ? body : JSON.stringify(body);
  return withType(
    { status, headers, body: Buffer.from(content, isBase64Encoded === true ? 'base64' : 'utf8') },
    'text/plain;charset=UTF-8',
  );
}

function withType(answer: Answer, type: string): Answer {
  if (valuesOf(answer.headers, 'content-type') === undefined && answer.body.byteLength > 0)
    setHeader(answer.headers, 'content-type', [type]);
  return answer;
}

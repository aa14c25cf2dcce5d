/** Requests of tasks. `http:invoke`: any endpoint on the internet of the cloud, with an EventBridge connection's credentials. Source: "Call HTTPS APIs in Step Functions workflows". */
import { STATUS_CODES } from 'node:http';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { sendHttp } from '../../../kernel/http-out.ts';
import type { Json } from '../../../model/types.ts';
import type { EventBridgeApi } from '../../eventbridge/api.ts';
import { StateError } from '../asl/errors.ts';
import { isList, isObject, jsonText, memberOf } from '../asl/values.ts';

/** An endpoint has 60 seconds. */
const timeoutMillis = 60_000;
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'];

function textsOf(value: Json | undefined): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, isList(item) ? item.map(String).join(',') : String(item)]),
  );
}

/** Sends the request of a task; `acting` has the role's rights, `machine` is the state machine's ARN. Throws StateError. */
export async function invokeHttp(ctx: Context, acting: Context, machine: string, parameters: Json): Promise<Json> {
  const endpoint = memberOf(parameters, 'ApiEndpoint');
  const method = memberOf(parameters, 'Method');
  const connection = memberOf(memberOf(parameters, 'Authentication'), 'ConnectionArn');
  if (typeof endpoint !== 'string' || !endpoint.startsWith('https://'))
    throw new StateError('States.Runtime', "The 'ApiEndpoint' must be an HTTPS URL.");
  if (typeof method !== 'string' || !methods.includes(method))
    throw new StateError('States.Runtime', `The 'Method' must be one of: [${methods.join(', ')}]`);
  if (typeof connection !== 'string') throw new StateError('States.Runtime', "'Authentication.ConnectionArn' is required.");
  const parts = await connect(ctx, acting, { machine, endpoint, method, connection });
  const encoding = memberOf(memberOf(parameters, 'Transform'), 'RequestBodyEncoding');
  const given = memberOf(parameters, 'RequestBody');
  const body = isObject(given) ? { ...given, ...parts.body } : given;
  const encoded = encoding === 'URL_ENCODED' && isObject(body);
  const url = new URL(endpoint);
  for (const [name, value] of Object.entries({ ...textsOf(memberOf(parameters, 'QueryParameters')), ...parts.query }))
    url.searchParams.append(name, value);
  const answer = await sendHttp(ctx, {
    url: url.toString(),
    method,
    headers: {
      'user-agent': `Amazon|StepFunctions|HttpInvoke|${ctx.region}`,
      range: 'bytes=0-262144',
      ...(body === undefined ? {} : { 'content-type': encoded ? 'application/x-www-form-urlencoded' : 'application/json' }),
      ...textsOf(memberOf(parameters, 'Headers')),
      ...parts.headers,
    },
    body:
      body === undefined
        ? ''
        : encoded
          ? new URLSearchParams(textsOf(body)).toString()
          : typeof body === 'string'
            ? body
            : jsonText(body),
    timeoutMillis,
  });
  if (answer.status === 0) throw new StateError('States.Http.Socket', answer.body);
  if (answer.status >= 400) throw new StateError(`States.Http.StatusCode.${answer.status}`, answer.body);
  const headers = Object.entries(answer.headers ?? {}).map(([name, values]) => [name, [...values]] as const);
  return {
    Headers: Object.fromEntries(headers),
    ResponseBody: readBody(answer.body, answer.headers?.['content-type']?.[0]),
    StatusCode: answer.status,
  };
}

/**
 * `apigateway:invoke`: a stage of an API, at its public name. APIs that ask for the role's signature are refused when the definition is made. Source:
 * "Call API Gateway with Step Functions". Throws StateError, `ApiGateway.` with the status of a failure.
 */
export async function invokeApi(ctx: Context, parameters: Json): Promise<Json> {
  const text = (name: string): string => {
    const value = memberOf(parameters, name);
    return typeof value === 'string' ? value : '';
  };
  const { inside } = ctx.part('endpoints');
  if (inside === undefined) throw new StateError('ApiGateway.SdkClientException', 'This host has no network for APIs.');
  const path = [text('Stage'), text('Path').replace(/^\//, '')].filter((part) => part !== '').join('/');
  const url = new URL(`https://${text('ApiEndpoint')}:${new URL(inside).port}/${path}`);
  for (const [name, value] of Object.entries(textsOf(memberOf(parameters, 'QueryParameters'))))
    url.searchParams.append(name, value);
  const body = memberOf(parameters, 'RequestBody');
  const answer = await sendHttp(ctx, {
    url: url.toString(),
    method: text('Method') || 'GET',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...textsOf(memberOf(parameters, 'Headers')),
    },
    body: body === undefined ? '' : typeof body === 'string' ? body : jsonText(body),
    timeoutMillis,
  });
  if (answer.status === 0) throw new StateError('ApiGateway.SdkClientException', answer.body);
  if (answer.status >= 400) throw new StateError(`ApiGateway.${answer.status}`, answer.body);
  const headers = Object.entries(answer.headers ?? {}).map(([name, values]) => [name, [...values]] as const);
  const ResponseBody = readBody(answer.body, answer.headers?.['content-type']?.[0]);
  return {
    Headers: Object.fromEntries(headers),
    ResponseBody,
    StatusCode: answer.status,
    StatusText: STATUS_CODES[answer.status] ?? '',
  };
}

function readBody(text: string, type = ''): Json {
  if (!/json/.test(type)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

interface Wanted {
  machine: string;
  endpoint: string;
  method: string;
  connection: string;
}

/** The connection's credentials, if the role may send such a request and have them. */
async function connect(ctx: Context, acting: Context, { machine, endpoint, method, connection }: Wanted) {
  const conditions = { 'states:HTTPEndpoint': endpoint, 'states:HTTPMethod': method };
  try {
    await acting.permit({ action: 'states:InvokeHTTPEndpoint', resource: machine, conditions });
    await acting.permit({ action: 'events:RetrieveConnectionCredentials', resource: connection });
    const eventbridge = await ctx.internal<EventBridgeApi>('eventbridge');
    const secret = await eventbridge.secretOf(connection);
    for (const action of ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'])
      await acting.permit({ action, resource: secret });
    return await eventbridge.connect(connection);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new StateError(
      error.code === 'ConnectionNotAuthorized'
        ? 'Events.ConnectionResource.NotAuthorized'
        : 'Events.ConnectionResource.AccessDenied',
      error.message,
    );
  }
}

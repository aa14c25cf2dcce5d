/** What stands behind methods: web servers, the cloud's own services under a role, and nothing at all (MOCK). Each takes a request and gives an answer. */
import type { Socket } from 'node:net';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { sendHttp } from '../../../kernel/http-out.ts';
import type { Identity } from '../../../kernel/caller.ts';
import { ParseError, type ServiceIndexEntry, type Shape, type WireRequest, type WireResponse } from '../../../model/types.ts';
import { identify, loadIndex, parseInput, serialiseError, serialiseOutput } from '../../../model/wire.ts';
import type { StsApi } from '../../sts/api.ts';
import { type Answer, type Call, internalError, multiHeaders, type Multi, Refusal, valuesOf } from './call.ts';

/** Most of a backend's answer ("Payload size: 10 MB"), and a little to notice more. */
const answerBytesMax = 10 * 1024 * 1024;

/** What is needed of a call to reach a backend. */
export type BackendUser = Pick<Call, 'ctx' | 'log' | 'integration'>;

/** The request as it goes to the backend. */
export interface BackendRequest {
  method: string;
  /** Address of a web server, or of a service's action. */
  uri: string;
  query: Multi;
  headers: Multi;
  body: Buffer;
  signal: AbortSignal;
}

/** Headers that belong to one connection, or that the gateway sets itself. */
const hopHeaders = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
  'expect',
  'content-length',
  'host',
]);

/** Headers without those of the connection. */
function endToEnd(headers: Multi): Multi {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.has(name.toLowerCase())));
}

function formatQuery(query: Multi): string {
  const pairs = Object.entries(query).flatMap(([name, values]) => values.map((value) => [name, value] as [string, string]));
  return new URLSearchParams(pairs).toString();
}

/** How a web server is reached beyond its address. */
export interface HttpManner {
  insecure?: boolean | undefined;
  connect?: (() => Promise<Socket>) | undefined;
  serverName?: string | undefined;
  clientCertificate?: { certificate: string; privateKey: string } | undefined;
  /** The caller's Host header goes on to the backend. */
  keepHost?: boolean | undefined;
}

/** Asks a web server. Throws Refusal INTEGRATION_FAILURE when it cannot be reached. */
export async function callHttp(call: BackendUser, request: BackendRequest, manner: HttpManner = {}): Promise<Answer> {
  const query = formatQuery(request.query);
  const url = query === '' ? request.uri : `${request.uri}${request.uri.includes('?') ? '&' : '?'}${query}`;
  const { keepHost = false, insecure, ...way } = manner;
  const host = keepHost ? valuesOf(request.headers, 'host')?.[0] : undefined;
  const answer = await sendHttp(call.ctx, {
    url,
    method: request.method,
    headers: { ...endToEnd(request.headers), ...(host === undefined ? {} : { host }) },
    body: request.body,
    timeoutMillis: 60_000,
    answerBytesMax: answerBytesMax + 1,
    signal: request.signal,
    ...way,
    insecure: insecure === true,
    keep: way.connect === undefined,
  });
  if (answer.status === 0) {
    call.log(`Execution failed due to configuration error: ${answer.body}`);
    throw new Refusal('INTEGRATION_FAILURE', 'Internal server error', { status: 500, errorType: 'InternalServerErrorException' });
  }
  if (answer.bytes.byteLength > answerBytesMax)
    throw internalError('Execution failed: the backend answered more than 10 MB', call);
  return { status: answer.status, headers: endToEnd(multiHeaders(answer.rawHeaders)), body: answer.bytes };
}

/** The identity of the role that an integration names. Throws Refusal when it does not trust the gateway. */
export async function roleOf(call: Pick<Call, 'ctx' | 'log'>, roleArn: string): Promise<Identity> {
  const sts = await call.ctx.internal<StsApi>('sts');
  try {
    return await sts.roleIdentity({ roleArn, sessionName: 'BackplaneAssumeRoleSession', service: 'apigateway' });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw internalError(
      'Execution failed due to configuration error: API Gateway does not have permission to assume the provided role',
      call,
    );
  }
}

const uriForm = /^arn:aws[a-z-]*:apigateway:([^:]+):([^:]+):(path|action)\/(.*)$/s;

/** Calls an action of a service with an identity's rights, by the request that the integration made: through the models, as if it came over the wire. */
export async function callService(call: BackendUser, request: BackendRequest, identity: Identity): Promise<Answer> {
  const [, region = '', name = '', kind, rest = ''] = uriForm.exec(request.uri) ?? [];
  const index = await loadIndex();
  const prefix = name.split('.').at(-1) ?? '';
  const entry = index.byEndpointPrefix.get(prefix)?.[0] ?? index.byName.get(prefix);
  if (entry === undefined) throw internalError(`Execution failed due to configuration error: unknown service ${prefix}`, call);
  const subdomain = name.includes('.') ? `${name.slice(0, name.lastIndexOf('.'))}.` : '';
  const wire = kind === 'action' ? actionRequest(entry, rest, request) : pathRequest(rest, request);
  const host = `${subdomain}${entry.endpointPrefix}.${region}.amazonaws.com`;
  if (entry.name === 'sqs') nameQueue(wire, host);
  const found = await identify(index, { request: wire, host });
  if (found === undefined || 'unknownOperation' in found)
    throw internalError(`Execution failed due to configuration error: ${prefix} knows no such action`, call);
  const { protocol, operation, service } = found;
  const requestId = call.ctx.uuid();
  call.integration.requestId = requestId;
  try {
    const input = parseInput(protocol, operation, wire);
    const ctx = call.ctx.inScope({ account: identity.account, region }).asIdentity(identity);
    const output = await invokeOperation(ctx, service.name, operation.name, input);
    return toAnswer(serialiseOutput(protocol, operation, output, requestId));
  } catch (error) {
    if (!(error instanceof AwsError) && !(error instanceof ParseError)) throw error;
    const members = error instanceof AwsError ? error.members : undefined;
    const wireError = {
      code: error.code,
      message: error.message,
      status: error.status,
      fault: error.status >= 500 ? ('server' as const) : ('client' as const),
      members,
    };
    return toAnswer(serialiseError(protocol, service, operation, wireError, requestId));
  }
}

/** An operation of whatever service, by its names. */
async function invokeOperation(ctx: Context, service: string, operation: string, input: Shape): Promise<Shape> {
  const caller = ctx.call(service as 'sqs') as unknown as Readonly<Record<string, (input: Shape) => Promise<Shape>>>;
  const method = operation.charAt(0).toLowerCase() + operation.slice(1);
  const run = caller[method];
  if (run === undefined) throw new Error(`No operation ${operation}.`);
  return run(input);
}

async function toAnswer({ status, headers, body }: WireResponse): Promise<Answer> {
  const multi: Multi = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [String(value)]]));
  if (typeof body === 'string' || body instanceof Uint8Array) return { status, headers: multi, body: Buffer.from(body) };
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return { status, headers: multi, body: Buffer.concat(pieces) };
}

/** SQS takes the address of a request for the queue that it is about ("Making Query API requests", SQS Developer Guide). */
function nameQueue(wire: WireRequest, host: string): void {
  if (!/^\/\d{12}\/[^/]+\/?$/.test(wire.path)) return;
  const url = `https://${host}${wire.path}`;
  const text = Buffer.from(wire.body).toString('utf8');
  if (!/(^|&)Action=/.test(text)) wire.query = [...wire.query, ['QueueUrl', url]];
  else if (!/(^|&)QueueUrl=/.test(text)) wire.body = Buffer.from(`${text}&QueueUrl=${encodeURIComponent(url)}`);
}

function lowerHeaders(headers: Multi): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values.join(',')]));
}

function queryPairs(query: Multi): [string, string][] {
  return Object.entries(query).flatMap(([name, values]) => values.map((value): [string, string] => [name, value]));
}

/** `path/bucket/key`, `path/123456789012/queue`: the service's own REST or query form. */
function pathRequest(rest: string, { method, query, headers, body }: BackendRequest): WireRequest {
  const [path = '', inUri = ''] = rest.split('?');
  const own = [...new URLSearchParams(inUri)];
  return {
    method,
    path: `/${path.replace(/^\//, '')}`,
    query: [...own, ...queryPairs(query)],
    headers: lowerHeaders(headers),
    body,
  };
}

/** `action/PutItem`: a target header for JSON services, a parameter for those of the query protocols. */
function actionRequest(entry: ServiceIndexEntry, rest: string, { method, query, headers, body }: BackendRequest): WireRequest {
  const [action = '', inUri = ''] = rest.split('&', 2);
  const own = [...new URLSearchParams(inUri)];
  const lower = lowerHeaders(headers);
  const speaksQuery = entry.protocols.includes('awsQuery') || entry.protocols.includes('ec2Query');
  const isForm = lower['content-type']?.startsWith('application/x-www-form-urlencoded') === true || body.byteLength === 0;
  if (speaksQuery && (isForm || !entry.protocols.some((protocol) => protocol.startsWith('awsJson')))) {
    const pairs: [string, string][] = [['Action', action], ['Version', entry.apiVersion], ...own, ...queryPairs(query)];
    return { method, path: '/', query: pairs, headers: lower, body };
  }
  const version = entry.protocols.includes('awsJson1_0') && !entry.protocols.includes('awsJson1_1') ? '1.0' : '1.1';
  return {
    method: 'POST',
    path: '/',
    query: [],
    headers: { ...lower, 'content-type': `application/x-amz-json-${version}`, 'x-amz-target': `${entry.targetPrefix}.${action}` },
    body,
  };
}

/** The media type of headers, without parameters and in lower case. */
export function mediaType(headers: Multi): string | undefined {
  return valuesOf(headers, 'content-type')?.[0]?.split(';')[0]?.trim().toLowerCase();
}

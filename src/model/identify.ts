/**
 * Tells from a request's form which service and operation it is for, and in which protocol it speaks. Nothing but the small index is needed for
 * the service; its model is loaded to find the operation.
 *
 * What is looked at, the most telling first: the rpcv2Cbor path, X-Amz-Target, Action and Version of the query protocols; then, for REST, the
 * signing name of the credential scope, the host, and last S3, whose anonymous requests carry no mark at all. The form decides the protocol, not
 * the service's own choice, because SDKs of different ages speak different ones to one service.
 */
import { readHost } from './hosts.ts';
import { loadModel } from './load.ts';
import { queryParameters } from './query-reader.ts';
import { findRoute } from './routes.ts';
import type { OperationModel, ServiceIndex, ServiceModel } from './service-model.ts';
import type { Protocol, ServiceIndexEntry, WireRequest } from './types.ts';

export interface KnownOperation {
  service: ServiceIndexEntry;
  model: ServiceModel;
  operation: OperationModel;
  protocol: Protocol;
}

export interface UnknownOperation {
  /** Absent if the request names an operation of no service. */
  service?: ServiceIndexEntry;
  protocol: Protocol;
  /** What the request calls it: action, target, or method and path. */
  unknownOperation: string;
}

export type Identified = KnownOperation | UnknownOperation | undefined;

/** What is known of the caller's intent before the form of the request is looked at. */
interface Evidence {
  index: ServiceIndex;
  request: WireRequest;
  signingName: string | undefined;
  host: ReturnType<typeof readHost>;
}

const cborPath = /^\/(?:.*\/)?service\/([^/]{1,128})\/operation\/([^/]{1,128})\/?$/;
const scopePattern = /Credential=[^/,\s]{1,256}\/\d{1,8}\/(?:[^/,\s]{1,64}\/)?([^/,\s]{1,64})\/aws4_request/;
/** Parameters looked through for Action and Version; all SDKs send them first. */
const searchedParametersMax = 16;

/**
 * Identifies a request. Sets `request.hostPrefix` when the host names a bucket. Undefined when nothing tells the service. Throws ParseError for a form
 * body that cannot be read.
 * @param host value of the Host header
 */
export async function identify(
  index: ServiceIndex,
  { request, host }: { request: WireRequest; host: string },
): Promise<Identified> {
  const evidence: Evidence = { index, request, signingName: signingNameOf(request), host: readHost(index, host) };
  const target = request.headers['x-amz-target'];
  if (request.headers['smithy-protocol'] === 'rpc-v2-cbor') return identifyCbor(evidence);
  if (target !== undefined) return identifyTarget(evidence, target);
  const action = findAction(request);
  if (action !== undefined) {
    const found = await identifyAction(evidence, action);
    if (found !== undefined) return found;
  }
  return identifyRest(evidence);
}

/** The service in the credential scope: of the Authorization header, or of a presigned URL. */
function signingNameOf(request: WireRequest): string | undefined {
  const header = request.headers['authorization'];
  if (header !== undefined) return scopePattern.exec(header)?.[1];
  for (const [name, value] of request.query) {
    if (name === 'X-Amz-Credential')
      return scopePattern.exec(`Credential=${value}/aws4_request`.replace('/aws4_request/aws4_request', '/aws4_request'))?.[1];
  }
  return undefined;
}

async function identifyCbor({ index, request }: Evidence): Promise<Identified> {
  const [, target, operation] = cborPath.exec(request.path) ?? [];
  if (target === undefined || operation === undefined)
    return { protocol: 'rpcv2Cbor', unknownOperation: `${request.method} ${request.path}` };
  const entries = (index.byTarget.get(target) ?? []).filter(({ protocols }) => protocols.includes('rpcv2Cbor'));
  return firstWith(entries, operation, 'rpcv2Cbor');
}

async function identifyTarget({ index, request }: Evidence, target: string): Promise<Identified> {
  const type = request.headers['content-type'] ?? '';
  const spoken = type.startsWith('application/x-amz-json-1.0') ? 'awsJson1_0' : 'awsJson1_1';
  const protocol: Protocol = type.startsWith('application/x-amz-cbor-1.1') ? 'awsCbor1_1' : spoken;
  const dot = target.lastIndexOf('.');
  const prefix = target.slice(0, Math.max(dot, 0));
  // Botocore puts a Java package before CloudTrail's prefix.
  const known = index.byTarget.get(prefix) ?? index.byTarget.get(prefix.slice(prefix.lastIndexOf('.') + 1)) ?? [];
  const entries = known.filter(({ protocols }) => protocols.includes(spoken));
  return firstWith(entries, target.slice(dot + 1), protocol);
}

/** The operation in the first of the services that has it; services that yield to others come last. */
async function firstWith(entries: readonly ServiceIndexEntry[], name: string, protocol: Protocol): Promise<Identified> {
  for (const service of entries) {
    const model = await loadModel(service.name);
    const operation = model.operation(name);
    if (operation !== undefined) return { service, model, operation, protocol };
  }
  const service = entries[0];
  return service === undefined ? { protocol, unknownOperation: name } : { service, protocol, unknownOperation: name };
}

interface Action {
  action: string;
  version: string | undefined;
}

/** Action and Version, of the URL or of a form body. Undefined if there is no Action. */
function findAction(request: WireRequest): Action | undefined {
  const inUrl = request.query.find(([name]) => name === 'Action')?.[1];
  if (inUrl !== undefined) return { action: inUrl, version: request.query.find(([name]) => name === 'Version')?.[1] };
  if (request.method !== 'POST' || !isForm(request)) return undefined;
  let action: string | undefined;
  let version: string | undefined;
  let searched = 0;
  for (const [name, value] of queryParameters(request)) {
    searched += 1;
    if (name === 'Action') action = value;
    else if (name === 'Version') version = value;
    if ((action !== undefined && version !== undefined) || (searched >= searchedParametersMax && action === undefined)) break;
  }
  return action === undefined ? undefined : { action, version };
}

function isForm(request: WireRequest): boolean {
  const type = request.headers['content-type'];
  return type === undefined ? startsWith(request.body, 'Action=') : type.startsWith('application/x-www-form-urlencoded');
}

function startsWith(body: Uint8Array, text: string): boolean {
  return Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, text.length)).toString('latin1') === text;
}

/** The query protocols. Undefined if the service is one that does not speak them: `Action` is then a parameter of its own. */
async function identifyAction({ index, signingName, host }: Evidence, { action, version }: Action): Promise<Identified> {
  const signed = index.bySigningName.get(signingName ?? '');
  const named = host.services.map((name) => index.byName.get(name)!);
  const known = (signed ?? (named.length > 0 ? named : undefined))?.filter(speaksQuery);
  if (known !== undefined && known.length === 0) return undefined;
  const versioned = version === undefined ? [] : (index.byVersion.get(version) ?? []);
  const candidates =
    known === undefined
      ? versioned
      : known.length > 1 && version !== undefined
        ? known.filter((entry) => entry.apiVersion === version)
        : known;
  const first = candidates[0];
  if (first === undefined) return { protocol: 'awsQuery', unknownOperation: action };
  return firstWith(candidates, action, first.protocols.includes('ec2Query') ? 'ec2Query' : 'awsQuery');
}

function speaksQuery({ protocols }: ServiceIndexEntry): boolean {
  return protocols.includes('awsQuery') || protocols.includes('ec2Query');
}

async function identifyRest(evidence: Evidence): Promise<Identified> {
  const { request, index } = evidence;
  const entries = restServices(evidence);
  for (const service of entries) {
    setHostPrefix(evidence, service);
    const model = await loadModel(service.name);
    const name = routeOf(model, request);
    const operation = name === undefined ? undefined : model.operation(name);
    if (operation !== undefined) return { service, model, operation, protocol: restProtocol(service)! };
  }
  const service = entries[0] ?? unspokenService(evidence, index);
  if (service === undefined) return undefined;
  return {
    service,
    protocol: restProtocol(service) ?? service.protocols[0]!,
    unknownOperation: `${request.method} ${request.path}`,
  };
}

function routeOf(model: ServiceModel, request: WireRequest): string | undefined {
  try {
    return findRoute(model, request);
  } catch (cause) {
    if (cause instanceof URIError) return undefined;
    throw cause;
  }
}

/** A service that is known by signature or host but does not speak REST: the request has no operation at all. */
function unspokenService({ signingName, host }: Evidence, index: ServiceIndex): ServiceIndexEntry | undefined {
  return index.bySigningName.get(signingName ?? '')?.[0] ?? index.byName.get(host.services[0] ?? '');
}

/** REST services that the request may be for, the likeliest first. */
function restServices({ index, request, signingName, host }: Evidence): readonly ServiceIndexEntry[] {
  const signed = index.bySigningName.get(signingName ?? '');
  const named = host.services.map((name) => index.byName.get(name)!);
  const known = signed ?? named;
  if (known.length > 0) {
    const marked = known.filter(({ markedByHeaders }) =>
      markedByHeaders?.some((header) => request.headers[header] !== undefined),
    );
    const unmarked = known.filter(({ markedByHeaders }) => markedByHeaders === undefined);
    return [...marked, ...unmarked].filter((entry) => restProtocol(entry) !== undefined);
  }
  const s3 = index.byName.get('s3');
  return signingName === undefined && s3 !== undefined ? [s3] : [];
}

function restProtocol({ protocols }: ServiceIndexEntry): Protocol | undefined {
  return protocols.find((protocol) => protocol === 'restJson1' || protocol === 'restXml');
}

/** What stands before the service's name is the bucket; before a name of another service, that name is part of the bucket's. */
function setHostPrefix({ request, host, signingName = '' }: Evidence, service: ServiceIndexEntry): void {
  if (service.virtualHost === undefined || service.noVirtualHost?.includes(signingName)) return;
  // For an endpoint that is an address, SDKs address directory buckets with a slash too many: their rules join two.
  request.path = request.path.replace(/^(\/[^/]+--x-s3)\/\//, '$1/');
  const prefix = host.services.includes(service.name) ? (host.accessPoint ?? host.prefix) : host.whole;
  if (prefix !== undefined) request.hostPrefix = prefix;
}

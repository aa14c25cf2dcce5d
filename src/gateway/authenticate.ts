/** Stage `authenticate`: whose signature this is, and that it is right. */
import { type Credential, anonymousIdentity } from '../kernel/caller.ts';
import { authorisationOf } from '../kernel/authorise.ts';
import { findCredential } from '../kernel/identity.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { BodyStream } from '../model/types.ts';
import { familyOf } from './serialise.ts';
import { AwsError } from '../kernel/errors.ts';
import { collect } from './receive.ts';
import {
  type LegacyRequest,
  parseSignature,
  SignatureError,
  type ServiceFamily,
  type SignedBody,
  signatureErrorFor,
  type SignedRequest,
  signedBody,
  unsignedBody,
  verify,
  verifyLegacy,
} from './signature/signature.ts';
import type { Exchange, Stage } from './exchange.ts';

/** Finds the credential and checks the signature over the request as received. Throws SignatureError of the matching kind. */
export function authenticateStage(kernel: Kernel): Stage {
  return async (exchange) => {
    const signature = parseSignature(exchange.head);
    exchange.signature = signature;
    if (signature.kind === 'none') {
      if (!(await allowsAnonymous(kernel, exchange))) throw new SignatureError('missing-token');
      if (exchange.collected !== true)
        exchange.request.stream = streamOf(exchange, unsignedBody(exchange.head, exchange.arriving.pieces()));
      exchange.identity = anonymousIdentity;
      exchange.trace.add('authenticate: anonymous');
      return;
    }
    if (signature.kind === 'legacy' && exchange.model?.name !== 's3') {
      throw new SignatureError('legacy-signature', { query: signature.presigned, text: 'AWS' });
    }
    const credential = await credentialFor(kernel, exchange, signature.accessKeyId);
    const realNow = kernel.clock.realNow();
    if (signature.kind === 'legacy') verifyLegacyWhole(exchange, signature, credential.secretAccessKey, realNow);
    else {
      await verifyWhole(exchange, signature, credential.secretAccessKey, realNow);
      exchange.signatureAgeMillis = Math.max(0, realNow - signature.signedAt);
    }
    if (signature.kind !== 'header' && exchange.model?.name === 's3') takeHeadersOfUrl(exchange);
    checkSession(kernel, credential, signature.sessionToken);
    exchange.credential = credential;
    exchange.identity = credential.identity;
    exchange.trace.add(`authenticate: ${credential.identity.arn}`);
  };
}

/** Checks head and body; a chunked body is replaced by the plain bytes in it. */
async function verifyWhole(exchange: Exchange, signature: SignedRequest, secret: string, realNow: number): Promise<void> {
  const { head } = exchange;
  const declared = signature.payloadHash;
  if (exchange.collected !== true && declared === undefined) await collect(exchange);
  if (exchange.collected !== true) {
    verify(head, signature, secret, { realNow, payload: declared === 'UNSIGNED-PAYLOAD' ? 'unsigned' : 'streaming' });
    exchange.request.stream = streamOf(exchange, signedBody(head, signature, secret, exchange.arriving.pieces()));
    return;
  }
  const { request } = exchange;
  const chunked = declared?.startsWith('STREAMING-') === true;
  const payload = chunked ? 'streaming' : declared === 'UNSIGNED-PAYLOAD' ? 'unsigned' : request.body;
  verify(head, signature, secret, { realNow, payload });
  if (!chunked) return;
  const { body, trailers } = signedBody(head, signature, secret, oneChunk(request.body));
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  const found = await trailers;
  exchange.request = { ...request, headers: { ...request.headers, ...found }, body: Buffer.concat(pieces) };
}

/** Version 2 leaves the body unsigned. */
function verifyLegacyWhole(exchange: Exchange, signature: LegacyRequest, secret: string, realNow: number): void {
  verifyLegacy(exchange.head, signature, secret, { realNow, bucket: exchange.request.hostPrefix });
  if (exchange.collected !== true)
    exchange.request.stream = streamOf(exchange, unsignedBody(exchange.head, exchange.arriving.pieces()));
}

/**
 * A presigned URL carries headers in its query, where SDKs move them when they sign; they count as if they had been sent. Checksums do not: S3
 * ignores them there (aws/aws-sdk-go-v2 #2610, localstack/localstack #12169), and SDKs put the one of an empty body into URLs for uploads.
 */
function takeHeadersOfUrl(exchange: Exchange): void {
  const { request } = exchange;
  const hoisted = request.query
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => name.startsWith('x-amz-') && !unheededParameters.has(name) && request.headers[name] === undefined)
    .filter(([name]) => !/^x-amz-(?:sdk-)?checksum-/.test(name) || name === 'x-amz-checksum-mode');
  if (hoisted.length === 0) return;
  const added = hoisted.map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]);
  exchange.request = { ...request, headers: { ...request.headers, ...Object.fromEntries(added) } };
}

/** They are the signature itself. */
const unheededParameters: ReadonlySet<string> = new Set(
  [
    'algorithm',
    'credential',
    'date',
    'expires',
    'signature',
    'signedheaders',
    'security-token',
    'region-set',
    'content-sha256',
  ].map((name) => `x-amz-${name}`),
);

/** What the operation gets instead of bytes. */
function streamOf(exchange: Exchange, { body, trailers }: SignedBody): BodyStream {
  const { head, arriving } = exchange;
  const decoded = head.headers['x-amz-decoded-content-length'];
  return {
    [Symbol.asyncIterator]: () => inWords(body, familyOf(exchange)),
    bytes: decoded === undefined ? arriving.announcedBytes : Number(decoded),
    announcedTrailer: head.headers['x-amz-trailer']?.trim().toLowerCase(),
    trailers,
  };
}

/** Handlers know no signatures: what is wrong with one in the body reaches them in the service's own words. */
async function* inWords(body: AsyncIterable<Uint8Array>, family: ServiceFamily): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    const { code, message, status, members } = signatureErrorFor(error, family);
    throw new AwsError(code, message, { status, cause: error, ...(members === undefined ? {} : { members }) });
  }
}

async function* oneChunk(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}

async function allowsAnonymous(kernel: Kernel, exchange: Exchange): Promise<boolean> {
  const definition = await kernel.registry.get(exchange.model?.name ?? '');
  if (definition === undefined) return false;
  return definition.unsigned === true || authorisationOf(definition, exchange.operation?.name ?? '') === 'anonymous';
}

/** The credential of an access key. Throws SignatureError for one that nobody holds, or that is inactive. */
export async function credentialFor(kernel: Kernel, exchange: Exchange, accessKeyId: string): Promise<Credential> {
  const credential = await findCredential(kernel.registry, accessKeyId, (service) =>
    kernel.systemContext(service, { account: '', region: '' }, exchange.operation?.name ?? ''),
  );
  if (credential === undefined || (credential.onlyFor ?? exchange.model?.name) !== exchange.model?.name)
    throw new SignatureError('unknown-key', { accessKeyId });
  if (!credential.active) throw new SignatureError('inactive-key', { accessKeyId });
  return credential;
}

/** Temporary credentials need exactly their token and live until they expire, by the cloud's clock. */
export function checkSession(kernel: Kernel, credential: Credential, sent: string | undefined): void {
  if (credential.sessionToken !== undefined && credential.sessionToken !== sent)
    throw new SignatureError('bad-token', { sessionToken: sent });
  if (credential.expires !== undefined && credential.expires <= kernel.clock.now())
    throw new SignatureError('expired-token', { sessionToken: sent });
}

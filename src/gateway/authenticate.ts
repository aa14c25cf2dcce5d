/** Stage `authenticate`: whose signature this is, and that it is right. */
import { type Credential, anonymousIdentity } from '../kernel/caller.ts';
import { authorisationOf } from '../kernel/authorise.ts';
import { findCredential } from '../kernel/identity.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { parseSignature, SignatureError, type SignedRequest, signedBody, verify } from './signature/signature.ts';
import type { Exchange, Stage } from './exchange.ts';

/** Finds the credential and checks the signature over the request as received. Throws SignatureError of the matching kind. */
export function authenticateStage(kernel: Kernel): Stage {
  return async (exchange) => {
    const signature = parseSignature(exchange.head);
    exchange.signature = signature;
    if (signature.kind === 'none') {
      if (!(await allowsAnonymous(kernel, exchange))) throw new SignatureError('missing-token');
      exchange.identity = anonymousIdentity;
      exchange.trace.add('authenticate: anonymous');
      return;
    }
    const credential = await credentialFor(kernel, exchange, signature.accessKeyId);
    await verifyWhole(exchange, signature, credential.secretAccessKey, kernel.clock.realNow());
    checkSession(kernel, credential, signature.sessionToken);
    exchange.credential = credential;
    exchange.identity = credential.identity;
    exchange.trace.add(`authenticate: ${credential.identity.arn}`);
  };
}

/** Checks head and body; a chunked body is replaced by the plain bytes in it. */
async function verifyWhole(exchange: Exchange, signature: SignedRequest, secret: string, realNow: number): Promise<void> {
  const { head, request } = exchange;
  const declared = signature.payloadHash;
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

async function* oneChunk(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}

async function allowsAnonymous(kernel: Kernel, exchange: Exchange): Promise<boolean> {
  const definition = await kernel.registry.get(exchange.model?.name ?? '');
  return definition !== undefined && authorisationOf(definition, exchange.operation?.name ?? '') === 'anonymous';
}

async function credentialFor(kernel: Kernel, exchange: Exchange, accessKeyId: string): Promise<Credential> {
  const credential = await findCredential(kernel.registry, accessKeyId, (service) =>
    kernel.systemContext(service, { account: '', region: '' }, exchange.operation?.name ?? ''),
  );
  if (credential === undefined) throw new SignatureError('unknown-key', { accessKeyId });
  if (!credential.active) throw new SignatureError('inactive-key', { accessKeyId });
  return credential;
}

/** Temporary credentials need exactly their token and live until they expire, by the cloud's clock. */
function checkSession(kernel: Kernel, credential: Credential, sent: string | undefined): void {
  if (credential.sessionToken !== undefined && credential.sessionToken !== sent)
    throw new SignatureError('bad-token', { sessionToken: sent });
  if (credential.expires !== undefined && credential.expires <= kernel.clock.now())
    throw new SignatureError('expired-token', { sessionToken: sent });
}

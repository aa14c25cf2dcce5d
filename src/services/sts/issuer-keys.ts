/**
 * Fetches the keys with which an OpenID Connect provider signs: its discovery document, then its key set (OpenID Connect Discovery 1.0). Over https the
 * server's certificate must be vouched for by the host's authorities or by one of the provider's thumbprints ("Obtain the thumbprint for an
 * OpenID Connect identity provider"). The only outside calls that STS makes.
 */
import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { OidcProviderRow } from '../iam/api.ts';
import { idpCommunication } from './errors.ts';
import type { Jwk } from './jwt.ts';

/** Real milliseconds that a provider may take. */
const fetchMillisMax = 5000;
const documentBytesMax = 1_000_000;
/** Certificates of a chain that are looked at. */
const chainMax = 10;

/** Whether a connection's certificates are those of the provider. */
function isVouched(socket: TLSSocket, thumbprints: readonly string[]): boolean {
  if (socket.authorized) return true;
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  for (let index = 0; index < chainMax && certificate?.fingerprint !== undefined; index += 1) {
    if (thumbprints.includes(certificate.fingerprint.replaceAll(':', '').toLowerCase())) return true;
    const issuer: DetailedPeerCertificate = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return false;
}

async function readBody(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    size += piece.byteLength;
    if (size > documentBytesMax) throw new Error(`More than ${documentBytesMax} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** A JSON document by GET, without redirects. Rejects for anything but a 200 from the provider itself. */
async function fetchJson(url: string, thumbprints: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const signal = AbortSignal.timeout(fetchMillisMax);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    // What an authority does not vouch for is compared with the thumbprints, before anything that it says is read.
    const request = url.startsWith('https:')
      ? getSecure(url, { signal, agent: false, rejectUnauthorized: false }, resolve)
      : getPlain(url, { signal, agent: false }, resolve);
    request.once('error', reject);
  });
  if (url.startsWith('https:') && !isVouched(answer.socket as TLSSocket, thumbprints)) {
    answer.destroy();
    throw new Error('The certificate is not vouched for.');
  }
  if (answer.statusCode !== 200) {
    answer.resume();
    throw new Error(`Status ${answer.statusCode}.`);
  }
  const value: unknown = JSON.parse(await readBody(answer));
  if (typeof value !== 'object' || value === null) throw new Error('Not a JSON object.');
  return value as Record<string, unknown>;
}

/** The provider's keys. Throws IDPCommunicationError when they cannot be had. */
export async function fetchKeys(provider: OidcProviderRow): Promise<readonly Jwk[]> {
  try {
    const discovery = await fetchJson(`${provider.issuer}/.well-known/openid-configuration`, provider.thumbprints);
    const { jwks_uri: keysUrl, issuer } = discovery;
    if (typeof issuer !== 'string' || issuer.replace(/\/$/, '') !== provider.issuer) throw new Error('Another issuer answers.');
    // Keys over plain http only from where the issuer itself is: on this machine.
    if (typeof keysUrl !== 'string' || (!keysUrl.startsWith('https:') && !keysUrl.startsWith(`${provider.issuer}/`)))
      throw new Error('No key set.');
    const { keys } = await fetchJson(keysUrl, provider.thumbprints);
    return Array.isArray(keys) ? (keys as Jwk[]) : [];
  } catch (cause) {
    throw idpCommunication(
      "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
      cause,
    );
  }
}

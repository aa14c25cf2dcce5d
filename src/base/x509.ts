/**
 * Certificates of X.509 version 3, made and signed here (RFC 5280). Keys and signatures are Node's own; only the envelope is written by hand.
 * Rejected: @peculiar/x509, well kept, but it brings a container for dependency injection and fourteen packages for one structure.
 */
import { createHash, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { parseIp4 } from './cidr.ts';
import {
  derBits,
  derBoolean,
  derElement,
  derInteger,
  derNull,
  derObjectId,
  derOctets,
  derSequence,
  derSet,
  derTagged,
  derText,
  derTime,
} from './der.ts';

/** Key algorithms by ACM's names of them. */
export type KeyAlgorithm = 'EC_prime256v1' | 'EC_secp384r1' | 'EC_secp521r1' | 'RSA_2048' | 'RSA_3072' | 'RSA_4096';

/** Who a certificate is for: organisation and common name. */
export interface DistinguishedName {
  organisation?: string | undefined;
  commonName: string;
}

export interface CertificateFacts {
  subject: DistinguishedName;
  /** DNS names (a first label `*` stands for any) and IP addresses; none for authorities. */
  names: readonly string[];
  /** Key of the subject. */
  publicKey: KeyObject;
  /** Who signs; the subject itself for a root. */
  issuer: { name: DistinguishedName; privateKey: KeyObject };
  /** Unique with this issuer; up to 20 bytes. */
  serial: Uint8Array;
  notBefore: number;
  notAfter: number;
  /** May sign certificates itself: 0 for one that signs leaves only. Absent for leaves. */
  authorityDepth?: number | undefined;
}

const makeKeyPair = promisify(generateKeyPair);

/** A fresh key pair. RSA takes a tenth of a second and more, on another thread. */
export async function generateKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const [family, size = ''] = algorithm.split('_');
  const pair =
    family === 'RSA' ? await makeKeyPair('rsa', { modulusLength: Number(size) }) : await makeKeyPair('ec', { namedCurve: size });
  return pair.privateKey;
}

/** The certificate as PEM. */
export function makeCertificate(facts: CertificateFacts): string {
  const { subject, publicKey, issuer, serial, notBefore, notAfter } = facts;
  const algorithm = signatureAlgorithm(issuer.privateKey);
  const toSign = derSequence(
    derTagged(0, 'explicit', derInteger(Uint8Array.of(2))),
    derInteger(Uint8Array.of((serial[0] ?? 1) & 0x7f || 1, ...serial.subarray(1))),
    algorithm,
    formatName(issuer.name),
    derSequence(derTime(notBefore), derTime(notAfter)),
    formatName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    derTagged(3, 'explicit', derSequence(...extensionsOf(facts))),
  );
  const signature = sign('sha256', toSign, issuer.privateKey);
  return formatPem('CERTIFICATE', derSequence(toSign, algorithm, derBits(signature)));
}

/** ECDSA or RSA (PKCS #1) with SHA-256. */
function signatureAlgorithm(key: KeyObject): Uint8Array {
  return key.asymmetricKeyType === 'rsa'
    ? derSequence(derObjectId('1.2.840.113549.1.1.11'), derNull())
    : derSequence(derObjectId('1.2.840.10045.4.3.2'));
}

function formatName({ organisation, commonName }: DistinguishedName): Uint8Array {
  const part = (type: string, text: string): Uint8Array => derSet(derSequence(derObjectId(type), derText(text)));
  return derSequence(
    ...(organisation === undefined ? [] : [part('2.5.4.10', organisation)]),
    // A common name has at most 64 characters (RFC 5280, ub-common-name); the whole names stand in the extension.
    ...(commonName.length > 64 ? [] : [part('2.5.4.3', commonName)]),
  );
}

function extensionsOf({ names, publicKey, issuer, authorityDepth }: CertificateFacts): Uint8Array[] {
  const extension = (id: string, critical: boolean, content: Uint8Array): Uint8Array =>
    derSequence(derObjectId(id), ...(critical ? [derBoolean(true)] : []), derOctets(content));
  const authority = authorityDepth !== undefined;
  const constraints = authority ? [derBoolean(true), derInteger(Uint8Array.of(authorityDepth))] : [];
  // keyCertSign and cRLSign; or digitalSignature and, for RSA, keyEncipherment.
  const rsa = publicKey.asymmetricKeyType === 'rsa';
  const usage = authority ? derBits(Uint8Array.of(0x06), 1) : derBits(Uint8Array.of(rsa ? 0xa0 : 0x80), rsa ? 5 : 7);
  return [
    extension('2.5.29.19', true, derSequence(...constraints)),
    extension('2.5.29.15', true, usage),
    ...(authority
      ? []
      : [extension('2.5.29.37', false, derSequence(derObjectId('1.3.6.1.5.5.7.3.1'), derObjectId('1.3.6.1.5.5.7.3.2')))]),
    extension('2.5.29.14', false, derOctets(keyIdOf(publicKey))),
    extension('2.5.29.35', false, derSequence(derTagged(0, 'implicit', keyIdOf(createPublicKey(issuer.privateKey))))),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', false, derSequence(...names.map(formatAlternative)))]),
  ];
}

/** A DNS name or an IP address among the alternative names of a subject. */
function formatAlternative(name: string): Uint8Array {
  const ip4 = parseIp4(name);
  if (ip4 !== undefined)
    return derTagged(7, 'implicit', Uint8Array.of(ip4 >>> 24, (ip4 >>> 16) & 255, (ip4 >>> 8) & 255, ip4 & 255));
  if (name === '::1')
    return derTagged(
      7,
      'implicit',
      Uint8Array.from({ length: 16 }, (_zero, index) => (index === 15 ? 1 : 0)),
    );
  return derElement(0x82, Buffer.from(name, 'latin1'));
}

/** Twenty bytes that stand for a key, by which a chain is put together (RFC 7093, method 1 over the whole key). */
export function keyIdOf(publicKey: KeyObject): Uint8Array {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);
}

function formatPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

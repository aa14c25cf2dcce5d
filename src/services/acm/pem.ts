/** Certificates and keys as users bring them. Source: ACM User Guide, "Prerequisites for importing ACM certificates". Pure. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Millis } from '../../base/clock.ts';
import { validation } from './errors.ts';

const pemForm = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

const curveNames: Readonly<Record<string, string>> = {
  prime256v1: 'EC_prime256v1',
  secp384r1: 'EC_secp384r1',
  secp521r1: 'EC_secp521r1',
};

/** KeyAlgorithm as the API names it. Throws ValidationException for keys that ACM does not take. */
function algorithmOf(key: KeyObject): string {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && [1024, 2048, 3072, 4096].includes(modulusLength)) return `RSA_${modulusLength}`;
  const curve = key.asymmetricKeyType === 'ec' ? curveNames[namedCurve] : undefined;
  if (curve === undefined) throw validation('The key algorithm of the certificate is not supported.');
  return curve;
}

function readCertificates(text: string): X509Certificate[] {
  try {
    return (text.match(pemForm) ?? []).map((pem) => new X509Certificate(pem));
  } catch {
    throw validation('Could not parse the certificate. It must be PEM-encoded.');
  }
}

function readKey(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    throw validation('The private key is not supported. It must be PEM-encoded and not encrypted.');
  }
}

/** DNS names and addresses that a certificate is for: its alternative names, else its common name. */
export function namesOf(certificate: X509Certificate): string[] {
  const alternative = (certificate.subjectAltName ?? '')
    .split(', ')
    .map((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1])
    .filter((name) => name !== undefined);
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  return [...new Set([...(common === undefined ? [] : [common]), ...alternative])];
}

/** As openssl prints serial numbers: `04:a1:…`. */
export function serialOf(certificate: X509Certificate): string {
  return (certificate.serialNumber.toLowerCase().match(/../g) ?? []).join(':');
}

/** A distinguished name on one line. */
export const oneLine = (name: string): string => name.split('\n').join(',');

export interface Imported {
  certificate: X509Certificate;
  chain: string | undefined;
  key: KeyObject;
  keyAlgorithm: string;
}

/** Checks what is imported: one certificate, valid now, its own key, and a chain that leads up from it. Throws ValidationException. */
export function readImport(certificate: string, privateKey: string, chain: string | undefined, now: Millis): Imported {
  const [leaf, more] = readCertificates(certificate);
  if (leaf === undefined) throw validation('Could not parse the certificate. It must be PEM-encoded.');
  if (more !== undefined)
    throw validation(
      'The certificate field contains more than one certificate. You can specify only one certificate in this field.',
    );
  const key = readKey(privateKey);
  if (!leaf.checkPrivateKey(key)) throw validation('The private key does not match the certificate.');
  if (Date.parse(leaf.validFrom) > now) throw validation('The certificate is not in its validity period yet.');
  if (Date.parse(leaf.validTo) <= now) throw validation('The certificate has expired.');
  let below = leaf;
  for (const above of chain === undefined ? [] : readCertificates(chain)) {
    if (!below.checkIssued(above) || !below.verify(above.publicKey))
      throw validation('Could not validate the certificate with the certificate chain.');
    below = above;
  }
  if (chain !== undefined && below === leaf) throw validation('Could not parse the certificate chain. It must be PEM-encoded.');
  return { certificate: leaf, chain, key, keyAlgorithm: algorithmOf(leaf.publicKey) };
}

/** Signatures that come in a service's own protocol, checked by the same keys and rules as those of requests. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { SignatureProof, SignatureProofs } from '../kernel/context.ts';
import { findCredential } from '../kernel/identity.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { signingKey } from './signature/keys.ts';

/** As for signed requests. */
const skewMillisMax = 5 * 60_000;
const form =
  /^AWS4-HMAC-SHA256\n((\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z)\n(\d{8})\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request\n([0-9a-f]{64})$/;

/** `kernel` is asked for when a proof comes: it is made after its parts. */
export function createProofs(kernel: () => Kernel): SignatureProofs {
  return {
    async identify(proof) {
      const { registry, clock } = kernel();
      const credential = await findCredential(registry, proof.accessKeyId, (service) =>
        kernel().systemContext(service, { account: '', region: '' }, 'proof'),
      );
      if (credential === undefined || !credential.active) return undefined;
      if (credential.onlyFor !== undefined && credential.onlyFor !== proof.service) return undefined;
      if (credential.sessionToken !== undefined && credential.sessionToken !== proof.sessionToken) return undefined;
      if (credential.expires !== undefined && credential.expires <= clock.now()) return undefined;
      return isSigned(proof, credential.secretAccessKey, clock.realNow()) ? credential.identity : undefined;
    },
  };
}

function isSigned(proof: SignatureProof, secret: string, realNow: number): boolean {
  const match = form.exec(proof.stringToSign);
  if (match === null) return false;
  const [, time = '', year, month, day, hour, minute, second, date = '', region = '', service = '', hash] = match;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (!(Math.abs(realNow - at) <= skewMillisMax) || !time.startsWith(date) || service !== proof.service) return false;
  if (createHash('sha256').update(proof.canonicalRequest(time)).digest('hex') !== hash) return false;
  const wanted = createHmac('sha256', signingKey(secret, date, region, service))
    .update(proof.stringToSign)
    .digest();
  const given = Buffer.from(proof.signature, 'hex');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

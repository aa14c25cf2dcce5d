/** Reads a credential: `key/YYYYMMDD/region/service/aws4_request`, and without the region for SigV4A. */
import { SignatureError } from './errors.ts';
import type { SignatureAlgorithm } from './signature.ts';

export interface Credential {
  accessKeyId: string;
  date: string;
  /** Empty for SigV4A. */
  region: string;
  service: string;
  scope: string;
}

/** Throws SignatureError; `query` says where the credential stood, which decides S3's wording. */
export function readCredential(text: string, algorithm: SignatureAlgorithm, amzDate: string, query: boolean): Credential {
  const parts = text.split('/');
  const asymmetric = algorithm === 'AWS4-ECDSA-P256-SHA256';
  if (parts.length !== (asymmetric ? 4 : 5) || parts.includes('')) {
    throw new SignatureError('malformed-credential', { text, query });
  }
  const [accessKeyId, date] = parts as [string, string];
  const service = parts.at(-2)!;
  const terminator = parts.at(-1)!;
  if (terminator !== 'aws4_request') throw new SignatureError('wrong-terminator', { text: terminator, query });
  if (date !== amzDate.slice(0, 8)) throw new SignatureError('wrong-date', { text: date, amzDate, query });
  return { accessKeyId, date, region: asymmetric ? '' : parts[2]!, service, scope: text.slice(accessKeyId.length + 1) };
}

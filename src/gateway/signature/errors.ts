/**
 * Why a signature was refused, and how each protocol family of AWS says so. Parsing and verifying know only a neutral kind; the code, text and
 * status that a client sees depend on the service that was called, which the signature code need not know. Rejected: throwing ready wire
 * errors, because the same bad header is `IncompleteSignature` for STS, `IncompleteSignatureException` for DynamoDB and
 * `AuthorizationHeaderMalformed` for S3.
 *
 * Sources of codes and texts: "Common Error Types" of the IAM, STS and DynamoDB API references; "Error codes" of the EC2 and S3 references;
 * IAM User Guide "Troubleshoot Signature Version 4 signing"; and answers of the real services quoted in public threads, named where used.
 */
import { hash } from 'node:crypto';
import type { WireError } from '../../model/types.ts';
import { s3Answer } from './s3-errors.ts';

/** How the called service speaks; decides codes and texts. */
export type ServiceFamily = 'query' | 'ec2' | 'json' | 'rest-json' | 'rest-xml' | 's3';

export type SignatureErrorKind =
  /** No signature where one is needed. */
  | 'missing-token'
  /** `Authorization` lacks parameters, or there is no date. `missing` names them. */
  | 'incomplete'
  /** Presigned parameters are missing. `missing` names them. */
  | 'incomplete-query'
  /** A part of `Authorization` is not name=value: `text`. */
  | 'not-a-pair'
  /** `Authorization` of some other scheme. */
  | 'unsupported-authorization'
  /** A signature algorithm that nobody offers: `text`. */
  | 'unsupported-algorithm'
  /** Signature Version 2 where it is not taken. */
  | 'legacy-signature'
  /** A URL of Version 2 lacks parameters. */
  | 'legacy-incomplete'
  /** Its Expires is not a number: `text`. */
  | 'legacy-bad-expires'
  /** `Authorization: AWS` is not key:signature. */
  | 'legacy-malformed'
  /** Both a header and a query signature. */
  | 'two-signatures'
  /** The credential is not key/date/region/service/terminator: `text`. */
  | 'malformed-credential'
  /** The scope ends in something else than aws4_request: `text`. */
  | 'wrong-terminator'
  /** The scope's date `text` is not the day of `amzDate`. */
  | 'wrong-date'
  /** Signed for region `text`, which is not `expected`. */
  | 'wrong-region'
  /** Signed for service `text`, which is not `expected`. */
  | 'wrong-service'
  /** The date is not in ISO 8601 basic format: `text`. */
  | 'bad-date'
  /** X-Amz-Expires is not a number (`text`). */
  | 'expires-not-a-number'
  | 'expires-negative'
  | 'expires-too-long'
  /** The host is not among the signed headers. */
  | 'host-not-signed'
  /** S3 refuses x-amz-* headers that are not signed: `missing` names them. */
  | 'headers-not-signed'
  /** S3 needs x-amz-content-sha256. */
  | 'missing-payload-hash'
  /** x-amz-content-sha256 is neither a hash nor a known literal: `text`. */
  | 'bad-payload-hash'
  /** The signature is wrong. */
  | 'mismatch'
  /** Signed too long ago. */
  | 'skewed-past'
  /** Signed in the future. */
  | 'skewed-future'
  /** A presigned request after its time. */
  | 'expired'
  /** A presigned request before its time. */
  | 'not-yet-valid'
  /** The body is not the one that was signed. */
  | 'payload-mismatch'
  | 'unknown-key'
  | 'inactive-key'
  | 'bad-token'
  | 'expired-token'
  /** Chunked uploads (S3 only): see chunked.ts. */
  | 'missing-decoded-length'
  | 'incomplete-body'
  | 'malformed-chunk'
  | 'chunk-too-small'
  | 'malformed-trailer'
  | 'bad-trailer-name'
  | 'bad-checksum-value'
  | 'bad-digest';

/** What a text or member may need; each kind says above which of them it uses. Instants are milliseconds since the epoch. */
export interface SignatureErrorDetails {
  text?: string | undefined;
  expected?: string | undefined;
  missing?: readonly string[] | undefined;
  /** The signature came in the query string: S3 then has other codes. */
  query?: boolean | undefined;
  authorization?: string | undefined;
  amzDate?: string | undefined;
  accessKeyId?: string | undefined;
  signatureProvided?: string | undefined;
  stringToSign?: string | undefined;
  canonicalRequest?: string | undefined;
  sessionToken?: string | undefined;
  signedAt?: number | undefined;
  now?: number | undefined;
  windowMinutes?: number | undefined;
  expiresSeconds?: number | undefined;
  expiresAt?: number | undefined;
  declaredHash?: string | undefined;
  computedHash?: string | undefined;
  /** Checksum algorithm as S3 spells it in texts (`CRC32`), or the trailer's name. */
  checksum?: string | undefined;
  chunk?: number | undefined;
  chunkBytes?: number | undefined;
}

/** Thrown by everything in this folder. `signatureErrorFor(error, family)` makes the answer of it. */
export class SignatureError extends Error {
  readonly kind: SignatureErrorKind;
  readonly details: SignatureErrorDetails;

  constructor(kind: SignatureErrorKind, details: SignatureErrorDetails = {}) {
    super(`The signature was refused: ${kind}${details.text === undefined ? '' : ` (${details.text})`}.`);
    this.name = 'SignatureError';
    this.kind = kind;
    this.details = details;
  }
}

/** What an error says on the wire. */
export type Answer = readonly [code: string, status: number, message: string, members?: Record<string, unknown>];

/**
 * The error that a service of `family` answers. For S3 the members beyond the message are those that S3 puts into its <Error> document.
 */
export function signatureErrorFor({ kind, details }: Pick<SignatureError, 'kind' | 'details'>, family: ServiceFamily): WireError {
  const [code, status, message, members] =
    family === 's3' ? s3Answer(kind, details) : family === 'ec2' ? ec2Answer(kind, details) : commonAnswer(kind, family, details);
  return { code, message, status, fault: 'client', ...(members === undefined ? {} : { members: definedOnly(members) }) };
}

function definedOnly(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** `20260926T014428Z`: SigV4's own notation of an instant. */
export function formatAmzDate(millis: number): string {
  return new Date(millis).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

const mismatchText =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. ' +
  'Consult the service documentation for details.';

/**
 * Codes of the families that share one front end. "Common Error Types" of the references has those of the query protocol; mhart/dynalite recorded those of
 * JSON with status 400; API Gateway answers the same codes with 403 (badslug/Paw-AWSSignature4DynamicValue #5).
 */
const commonCodes = {
  query: {
    missing: ['MissingAuthenticationToken', 403],
    incomplete: ['IncompleteSignature', 400],
    mismatch: ['SignatureDoesNotMatch', 403],
    unknown: ['InvalidClientTokenId', 403],
    expired: ['ExpiredToken', 403],
  },
  json: {
    missing: ['MissingAuthenticationTokenException', 400],
    incomplete: ['IncompleteSignatureException', 400],
    mismatch: ['InvalidSignatureException', 400],
    unknown: ['UnrecognizedClientException', 400],
    expired: ['ExpiredTokenException', 400],
  },
  'rest-json': {
    missing: ['MissingAuthenticationTokenException', 403],
    incomplete: ['IncompleteSignatureException', 403],
    mismatch: ['InvalidSignatureException', 403],
    unknown: ['UnrecognizedClientException', 403],
    expired: ['ExpiredTokenException', 403],
  },
} as const;

/** Families other than S3 and EC2. */
function commonAnswer(kind: SignatureErrorKind, family: ServiceFamily, details: SignatureErrorDetails): Answer {
  const codes = commonCodes[family === 'json' ? 'json' : family === 'rest-json' ? 'rest-json' : 'query'];
  switch (kind) {
    case 'missing-token':
      return [...codes.missing, 'Request is missing Authentication Token'];
    case 'unknown-key':
    case 'inactive-key':
      return [...codes.unknown, 'The security token included in the request is invalid.'];
    case 'bad-token':
      // Without the full stop that an unknown key has: mhart/dynalite recorded both.
      return [...codes.unknown, 'The security token included in the request is invalid'];
    case 'expired-token':
      return [...codes.expired, 'The security token included in the request is expired'];
    default: {
      const text = incompleteText(kind, details);
      return text === undefined ? [...codes.mismatch, mismatchReason(kind, details)] : [...codes.incomplete, text];
    }
  }
}

/** AWS does not repeat an Authorization header, which may hold a token of some other system, but its hash. */
function hashed(authorization: string | undefined): string {
  return hash('sha256', authorization ?? '', 'base64');
}

/**
 * Texts of requests whose signature cannot even be read; undefined for the other kinds. From answers that mhart/dynalite recorded; that the header
 * is hashed is newer; threads about API Gateway quote it.
 */
function incompleteText(kind: SignatureErrorKind, details: SignatureErrorDetails): string | undefined {
  const text = details.text ?? '';
  switch (kind) {
    case 'incomplete':
      return [
        ...(details.missing ?? []).map((name) =>
          name === 'Date'
            ? "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
            : `Authorization header requires '${name}' parameter.`,
        ),
        `(Hashed with SHA-256 and encoded with Base64) Authorization=${hashed(details.authorization)}`,
      ].join(' ');
    case 'incomplete-query':
      return [
        ...(details.missing ?? []).map((name) => `AWS query-string parameters must include '${name}'.`),
        'Re-examine the query-string parameters.',
      ].join(' ');
    case 'not-a-pair':
    case 'unsupported-authorization':
      return (
        'Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): ' +
        `'${hashed(details.authorization)}'.`
      );
    case 'unsupported-algorithm':
    case 'legacy-signature':
      return `Unsupported AWS 'algorithm': '${text}'.`;
    case 'malformed-credential':
      return `Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '${text}'`;
    case 'bad-date':
      return `Date must be in ISO-8601 'basic format'. Got '${text}'. See http://en.wikipedia.org/wiki/ISO_8601`;
    default:
      return undefined;
  }
}

/** Texts of signatures that can be read and do not hold. */
function mismatchReason(kind: SignatureErrorKind, details: SignatureErrorDetails): string {
  const text = details.text ?? '';
  const window = (details.windowMinutes ?? 5) * 60_000;
  const now = details.now ?? 0;
  const signedAt = formatAmzDate(details.signedAt ?? 0);
  switch (kind) {
    case 'two-signatures':
      return "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.";
    case 'wrong-terminator':
      return `Credential should be scoped with a valid terminator: 'aws4_request', not '${text}'.`;
    case 'wrong-date':
      return (
        'Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: ' +
        `'${text}' != '${(details.amzDate ?? '').slice(0, 8)}', from '${details.amzDate ?? ''}'.`
      );
    case 'wrong-region':
      return `Credential should be scoped to a valid region, not '${text}'. `;
    case 'wrong-service':
      return `Credential should be scoped to correct service: '${details.expected ?? ''}'. `;
    case 'host-not-signed':
      return "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
    case 'skewed-past':
      // aws/aws-cli #6676 (STS, 15 min.), aws/aws-sdk-js #573 (Elastic Transcoder, 5 min.).
      return (
        `Signature expired: ${signedAt} is now earlier than ${formatAmzDate(now - window)} ` +
        `(${formatAmzDate(now)} - ${details.windowMinutes ?? 5} min.)`
      );
    case 'skewed-future':
      // aws/aws-sdk-js #1652 (Kinesis).
      return (
        `Signature not yet current: ${signedAt} is still later than ${formatAmzDate(now + window)} ` +
        `(${formatAmzDate(now)} + ${details.windowMinutes ?? 5} min.)`
      );
    default:
      return mismatchText;
  }
}

/** EC2 hides what was wrong behind AuthFailure ("Error codes for the Amazon EC2 API", client error codes). */
function ec2Answer(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer {
  switch (kind) {
    case 'missing-token':
      return ['MissingParameter', 400, 'The request must contain the parameter AWSAccessKeyId'];
    case 'skewed-past':
    case 'skewed-future':
    case 'expired-token':
      // The reference gives one code for all three; aws/aws-sdk-java #1443 quotes the text.
      return ['RequestExpired', 400, 'Request has expired.'];
    default: {
      const text = incompleteText(kind, details);
      return text === undefined
        ? ['AuthFailure', 401, 'AWS was not able to validate the provided access credentials']
        : ['IncompleteSignature', 400, text];
    }
  }
}

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
  /** Signature Version 2. */
  | 'legacy-signature'
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

type Answer = readonly [code: string, status: number, message: string, members?: Record<string, unknown>];

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

function formatIso(millis: number | undefined): string {
  return new Date(millis ?? 0).toISOString().replace(/\.\d{3}/, '');
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

/** S3 shows the strings it signed both as text and as bytes in hexadecimal. */
function hexBytes(text: string): string {
  return (Buffer.from(text, 'latin1').toString('hex').match(/../g) ?? []).join(' ');
}

const payloadHashText =
  'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, ' +
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, ' +
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.';

/**
 * S3's answers. Texts as its users quote them and as S3-compatible servers that are tested against it repeat them (versity/versitygw s3err);
 * "Error responses" of the S3 API reference has the codes.
 */
function s3Answer(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer {
  return (
    s3RefusedRequest(kind, details) ?? s3RefusedKey(kind, details) ?? s3RefusedBody(kind, details) ?? s3Unreadable(kind, details)
  );
}

/** A signature that can be read, and does not hold now. */
function s3RefusedRequest(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer | undefined {
  switch (kind) {
    case 'missing-token':
      return ['AccessDenied', 403, 'Access Denied'];
    case 'mismatch': {
      const text =
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.';
      const { stringToSign, canonicalRequest } = details;
      return [
        'SignatureDoesNotMatch',
        403,
        text,
        {
          AWSAccessKeyId: details.accessKeyId,
          StringToSign: stringToSign,
          SignatureProvided: details.signatureProvided,
          StringToSignBytes: stringToSign === undefined ? undefined : hexBytes(stringToSign),
          CanonicalRequest: canonicalRequest,
          CanonicalRequestBytes: canonicalRequest === undefined ? undefined : hexBytes(canonicalRequest),
        },
      ];
    }
    case 'skewed-past':
    case 'skewed-future':
      return [
        'RequestTimeTooSkewed',
        403,
        'The difference between the request time and the current time is too large.',
        {
          RequestTime: details.amzDate,
          ServerTime: formatIso(details.now),
          MaxAllowedSkewMilliseconds: String((details.windowMinutes ?? 15) * 60_000),
        },
      ];
    case 'expired':
      return [
        'AccessDenied',
        403,
        'Request has expired',
        {
          'X-Amz-Expires': String(details.expiresSeconds ?? 0),
          Expires: formatIso((details.signedAt ?? 0) + (details.expiresSeconds ?? 0) * 1000),
          ServerTime: formatIso(details.now),
        },
      ];
    case 'not-yet-valid':
      return [
        'AccessDenied',
        403,
        'Request is not yet valid',
        { 'X-Amz-Date': details.amzDate, ServerTime: formatIso(details.now) },
      ];
    case 'headers-not-signed':
    case 'host-not-signed':
      return [
        'AccessDenied',
        403,
        'There were headers present in the request which were not signed',
        { HeadersNotSigned: kind === 'host-not-signed' ? 'host' : (details.missing ?? []).join(', ') },
      ];
    default:
      return undefined;
  }
}

function s3RefusedKey(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer | undefined {
  switch (kind) {
    case 'unknown-key':
    case 'inactive-key':
      return [
        'InvalidAccessKeyId',
        403,
        'The AWS Access Key Id you provided does not exist in our records.',
        { AWSAccessKeyId: details.accessKeyId },
      ];
    case 'bad-token':
      return ['InvalidToken', 400, 'The provided token is malformed or otherwise invalid.', { 'Token-0': details.sessionToken }];
    case 'expired-token':
      return ['ExpiredToken', 400, 'The provided token has expired.', { 'Token-0': details.sessionToken }];
    default:
      return undefined;
  }
}

/** The body, plain or aws-chunked, is not what was announced. */
function s3RefusedBody(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer | undefined {
  switch (kind) {
    case 'payload-mismatch':
      return [
        'XAmzContentSHA256Mismatch',
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        { ClientComputedContentSHA256: details.declaredHash, S3ComputedContentSHA256: details.computedHash },
      ];
    case 'missing-decoded-length':
      return ['MissingContentLength', 411, 'You must provide the Content-Length HTTP header.'];
    case 'incomplete-body':
      return ['IncompleteBody', 400, 'You did not provide the number of bytes specified by the Content-Length HTTP header'];
    case 'malformed-chunk':
      return ['IncompleteBody', 400, 'The request body terminated unexpectedly'];
    case 'chunk-too-small':
      // aws/aws-sdk-js-v3 quotes it and tells users to set requestStreamBufferSize.
      return [
        'InvalidChunkSizeError',
        403,
        'Only the last chunk is allowed to have a size less than 8192 bytes',
        { Chunk: details.chunk, BadChunkSize: details.chunkBytes },
      ];
    case 'malformed-trailer':
      return [
        'MalformedTrailerError',
        400,
        'The request contained trailing data that was not well-formed or did not conform to our published schema.',
      ];
    case 'bad-trailer-name':
      return ['InvalidRequest', 400, 'The value specified in the x-amz-trailer header is not supported'];
    case 'bad-checksum-value':
      return ['InvalidRequest', 400, `Value for ${details.checksum ?? ''} trailing header is invalid.`];
    case 'bad-digest':
      // aws/aws-sdk-ruby #3322, versity/versitygw #1694.
      return ['BadDigest', 400, `The ${details.checksum ?? ''} you specified did not match the calculated checksum.`];
    default:
      return undefined;
  }
}

/** A signature that cannot be read. S3 names the form in its text, and has a code of its own for presigned URLs. */
function s3Unreadable(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer {
  const text = details.text ?? '';
  const query = details.query === true;
  const malformed = (reason: string, members?: Record<string, unknown>): Answer =>
    query
      ? ['AuthorizationQueryParametersError', 400, `Error parsing the X-Amz-Credential parameter; ${reason}`, members]
      : ['AuthorizationHeaderMalformed', 400, `The authorization header is malformed; ${reason}`, members];
  const queryError = (message: string): Answer => ['AuthorizationQueryParametersError', 400, message];
  const badArgument = (message: string, name: string, value: string | undefined): Answer => [
    'InvalidArgument',
    400,
    message,
    { ArgumentName: name, ArgumentValue: value },
  ];
  switch (kind) {
    case 'incomplete':
      return details.missing?.includes('Date') === true && details.missing.length === 1
        ? ['AccessDenied', 403, 'AWS authentication requires a valid Date or x-amz-date header']
        : ['AuthorizationHeaderMalformed', 400, 'The authorization header that you provided is not valid.'];
    case 'incomplete-query':
      return queryError(
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, ' +
          'X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
      );
    case 'bad-date':
      return query
        ? queryError("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        : ['AccessDenied', 403, 'AWS authentication requires a valid Date or x-amz-date header'];
    case 'unsupported-algorithm':
      return query
        ? queryError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
        : badArgument('Unsupported Authorization Type', 'Authorization', details.authorization);
    case 'unsupported-authorization':
      return badArgument('Unsupported Authorization Type', 'Authorization', details.authorization);
    case 'legacy-signature':
      return [
        'InvalidRequest',
        400,
        'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
      ];
    case 'two-signatures':
      return badArgument(
        'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the ' +
          'Authorization header should be specified',
        'Authorization',
        details.authorization,
      );
    case 'malformed-credential':
      return malformed('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".');
    case 'wrong-terminator':
      return malformed(`incorrect terminal "${text}". This endpoint uses "aws4_request".`);
    case 'wrong-service':
      return malformed(`incorrect service "${text}". This endpoint belongs to "${details.expected ?? 's3'}".`);
    case 'wrong-region':
      return malformed(`the region '${text}' is wrong; expecting '${details.expected ?? ''}'`, { Region: details.expected });
    case 'wrong-date':
      return wrongDate(text, (details.amzDate ?? '').slice(0, 8), query, malformed);
    case 'expires-not-a-number':
      return queryError('X-Amz-Expires should be a number');
    case 'expires-negative':
      return queryError('X-Amz-Expires must be non-negative');
    case 'expires-too-long':
      return queryError(
        'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
      );
    case 'missing-payload-hash':
      return ['InvalidRequest', 400, 'Missing required header for this request: x-amz-content-sha256'];
    case 'bad-payload-hash':
      return badArgument(payloadHashText, 'x-amz-content-sha256', text);
    default:
      return ['AuthorizationHeaderMalformed', 400, 'The authorization header that you provided is not valid.'];
  }
}

function wrongDate(scopeDate: string, day: string, query: boolean, malformed: (reason: string) => Answer): Answer {
  if (!/^\d{8}$/.test(scopeDate)) {
    return malformed(`incorrect date format "${scopeDate}". This date in the credential must be in the format "yyyyMMdd".`);
  }
  const reason = `Invalid credential date "${scopeDate}". This date is not the same as X-Amz-Date: "${day}".`;
  return query ? ['AuthorizationQueryParametersError', 400, reason] : malformed(reason);
}

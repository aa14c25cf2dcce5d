/** What S3 answers to a signature that it refuses. S3 has a front end of its own, with other codes, texts and members than all other services. */
import type { Answer, SignatureErrorDetails, SignatureErrorKind } from './errors.ts';

function formatIso(millis: number | undefined): string {
  return new Date(millis ?? 0).toISOString().replace(/\.\d{3}/, '');
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
export function s3Answer(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer {
  return (
    s3RefusedRequest(kind, details) ??
    s3RefusedKey(kind, details) ??
    s3RefusedBody(kind, details) ??
    s3UnreadableLegacy(kind, details) ??
    s3Unreadable(kind, details)
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
          // Version 2 names the end itself.
          'X-Amz-Expires': details.expiresAt === undefined ? String(details.expiresSeconds ?? 0) : undefined,
          Expires: formatIso(details.expiresAt ?? (details.signedAt ?? 0) + (details.expiresSeconds ?? 0) * 1000),
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

/** A signature of Version 2 that cannot be read, or is not taken. */
function s3UnreadableLegacy(kind: SignatureErrorKind, details: SignatureErrorDetails): Answer | undefined {
  switch (kind) {
    case 'legacy-signature':
      return [
        'InvalidRequest',
        400,
        'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
      ];
    case 'legacy-incomplete':
      return ['AccessDenied', 403, 'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters'];
    case 'legacy-bad-expires':
      return ['AccessDenied', 403, `Invalid date (should be seconds since epoch): ${details.text ?? ''}`];
    case 'legacy-malformed':
      return [
        'InvalidArgument',
        400,
        'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
        { ArgumentName: 'Authorization', ArgumentValue: details.authorization },
      ];
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

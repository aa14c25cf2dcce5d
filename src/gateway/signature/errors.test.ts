import { describe, expect, test } from 'vitest';
import {
  type ServiceFamily,
  SignatureError,
  type SignatureErrorDetails,
  type SignatureErrorKind,
  signatureErrorFor,
} from './errors.ts';

const now = Date.UTC(2026, 8, 26, 12, 0, 0);

function answer(kind: SignatureErrorKind, family: ServiceFamily, details: SignatureErrorDetails = {}): string {
  const { code, status, message } = signatureErrorFor(new SignatureError(kind, details), family);
  return `${status} ${code}: ${message}`;
}

const mismatch =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. ' +
  'Consult the service documentation for details.';

describe('each family has its own word for', () => {
  const table: [SignatureErrorKind, Record<ServiceFamily, string>][] = [
    [
      'missing-token',
      {
        query: '403 MissingAuthenticationToken: Request is missing Authentication Token',
        'rest-xml': '403 MissingAuthenticationToken: Request is missing Authentication Token',
        json: '400 MissingAuthenticationTokenException: Request is missing Authentication Token',
        'rest-json': '403 MissingAuthenticationTokenException: Request is missing Authentication Token',
        ec2: '400 MissingParameter: The request must contain the parameter AWSAccessKeyId',
        s3: '403 AccessDenied: Access Denied',
      },
    ],
    [
      'mismatch',
      {
        query: `403 SignatureDoesNotMatch: ${mismatch}`,
        'rest-xml': `403 SignatureDoesNotMatch: ${mismatch}`,
        json: `400 InvalidSignatureException: ${mismatch}`,
        'rest-json': `403 InvalidSignatureException: ${mismatch}`,
        ec2: '401 AuthFailure: AWS was not able to validate the provided access credentials',
        s3: '403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      },
    ],
    [
      'unknown-key',
      {
        query: '403 InvalidClientTokenId: The security token included in the request is invalid.',
        'rest-xml': '403 InvalidClientTokenId: The security token included in the request is invalid.',
        json: '400 UnrecognizedClientException: The security token included in the request is invalid.',
        'rest-json': '403 UnrecognizedClientException: The security token included in the request is invalid.',
        ec2: '401 AuthFailure: AWS was not able to validate the provided access credentials',
        s3: '403 InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.',
      },
    ],
    [
      'bad-token',
      {
        query: '403 InvalidClientTokenId: The security token included in the request is invalid',
        'rest-xml': '403 InvalidClientTokenId: The security token included in the request is invalid',
        json: '400 UnrecognizedClientException: The security token included in the request is invalid',
        'rest-json': '403 UnrecognizedClientException: The security token included in the request is invalid',
        ec2: '401 AuthFailure: AWS was not able to validate the provided access credentials',
        s3: '400 InvalidToken: The provided token is malformed or otherwise invalid.',
      },
    ],
    [
      'expired-token',
      {
        query: '403 ExpiredToken: The security token included in the request is expired',
        'rest-xml': '403 ExpiredToken: The security token included in the request is expired',
        json: '400 ExpiredTokenException: The security token included in the request is expired',
        'rest-json': '403 ExpiredTokenException: The security token included in the request is expired',
        ec2: '400 RequestExpired: Request has expired.',
        s3: '400 ExpiredToken: The provided token has expired.',
      },
    ],
  ];

  test.each(table)('%s', (kind, expected) => {
    for (const [family, text] of Object.entries(expected)) expect(answer(kind, family as ServiceFamily)).toBe(text);
  });
});

test('a request from the past', () => {
  const details = { signedAt: now - 3_600_000, now, windowMinutes: 5, amzDate: '20260926T110000Z' };
  expect(answer('skewed-past', 'json', details)).toBe(
    '400 InvalidSignatureException: Signature expired: 20260926T110000Z is now earlier than 20260926T115500Z (20260926T120000Z - 5 min.)',
  );
  expect(answer('skewed-past', 'ec2', details)).toBe('400 RequestExpired: Request has expired.');
  expect(signatureErrorFor(new SignatureError('skewed-past', { ...details, windowMinutes: 15 }), 's3')).toEqual({
    code: 'RequestTimeTooSkewed',
    status: 403,
    fault: 'client',
    message: 'The difference between the request time and the current time is too large.',
    members: { RequestTime: '20260926T110000Z', ServerTime: '2026-09-26T12:00:00Z', MaxAllowedSkewMilliseconds: '900000' },
  });
});

test('a request from the future', () => {
  expect(answer('skewed-future', 'query', { signedAt: now + 3_600_000, now, windowMinutes: 15 })).toBe(
    '403 SignatureDoesNotMatch: Signature not yet current: 20260926T130000Z is still later than 20260926T121500Z (20260926T120000Z + 15 min.)',
  );
});

test('an expired presigned URL tells its times', () => {
  const error = new SignatureError('expired', { signedAt: now - 120_000, now, expiresSeconds: 60 });
  expect(signatureErrorFor(error, 's3')).toMatchObject({
    code: 'AccessDenied',
    status: 403,
    message: 'Request has expired',
    members: { 'X-Amz-Expires': '60', Expires: '2026-09-26T11:59:00Z', ServerTime: '2026-09-26T12:00:00Z' },
  });
});

test('a wrong signature at S3 shows what should have been signed, as text and as bytes', () => {
  const error = new SignatureError('mismatch', {
    accessKeyId: 'AKID',
    signatureProvided: 'ab',
    stringToSign: 'A\n',
    canonicalRequest: 'é',
  });
  expect(signatureErrorFor(error, 's3').members).toEqual({
    AWSAccessKeyId: 'AKID',
    SignatureProvided: 'ab',
    StringToSign: 'A\n',
    StringToSignBytes: '41 0a',
    CanonicalRequest: 'é',
    CanonicalRequestBytes: 'e9',
  });
});

describe('headers that cannot be read', () => {
  test('missing parameters are all named', () => {
    const details = { missing: ['Credential', 'Signature', 'SignedHeaders', 'Date'], authorization: 'AWS4-HMAC-SHA256' };
    expect(answer('incomplete', 'json', details)).toBe(
      "400 IncompleteSignatureException: Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' " +
        "parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a " +
        "'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization=YI2YWea8FSxnksZL2ETHbs5elHm9HQufxTLK0W0ffV0=",
    );
    expect(answer('incomplete', 's3', { missing: ['Date'] })).toBe(
      '403 AccessDenied: AWS authentication requires a valid Date or x-amz-date header',
    );
  });

  test('a bearer token is not repeated in the answer', () => {
    const text = answer('unsupported-authorization', 'rest-json', { authorization: 'Bearer secret-token', text: 'secret-token' });
    expect(text).toMatch(
      /^403 IncompleteSignatureException: Invalid key=value pair \(missing equal-sign\) in Authorization header \(hashed/,
    );
    expect(text).not.toContain('secret-token');
    expect(answer('unsupported-authorization', 's3', { authorization: 'Bearer x' })).toBe(
      '400 InvalidArgument: Unsupported Authorization Type',
    );
  });

  test.each<[SignatureErrorKind, SignatureErrorDetails, string]>([
    [
      'malformed-credential',
      { text: 'a/b' },
      'AuthorizationHeaderMalformed: The authorization header is malformed; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    ],
    [
      'malformed-credential',
      { text: 'a/b', query: true },
      'AuthorizationQueryParametersError: Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    ],
    [
      'wrong-region',
      { text: 'us-east-1', expected: 'eu-west-1' },
      "AuthorizationHeaderMalformed: The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
    ],
    [
      'wrong-service',
      { text: 'ec2' },
      'AuthorizationHeaderMalformed: The authorization header is malformed; incorrect service "ec2". This endpoint belongs to "s3".',
    ],
    [
      'wrong-terminator',
      { text: 'x' },
      'AuthorizationHeaderMalformed: The authorization header is malformed; incorrect terminal "x". This endpoint uses "aws4_request".',
    ],
    [
      'wrong-date',
      { text: '20260925', amzDate: '20260926T120000Z' },
      'AuthorizationHeaderMalformed: The authorization header is malformed; Invalid credential date "20260925". This date is not the same as X-Amz-Date: "20260926".',
    ],
    [
      'wrong-date',
      { text: '2026', amzDate: '20260926T120000Z' },
      'AuthorizationHeaderMalformed: The authorization header is malformed; incorrect date format "2026". This date in the credential must be in the format "yyyyMMdd".',
    ],
    [
      'expires-too-long',
      { query: true },
      'AuthorizationQueryParametersError: X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    ],
    ['expires-negative', { query: true }, 'AuthorizationQueryParametersError: X-Amz-Expires must be non-negative'],
    ['expires-not-a-number', { query: true }, 'AuthorizationQueryParametersError: X-Amz-Expires should be a number'],
    [
      'legacy-signature',
      {},
      'InvalidRequest: The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    ],
    ['missing-payload-hash', {}, 'InvalidRequest: Missing required header for this request: x-amz-content-sha256'],
    ['bad-digest', { checksum: 'CRC32' }, 'BadDigest: The CRC32 you specified did not match the calculated checksum.'],
    ['malformed-chunk', {}, 'IncompleteBody: The request body terminated unexpectedly'],
    [
      'bad-checksum-value',
      { checksum: 'x-amz-checksum-sha1' },
      'InvalidRequest: Value for x-amz-checksum-sha1 trailing header is invalid.',
    ],
  ])('S3 says of %s %j', (kind, details, expected) => expect(answer(kind, 's3', details)).toBe(`400 ${expected}`));

  test('S3 names the region in which it would have worked', () => {
    expect(signatureErrorFor(new SignatureError('wrong-region', { text: 'a', expected: 'eu-west-1' }), 's3').members).toEqual({
      Region: 'eu-west-1',
    });
  });

  test('other services say of the scope', () => {
    expect(answer('wrong-date', 'json', { text: 'b', amzDate: '20260926T120000Z' })).toBe(
      "400 InvalidSignatureException: Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: 'b' != '20260926', from '20260926T120000Z'.",
    );
    expect(answer('malformed-credential', 'query', { text: 'a/b/c/d' })).toBe(
      "400 IncompleteSignature: Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d'",
    );
    expect(answer('wrong-terminator', 'rest-json', { text: 'e' })).toBe(
      "403 InvalidSignatureException: Credential should be scoped with a valid terminator: 'aws4_request', not 'e'.",
    );
  });
});

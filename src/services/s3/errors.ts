/** S3's wire errors ("Error responses", S3 API Reference), in the wording that the service answers. */
import { AwsError } from '../../kernel/errors.ts';
import type { BucketRow } from './state.ts';

/** An error of S3. `members` are the elements beside Code and Message. */
export function s3Error(code: string, message: string, status: number, members: Record<string, unknown> = {}): AwsError {
  return new AwsError(code, message, { status, members });
}

export function noSuchBucket(name: string): AwsError {
  return s3Error('NoSuchBucket', 'The specified bucket does not exist', 404, { BucketName: name });
}

export function invalidBucketName(name: string): AwsError {
  return s3Error('InvalidBucketName', 'The specified bucket is not valid.', 400, { BucketName: name });
}

export function noSuchKey(key: string, headers: Record<string, string> = {}): AwsError {
  return new AwsError('NoSuchKey', 'The specified key does not exist.', { status: 404, members: { Key: key }, headers });
}

export function noSuchVersion(key: string, versionId: string): AwsError {
  return s3Error('NoSuchVersion', 'The specified version does not exist.', 404, { Key: key, VersionId: versionId });
}

export function noSuchUpload(uploadId: string): AwsError {
  const text =
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.';
  return s3Error('NoSuchUpload', text, 404, { UploadId: uploadId });
}

/** A setting that the bucket does not have: NoSuchBucketPolicy, NoSuchTagSet, … */
export function noSuchSetting(code: string, message: string, bucket: string): AwsError {
  return s3Error(code, message, 404, { BucketName: bucket });
}

export function invalidArgument(message: string, name?: string, value?: string): AwsError {
  return s3Error('InvalidArgument', message, 400, {
    ...(name === undefined ? {} : { ArgumentName: name }),
    ...(value === undefined ? {} : { ArgumentValue: value }),
  });
}

export function invalidRequest(message: string): AwsError {
  return s3Error('InvalidRequest', message, 400);
}

export function malformedXml(): AwsError {
  return s3Error(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
    400,
  );
}

export function accessDenied(message = 'Access Denied'): AwsError {
  return s3Error('AccessDenied', message, 403);
}

export function methodNotAllowed(method: string, resourceType: string, headers: Record<string, string> = {}): AwsError {
  const members = { Method: method, ResourceType: resourceType };
  return new AwsError('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
    status: 405,
    members,
    headers,
  });
}

/** The condition is the header whose demand is not met. */
export function preconditionFailed(condition: string): AwsError {
  const text = 'At least one of the pre-conditions you specified did not hold';
  return s3Error('PreconditionFailed', text, 412, { Condition: condition });
}

/** The account that a request expects as the bucket's owner is no account. */
export function invalidBucketOwner(value: string): AwsError {
  const text = `The value of the expected bucket owner parameter must be an AWS Account ID... [${value}]`;
  return s3Error('InvalidBucketOwnerAWSAccountID', text, 400);
}

/** The bucket is in another Region than the one that was asked ("Making requests", Request redirection). */
export function permanentRedirect(bucket: BucketRow): AwsError {
  const text =
    'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.';
  const members = { Endpoint: `${bucket.name}.s3.${bucket.region}.amazonaws.com`, Bucket: bucket.name };
  return new AwsError('PermanentRedirect', text, { status: 301, members, headers: { 'x-amz-bucket-region': bucket.region } });
}

/** Signature Version 2 in a Region that never took it. */
export function signatureTooOld(): AwsError {
  return invalidRequest('The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.');
}

/** Access points answer over TLS only: the same request there. `endpoint` is scheme and host as the client reached them. */
export function overHttps(endpoint: string, key: string): AwsError {
  const place = `${endpoint.replace(/^http:/, 'https:')}/${key.split('/').map(encodeURIComponent).join('/')}`;
  const text = 'Access points are reached over HTTPS only. Please re-send this request to the specified endpoint.';
  return new AwsError('TemporaryRedirect', text, { status: 307, members: { Endpoint: place }, headers: { location: place } });
}

export function noSuchAccessPoint(name: string): AwsError {
  return s3Error('NoSuchAccessPoint', 'The specified accesspoint does not exist', 404, { AccessPointName: name });
}

export function noSuchMultiRegionPoint(name: string): AwsError {
  const text = 'The specified Multi-Region Access Point does not exist.';
  return s3Error('NoSuchMultiRegionAccessPoint', text, 404, { MultiRegionAccessPointName: name });
}

/** What holds the bytes does not work now. */
export function serviceUnavailable(): AwsError {
  return s3Error('ServiceUnavailable', 'Service is unable to handle request.', 503);
}

export function badDigest(what: string): AwsError {
  return s3Error('BadDigest', `The ${what} you specified did not match the calculated checksum.`, 400);
}

export function entityTooLarge(proposed: number, allowed: number): AwsError {
  const text = 'Your proposed upload exceeds the maximum allowed size';
  return s3Error('EntityTooLarge', text, 400, { ProposedSize: String(proposed), MaxSizeAllowed: String(allowed) });
}

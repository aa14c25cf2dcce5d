/**
 * What S3 refuses of a request by its form, before it reads the input: subresources that its method does not have, ids of versions where none is
 * taken, documents that are not what their checksum says ("Error responses", "Checking object integrity").
 */
import { createHash } from 'node:crypto';
import type { OperationModel } from '../../model/service-model.ts';
import type { WireRequest } from '../../model/types.ts';
import { checksumAlgorithms, checksumOf } from '../../base/checksum.ts';
import { checkContentMd5, checkMd5Form, expectedChecksum, memberOf } from './checksums.ts';
import { badDigest, invalidArgument, invalidRequest, methodNotAllowed } from './errors.ts';
import { bucketAndKey } from './web/address.ts';

/** Query parameters that name a part of a bucket or an object. */
const subresources: ReadonlySet<string> = new Set([
  'abac',
  'accelerate',
  'acl',
  'analytics',
  'attributes',
  'cors',
  'delete',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metadataConfiguration',
  'metadataTable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'uploads',
  'versioning',
  'versions',
  'website',
]);

/** Operations that write something new, which has no version yet. */
const withoutVersion: ReadonlySet<string> = new Set(['PutObject', 'CopyObject', 'UploadPart', 'UploadPartCopy']);

/** Operations whose body is the object's, or whose checksum headers are: they check for themselves. */
const ofObjects: ReadonlySet<string> = new Set([...withoutVersion, 'CreateMultipartUpload', 'CompleteMultipartUpload']);

/** Operations that S3 does not take without a digest of their document. */
const needDigest: ReadonlySet<string> = new Set([
  'DeleteObjects',
  'PutBucketCors',
  'PutBucketLifecycleConfiguration',
  'PutBucketReplication',
  'PutBucketTagging',
  'PutObjectLegalHold',
  'PutObjectLockConfiguration',
  'PutObjectRetention',
]);

/** What a method was asked of, in S3's words. */
function resourceType(request: WireRequest): string {
  const { bucket, key } = bucketAndKey(request);
  return bucket === '' ? 'SERVICE' : key === '' ? 'BUCKET' : 'OBJECT';
}

/** The refusal of a method that S3 does not have there. Throws InvalidURI for a path that cannot be read. */
export function noSuchMethod(request: WireRequest, subresource?: string): Error {
  return methodNotAllowed(request.method, subresource?.toUpperCase() ?? resourceType(request));
}

function checkSubresource(request: WireRequest, { name, http }: OperationModel): void {
  const named = request.query.map(([key]) => key).filter((key) => subresources.has(key));
  if (named.length > 1) {
    throw invalidArgument(`Conflicting query string parameters: ${named.join(', ')}`, 'ResourceType', named[0]);
  }
  const [asked] = named;
  if (asked !== undefined && http?.query.some(([key]) => key === asked) !== true) throw noSuchMethod(request, asked);
  // What is posted to an object is for one of its uploads, unless the query says otherwise.
  if (name === 'CompleteMultipartUpload' && !request.query.some(([key]) => key === 'uploadId')) throw noSuchMethod(request);
}

/** Checksum headers of a document, as members are named. */
function checksumsOf({ headers }: WireRequest): Record<string, string> {
  const algorithms = checksumAlgorithms.map((algorithm) => [memberOf(algorithm), `x-amz-checksum-${algorithm.toLowerCase()}`]);
  const named: (readonly [string, string])[] = [
    ...algorithms.map(([member = '', header = '']) => [member, header] as const),
    ['ChecksumAlgorithm', 'x-amz-sdk-checksum-algorithm'],
  ];
  return Object.fromEntries(
    named.flatMap(([member, header]) => {
      const value = headers[header];
      return value === undefined ? [] : [[member, value]];
    }),
  );
}

/** Throws InvalidDigest, BadDigest, InvalidRequest. A trailer has been compared when the body came. */
function checkDocument(request: WireRequest, operation: string): void {
  const { headers, body } = request;
  const md5 = headers['content-md5'];
  const trailer = headers['x-amz-trailer'];
  const sent = checksumsOf(request);
  if (md5 === undefined && trailer === undefined && Object.keys(sent).length === 0) {
    if (!needDigest.has(operation)) return;
    throw invalidRequest('Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
  }
  checkMd5Form(md5);
  checkContentMd5(createHash('md5').update(body).digest(), md5);
  if (trailer !== undefined) return;
  const { algorithm, value } = expectedChecksum(sent, body);
  if (value !== undefined && value !== checksumOf(algorithm, body)) throw badDigest(algorithm);
}

/** Refuses a signed request of an operation for what no member of its input tells. Throws S3's errors. */
export function checkRequest(request: WireRequest, operation: OperationModel): void {
  checkSubresource(request, operation);
  const version = request.query.find(([key]) => key === 'versionId')?.[1];
  if (version !== undefined && withoutVersion.has(operation.name)) {
    throw invalidArgument('This operation does not accept a version-id.', 'versionId', version);
  }
  const { method } = request;
  if ((method === 'PUT' || method === 'POST') && !ofObjects.has(operation.name)) checkDocument(request, operation.name);
}

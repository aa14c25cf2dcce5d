/** What official clients change on the way, on purpose: the proof expects it instead of stumbling over it. Each entry names its cause. */
import type { OperationModel } from '../../src/model/service-model.ts';
import type { Protocol, Shape } from '../../src/model/types.ts';

/** Settings of single clients. */
export function clientSettings(service: string, protocol: Protocol | undefined): Record<string, unknown> {
  // SQS's client compares digests of bodies, which samples do not have.
  if (service === 'sqs') return { md5: false };
  // A session would be created before the first call on what looks like a directory bucket.
  if (service === 's3') return { disableS3ExpressSessionAuth: true };
  // Large bodies are compressed; here all are, except in CBOR, where the client announces the length of the body before it is compressed.
  if (service === 'cloudwatch' && protocol !== 'rpcv2Cbor')
    return { disableRequestCompression: false, requestMinCompressionSizeBytes: 0 };
  return {};
}

/** Makes a sample one that the client lets through. */
export function possibleInput(operation: OperationModel, protocol: Protocol, input: Shape): Shape {
  const { service, name } = operation;
  const changed = { ...input };
  // Chooses a multi-region endpoint and its SigV4A signature, for which this test has no signer.
  if (service.name === 'eventbridge' && name === 'PutEvents') delete changed['EndpointId'];
  if (service.name === 's3') {
    // Names of buckets are checked.
    if (changed['Bucket'] !== undefined) changed['Bucket'] = ['my-bucket', 'sts', 'a.dotted.bucket'][name.length % 3];
    if (changed['ChecksumAlgorithm'] !== undefined && typeof changed['ChecksumAlgorithm'] === 'string')
      changed['ChecksumAlgorithm'] = 'SHA256';
    // The client replaces customer keys by their base64 and adds their digests.
    for (const member of Object.keys(changed)) if (member.includes('SSECustomerKey')) delete changed[member];
    // The client computes the length itself.
    delete changed['ContentLength'];
  }
  // The query form has one name for two members (models/patches/sqs.json).
  if (service.name === 'sqs' && protocol === 'awsQuery') delete changed['MessageSystemAttributeNames'];
  // Operations for buckets on Outposts are told from S3's own by the outpost.
  if (service.name === 's3-control' && (name === 'CreateBucket' || name === 'ListRegionalBuckets'))
    changed['OutpostId'] = 'op-123';
  return changed;
}

/** Makes a sample one that HTTP lets through, and that the client takes for an answer. */
export function possibleOutput(operation: OperationModel, output: Shape): Shape {
  const changed = { ...output };
  const { members } = operation.output;
  const length = members.find(({ traits }) => traits.header?.toLowerCase() === 'content-length');
  const payload = members.find(({ traits }) => traits.payload === 1);
  if (length !== undefined) {
    const body = payload === undefined ? undefined : output[payload.name];
    if (operation.http?.method === 'HEAD') changed[length.name] = 1234;
    else changed[length.name] = body instanceof Uint8Array ? body.length : 0;
  }
  // An empty answer to these is taken for a broken connection.
  if (operation.name === 'CopyObject') changed['CopyObjectResult'] ??= { ETag: 'x' };
  if (operation.name === 'UploadPartCopy') changed['CopyPartResult'] ??= { ETag: 'x' };
  return changed;
}

/** True for members that a client adds to what its caller gave. */
export function isAddedByClient(service: string, name: string): boolean {
  // A signed URL for the region to copy from.
  if (service === 'ec2') return name === 'PresignedUrl' || name === 'DestinationRegion';
  if (service === 'glacier') return name === 'checksum';
  return (
    (service === 's3' || service === 's3-control') &&
    (/^Checksum/.test(name) || ['ContentLength', 'ContentMD5', 'ContentType', 'ContentEncoding', 'Body'].includes(name))
  );
}

/** What must come out of the request for this input. */
export function expectedInput(operation: OperationModel, input: Shape): Shape {
  const { service, name, input: schema } = operation;
  // The client names the type of a body for which the caller names none.
  if (service.name === 'sagemaker-runtime' && name === 'InvokeEndpoint')
    return { ContentType: 'application/octet-stream', ...input };
  if (service.name === 'api-gateway' && name === 'GetExport') return { accepts: 'application/json', ...input };
  if (service.name === 'glacier' && name.startsWith('Upload')) return { body: new Uint8Array(), ...input };
  // Where a structure should be the JSON body and there is none, it sends an empty one.
  const payload = schema.members.find(({ traits }) => traits.payload === 1);
  if (payload?.schema.type !== 'structure' || !service.protocols.includes('restJson1')) return input;
  return { [payload.name]: {}, ...input };
}

/** What the caller of the client must see of this output. */
export function expectedOutput(operation: OperationModel, output: Shape): Shape {
  const expected = { ...output };
  for (const { name, schema, traits } of operation.output.members) {
    // Headers that are not there are a map with nothing in it.
    if (traits.prefixHeaders !== undefined) expected[name] ??= {};
    if (traits.payload !== 1 || expected[name] !== undefined) continue;
    // A stream is always there, if empty; other payloads that are absent come out as null in restJson.
    if (schema.type === 'blob' && schema.streaming === true) expected[name] = new Uint8Array();
    else if (operation.service.protocols.includes('restJson1')) expected[name] = null;
  }
  // The client adds the text of this one header.
  if (expected['Expires'] instanceof Date && operation.service.name === 's3')
    expected['ExpiresString'] = expected['Expires'].toUTCString();
  return expected;
}

/** Name under which the client throws an error. CloudWatch has two with one code in the query protocol, by which its client tells errors. */
export function expectedErrorName(service: string, name: string): string {
  return service === 'cloudwatch' && name === 'DashboardNotFoundError' ? 'ResourceNotFound' : name;
}

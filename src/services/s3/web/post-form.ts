/** HTML forms that upload a file: POST Object, with its policy document ("POST Object", "Creating a POST policy"). */
import { escapeXmlText } from '../../../base/xml.ts';
import type { Identity } from '../../../kernel/caller.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { accessDenied, entityTooLarge, invalidArgument, noSuchBucket, s3Error } from '../errors.ts';
import { Buckets } from '../state.ts';
import { bucketAndKey } from './address.ts';

interface Form {
  /** Fields before the file, by name in lower case. */
  fields: ReadonlyMap<string, string>;
  file: Uint8Array;
  fileName: string;
}

async function readForm(web: WebRequest): Promise<Form> {
  const { headers, body } = web.request;
  let data: FormData;
  try {
    const whole = new Response(Buffer.from(body), { headers: { 'content-type': headers['content-type'] ?? '' } });
    data = (await whole.formData()) as FormData;
  } catch {
    throw s3Error('MalformedPOSTRequest', 'The body of your POST request is not well-formed multipart/form-data.', 400);
  }
  const fields = new Map<string, string>();
  for (const [name, value] of data) {
    // "The file or content must be the last field in the form. Any fields below it are ignored."
    if (name.toLowerCase() === 'file') {
      const file = typeof value === 'string' ? Buffer.from(value) : new Uint8Array(await value.arrayBuffer());
      return { fields, file, fileName: typeof value === 'string' ? '' : value.name };
    }
    if (typeof value === 'string') fields.set(name.toLowerCase(), value);
  }
  throw invalidArgument('POST requires exactly one file upload per request.', 'file', '0');
}

interface Policy {
  expiration: string;
  conditions: readonly unknown[];
}

/** The policy document of a form. Throws AccessDenied, InvalidPolicyDocument. */
function readPolicy(text: string): Policy {
  try {
    const policy = JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as Policy;
    if (typeof policy.expiration !== 'string' || !Array.isArray(policy.conditions)) throw new TypeError('no policy');
    return policy;
  } catch {
    throw s3Error('InvalidPolicyDocument', 'Invalid Policy: Invalid JSON.', 400);
  }
}

/** Fields that need no condition ("Each form field … must appear in the list of conditions", with these exceptions). */
const free = /^(x-amz-signature|file|policy|x-ignore-.*|awsaccesskeyid|signature)$/;

function checkPolicy(policy: Policy, form: Form, bucket: string, now: number): void {
  const expires = Date.parse(policy.expiration);
  if (Number.isNaN(expires))
    throw s3Error('InvalidPolicyDocument', "Invalid Policy: Invalid 'expiration' value: " + `'${policy.expiration}'`, 400);
  if (expires <= now) throw accessDenied('Invalid according to Policy: Policy expired.');
  const named = new Set<string>(['bucket']);
  for (const condition of policy.conditions) for (const name of checkCondition(condition, form, bucket)) named.add(name);
  for (const name of form.fields.keys()) {
    if (!named.has(name) && !free.test(name)) throw accessDenied(`Invalid according to Policy: Extra input fields: ${name}`);
  }
}

/** Checks one condition; returns the fields that it names. Throws AccessDenied, EntityTooLarge, EntityTooSmall. */
function checkCondition(condition: unknown, form: Form, bucket: string): string[] {
  const fieldOf = (name: string): string => (name === 'bucket' ? bucket : (form.fields.get(name) ?? ''));
  const failed = (): Error => accessDenied(`Invalid according to Policy: Policy Condition failed: ${JSON.stringify(condition)}`);
  if (!Array.isArray(condition)) {
    if (typeof condition !== 'object' || condition === null)
      throw s3Error('InvalidPolicyDocument', 'Invalid Policy: Invalid Simple-Condition.', 400);
    for (const [name, value] of Object.entries(condition))
      if (fieldOf(name.toLowerCase()) !== value)
        throw accessDenied(`Invalid according to Policy: Policy Condition failed: ["eq", "$${name}", "${String(value)}"]`);
    return Object.keys(condition).map((name) => name.toLowerCase());
  }
  const [operator, first, second] = condition as [unknown, unknown, unknown];
  if (operator === 'content-length-range') {
    const bytes = form.file.byteLength;
    if (bytes > Number(second)) throw entityTooLarge(bytes, Number(second));
    if (bytes < Number(first)) {
      const members = { ProposedSize: String(bytes), MinSizeAllowed: String(first) };
      throw s3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', 400, members);
    }
    return [];
  }
  const name = String(first).replace(/^\$/, '').toLowerCase();
  const value = fieldOf(name);
  const wanted = String(second);
  const lists = name === 'content-type' && operator === 'starts-with';
  const holds =
    operator === 'eq'
      ? value === wanted
      : operator === 'starts-with' && (lists ? value.split(',') : [value]).every((one) => one.startsWith(wanted));
  if (!holds) throw failed();
  return [name];
}

/** Members of PutObject by the form's field. */
const members: Readonly<Record<string, string>> = {
  acl: 'ACL',
  'cache-control': 'CacheControl',
  'content-type': 'ContentType',
  'content-disposition': 'ContentDisposition',
  'content-encoding': 'ContentEncoding',
  expires: 'Expires',
  'x-amz-storage-class': 'StorageClass',
  'x-amz-website-redirect-location': 'WebsiteRedirectLocation',
  'x-amz-server-side-encryption': 'ServerSideEncryption',
  'x-amz-server-side-encryption-aws-kms-key-id': 'SSEKMSKeyId',
  'x-amz-checksum-crc32': 'ChecksumCRC32',
  'x-amz-checksum-crc32c': 'ChecksumCRC32C',
  'x-amz-checksum-crc64nvme': 'ChecksumCRC64NVME',
  'x-amz-checksum-sha1': 'ChecksumSHA1',
  'x-amz-checksum-sha256': 'ChecksumSHA256',
};

function inputOf(bucket: string, key: string, { fields, file }: Form): Record<string, unknown> {
  const input: Record<string, unknown> = { Bucket: bucket, Key: key, Body: file };
  const metadata: Record<string, string> = {};
  for (const [name, value] of fields) {
    const member = members[name];
    if (member !== undefined) input[member] = value;
    else if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = value;
  }
  return { ...input, Metadata: metadata };
}

/** A form signed by Version 2, as boto3 makes it: fields AWSAccessKeyId and Signature beside the policy. */
async function legacySenderOf(web: WebRequest, form: Form, bucket: string, credential: string): Promise<Identity> {
  const text = form.fields.get('policy') ?? '';
  const signature = form.fields.get('signature');
  if (signature === undefined) {
    const message =
      "Bucket POST must contain a field named 'Signature'.  If it is specified, please check the order of the fields.";
    throw invalidArgument(message, 'Signature', '');
  }
  const sessionToken = form.fields.get('x-amz-security-token');
  const identity = await web.prove({ credential, text, signature, sessionToken });
  checkPolicy(readPolicy(text), form, bucket, web.ctx.now);
  return identity;
}

async function senderOf(web: WebRequest, form: Form, bucket: string): Promise<Identity | undefined> {
  const { fields } = form;
  const policy = fields.get('policy');
  if (policy === undefined) return undefined;
  const legacyKey = fields.get('awsaccesskeyid');
  if (legacyKey !== undefined && fields.get('x-amz-algorithm') === undefined) return legacySenderOf(web, form, bucket, legacyKey);
  for (const name of ['x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature']) {
    if (fields.get(name) === undefined)
      throw invalidArgument(
        `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
        name,
        '',
      );
  }
  if (fields.get('x-amz-algorithm') !== 'AWS4-HMAC-SHA256') {
    throw invalidArgument(
      'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"',
      'x-amz-algorithm',
      fields.get('x-amz-algorithm'),
    );
  }
  const identity = await web.prove({
    credential: fields.get('x-amz-credential') ?? '',
    text: policy,
    signature: fields.get('x-amz-signature') ?? '',
    sessionToken: fields.get('x-amz-security-token'),
  });
  checkPolicy(readPolicy(policy), form, bucket, web.ctx.now);
  return identity;
}

/** Stores the form's file. Answers as the form asks: 204, 200, 201 with a document, or a redirect. */
export async function answerForm(web: WebRequest): Promise<WireResponse> {
  const { bucket } = bucketAndKey(web.request);
  const row = await web.ctx.table(Buckets).get(bucket);
  if (row === undefined) throw noSuchBucket(bucket);
  const form = await readForm(web);
  const asked = form.fields.get('key');
  if (asked === undefined || asked === '') {
    throw invalidArgument(
      "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      'key',
      '',
    );
  }
  const key = asked.replaceAll('${filename}', form.fileName);
  const identity = await senderOf(web, form, bucket);
  const as = { region: row.region, ...(identity === undefined ? {} : { identity }) };
  const written = await web.invoke('PutObject', inputOf(bucket, key, form), as);
  const etag = String(written['ETag']);
  const location = `http://${bucket}.s3.amazonaws.com/${encodeURIComponent(key)}`;
  const headers: Record<string, string> = { etag, location, 'x-amz-request-id': web.requestId };
  if (typeof written['VersionId'] === 'string') headers['x-amz-version-id'] = written['VersionId'];
  const redirect = form.fields.get('success_action_redirect') ?? form.fields.get('redirect');
  if (redirect !== undefined && URL.canParse(redirect)) {
    const url = new URL(redirect);
    for (const [name, value] of [
      ['bucket', bucket],
      ['key', key],
      ['etag', etag],
    ] as const)
      url.searchParams.append(name, value);
    return { status: 303, headers: { ...headers, location: url.href }, body: '' };
  }
  const status = form.fields.get('success_action_status');
  if (status === '200') return { status: 200, headers, body: '' };
  if (status !== '201') return { status: 204, headers, body: '' };
  const elements = { Location: location, Bucket: bucket, Key: key, ETag: etag };
  const inside = Object.entries(elements).map(([name, value]) => `<${name}>${escapeXmlText(value)}</${name}>`);
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>${inside.join('')}</PostResponse>`;
  return { status: 201, headers: { ...headers, 'content-type': 'application/xml' }, body };
}

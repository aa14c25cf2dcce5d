/**
 * The form of ARNs in identity policies, in IAM's wording. The messages complete a short ARN with wildcards, as IAM does.
 * Source: answers of the real service to CreatePolicy, as quoted in public issue trackers.
 */

/** Partitions of the real cloud; `*` stands for all. */
const partitions = new Set(['aws', 'aws-cn', 'aws-us-gov', 'aws-iso', 'aws-iso-b', 'aws-iso-e', 'aws-iso-f', 'aws-eusc', '*']);

/** Kinds of IAM resources, as IAM's message lists them. */
const iamPaths = [
  'user/',
  'federated-user/',
  'role/',
  'group/',
  'instance-profile/',
  'mfa/',
  'server-certificate/',
  'policy/',
  'sms-mfa/',
  'saml-provider/',
  'oidc-provider/',
  'report/',
  'access-report/',
];

/** S3 resources whose ARNs do have a Region; buckets and objects have none. */
const regionalS3 = ['accesspoint', 'access-grants', 'job/', 'storage-lens', 'async-request', 'outpost'];

/** Whether the older parser behind IAM cannot read it: an ARN without a service, or with an empty field and too few fields. */
export function isLegacyFault(resource: string): boolean {
  if (!resource.startsWith('arn:')) return false;
  const fields = resource.split(':');
  return fields[2] === '' || (fields.length < 6 && resource.includes('::'));
}

function startsLike(id: string, prefixes: readonly string[]): boolean {
  const wildcard = id.search(/[*?$]/);
  return prefixes.some((prefix) => id.startsWith(prefix) || (wildcard !== -1 && prefix.startsWith(id.slice(0, wildcard))));
}

/** What IAM says of a resource, or undefined when it has nothing to say. */
export function identityResourceFault(resource: string): string | undefined {
  if (resource === '*') return undefined;
  const fields = resource.split(':');
  const [, partition, vendor, region] = fields;
  if (partition === undefined) return `Resource ${resource} must be in ARN format or "*".`;
  if (fields[0] !== 'arn' || !partitions.has(partition)) {
    const [service, zone, account] = [2, 3, 4].map((index) => fields[index] ?? '*');
    const rest = fields.length > 5 ? fields.slice(5).join(':') : '*';
    return `Partition "${partition}" is not valid for resource "arn:${partition}:${service}:${zone}:${account}:${rest}".`;
  }
  if (vendor === undefined || /[*?]/.test(vendor)) return 'Resource vendor must be fully qualified and cannot contain regexes.';
  const id = fields.slice(5).join(':');
  const hasRegion = region !== undefined && region !== '' && region !== '*';
  if (vendor === 'iam' && hasRegion) return `IAM resource ${resource} cannot contain region information.`;
  if (vendor === 's3' && hasRegion && !startsLike(id, regionalS3))
    return `Resource ${resource} can not contain region information.`;
  if (vendor === 'iam' && fields.length >= 6 && id !== '*' && !startsLike(id, iamPaths)) {
    return `IAM resource path must either be "*" or start with ${iamPaths.join(', ')}.`;
  }
  return undefined;
}

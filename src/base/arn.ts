/**
 * Amazon Resource Names: the only place that takes them apart or puts them together. Source: IAM User Guide, "Identify AWS resources with ARNs".
 * The form is `arn:partition:service:region:account:resource`; the resource may hold more colons and slashes, and each service has its own use
 * for them, so this file leaves the resource whole.
 */
export interface Arn {
  partition: string;
  service: string;
  /** Empty for global resources. */
  region: string;
  /** Twelve digits; `aws` for what AWS manages; empty where the service leaves it out (S3 buckets). */
  account: string;
  resource: string;
}

/** Longest ARN that is read, in characters (IAM "arnType": 2048). */
const arnCharsMax = 2048;

/** The parts of an ARN, or undefined when `text` is none: strict about everything but the resource, which must only not be empty. */
export function parseArn(text: string): Arn | undefined {
  if (text.length > arnCharsMax) return undefined;
  const match = /^arn:(aws|aws-cn|aws-us-gov|aws-iso(?:-[a-z])?|aws-eusc):([a-z0-9-]+):([a-z0-9-]*):(\d{12}|aws|):(.+)$/s.exec(
    text,
  );
  if (match === null) return undefined;
  const [partition, service, region, account, resource] = match.slice(1) as [string, string, string, string, string];
  return { partition, service, region, account, resource };
}

/** The inverse of parseArn. The partition is `aws` unless it is given, region and account are empty. Throws TypeError for parts that make no ARN. */
export function formatArn(arn: Partial<Arn> & Pick<Arn, 'service' | 'resource'>): string {
  const text = `arn:${arn.partition ?? 'aws'}:${arn.service}:${arn.region ?? ''}:${arn.account ?? ''}:${arn.resource}`;
  const parsed = parseArn(text);
  // A colon in a part would move everything after it: what is read back must be what was asked for.
  if (parsed === undefined || parsed.resource !== arn.resource || parsed.service !== arn.service) {
    throw new TypeError(`These parts make no ARN: ${text}`);
  }
  return text;
}

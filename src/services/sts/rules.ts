/**
 * STS's limits and the checks of its request validator, which unlike IAM's prints the value it refuses: pure. Source: STS API Reference.
 */
import type { Tag } from '@aws-sdk/client-sts';
import { deflateRawSync } from 'node:zlib';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import { malformedPolicyDocument, packedPolicyTooLarge, validationError } from './errors.ts';

/** Seconds a session may last. A role adds its own maximum. */
export const durations = {
  role: { min: 900, max: 43_200, default: 3600 },
  /** Roles assumed by the credentials of another role. */
  chainedMax: 3600,
  token: { min: 900, max: 129_600, default: 43_200 },
  /** Sessions of the root user: "if the duration is longer than one hour, the session … defaults to one hour". */
  rootMax: 3600,
} as const;

const tagsMax = 50;
const policyArnsMax = 10;
/** Characters of inline and managed session policies together. */
const plainPolicyMax = 2048;
/** Bytes that packed policies and tags may take. The real service's limit is not published; half of the plain one is what 100 % means here. */
const packedBytesMax = 1024;

/** Collects what is wrong with a request; `done` throws it. Members that are undefined are not checked. */
export class StsCheck {
  readonly #problems: string[] = [];

  length(member: string, value: string | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    if (value.length > max) this.#add(member, value, `Member must have length less than or equal to ${max}`);
    if (value.length < min) this.#add(member, value, `Member must have length greater than or equal to ${min}`);
    return this;
  }

  range(member: string, value: number | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    if (value > max) this.#add(member, String(value), `Member must have value less than or equal to ${max}`);
    if (value < min) this.#add(member, String(value), `Member must have value greater than or equal to ${min}`);
    return this;
  }

  pattern(member: string, value: string | undefined, form: RegExp, shown: string): this {
    if (value !== undefined && !form.test(value))
      this.#add(member, value, `Member must satisfy regular expression pattern: ${shown}`);
    return this;
  }

  /** Names of sessions and federated users, source identities: letters, digits and `+=,.@_-`. */
  name(member: string, value: string | undefined, max: number): this {
    return this.pattern(member, value, /^[\w+=,.@-]*$/, '[\\w+=,.@-]*').length(member, value, 2, max);
  }

  arn(member: string, value: string | undefined): this {
    return this.length(member, value, 20, 2048);
  }

  mfa(serial: string | undefined, code: string | undefined): this {
    return this.pattern('serialNumber', serial, /^[\w+=/:,.@-]*$/, '[\\w+=/:,.@-]*')
      .length('serialNumber', serial, 9, 256)
      .pattern('tokenCode', code, /^\d*$/, '[\\d]*')
      .length('tokenCode', code, 6, 6);
  }

  tags(tags: readonly Tag[] | undefined): this {
    if ((tags?.length ?? 0) > tagsMax) this.#add('tags', '[]', `Member must have length less than or equal to ${tagsMax}`);
    for (const [index, { Key, Value }] of (tags ?? []).entries()) {
      const form = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
      const shown = '[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]';
      const member = `tags.${index + 1}.member`;
      this.length(`${member}.key`, Key, 1, 128).pattern(`${member}.key`, Key, form, `${shown}+`);
      this.length(`${member}.value`, Value, 0, 256).pattern(`${member}.value`, Value, form, `${shown}*`);
    }
    return this;
  }

  /** Throws ValidationError with everything that was found. */
  done(): void {
    const { length } = this.#problems;
    if (length === 0) return;
    throw validationError(`${length} validation error${length > 1 ? 's' : ''} detected: ${this.#problems.join('; ')}`);
  }

  #add(member: string, value: string, constraint: string): void {
    this.#problems.push(`Value '${value}' at '${member}' failed to satisfy constraint: ${constraint}`);
  }
}

/** Session tags as a map. Throws ValidationError for keys that come twice without regard to case, or that AWS keeps for itself. */
export function readSessionTags(tags: readonly Tag[] | undefined): Record<string, string> {
  const seen = new Set<string>();
  for (const { Key = '' } of tags ?? []) {
    if (seen.has(Key.toLowerCase()))
      throw validationError('Duplicate tag keys found. Please note that Tag keys are case insensitive.');
    if (/^aws:/i.test(Key)) throw validationError('aws: prefixed tag key names are not allowed for external use.');
    seen.add(Key.toLowerCase());
  }
  return Object.fromEntries((tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

/** What narrows a session. */
export interface SessionPolicyInput {
  Policy?: string | undefined;
  PolicyArns?: readonly { arn?: string | undefined }[] | undefined;
}

/** ARNs of managed session policies. Throws ValidationError for more than ten, or what is none. */
export function readPolicyArns({ PolicyArns = [] }: SessionPolicyInput): string[] {
  const arns = PolicyArns.map(({ arn = '' }) => arn);
  if (arns.length > policyArnsMax) {
    throw validationError(
      `1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to ${policyArnsMax}`,
    );
  }
  for (const arn of arns)
    if (!/^arn:aws:iam::(\d{12}|aws):policy\/.+$/.test(arn)) throw validationError(`ARN ${arn} is not valid.`);
  return arns;
}

/** Checks an inline session policy. Throws MalformedPolicyDocument. */
export function checkSessionPolicy(policy: string | undefined): void {
  if (policy === undefined) return;
  const result = validatePolicy(policy, 'session');
  if (!result.ok) throw malformedPolicyDocument(result.message);
}

/**
 * Percent of a session's room that policies and tags take once packed; undefined when there are none. Throws PackedPolicyTooLarge, also when the
 * plain policies have more than 2048 characters.
 */
export function packedSize(policies: readonly string[], tags: Readonly<Record<string, string>>): number | undefined {
  if (policies.length === 0 && Object.keys(tags).length === 0) return undefined;
  const packed = deflateRawSync(JSON.stringify([policies, tags])).byteLength;
  const plain = policies.reduce((sum, policy) => sum + policy.length, 0);
  const percent = Math.ceil((packed / packedBytesMax) * 100);
  if (percent > 100) throw packedPolicyTooLarge(percent);
  if (plain > plainPolicyMax) throw packedPolicyTooLarge(Math.ceil((plain / plainPolicyMax) * 100));
  return percent;
}

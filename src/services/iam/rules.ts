/**
 * IAM's limits, and the checks of AWS's generic request validator: pure. Sources: IAM User Guide, "IAM and AWS STS quotas"; the constraints of the
 * IAM API Reference. The validator names members by their path, does not repeat values, and reports all problems in one answer:
 * `2 validation errors detected: Value at 'maxPasswordAge' failed to satisfy constraint: …; Value at …`. Names and paths of a wrong
 * pattern are refused in words of IAM's own, once the generic checks have passed.
 */
import { validationError } from './errors.ts';

/** Quotas by the names that error messages give them. */
export const quotas = {
  UsersPerAccount: 5000,
  GroupsPerAccount: 300,
  RolesPerAccount: 1000,
  InstanceProfilesPerAccount: 1000,
  PoliciesPerAccount: 1500,
  PolicyVersionsInUse: 10_000,
  VersionsPerPolicy: 5,
  ServerCertificatesPerAccount: 20,
  GroupsPerUser: 10,
  AccessKeysPerUser: 2,
  CertificatesPerUser: 2,
  SSHPublicKeysPerUser: 5,
  ServiceSpecificCredentialsPerUser: 2,
  MFADevicesPerUser: 8,
  PoliciesPerUser: 10,
  PoliciesPerGroup: 10,
  PoliciesPerRole: 10,
  TagsPerEntity: 50,
} as const;

/** Lengths in characters; policy sizes count without white space. */
export const sizes = {
  userName: 64,
  /** Names of users, where an existing one is meant. */
  existingUserName: 128,
  groupName: 128,
  roleName: 64,
  instanceProfileName: 128,
  policyName: 128,
  serverCertificateName: 128,
  path: 512,
  policyDocument: 131_072,
  managedPolicy: 6144,
  trustPolicy: 2048,
  userInline: 2048,
  groupInline: 5120,
  roleInline: 10_240,
  tagKey: 128,
  tagValue: 256,
} as const;

const nameForm = /^[\w+=,.@-]+$/;
const pathForm = /^\/$|^\/[!-~]+\/$/;
const policyPathForm = /^((\/[A-Za-z0-9.,+@=_-]+)*)\/$/;
const markerForm = /^[\u0020-\u00ff]+$/;
/** Longer than the 320 characters that the API reference names: our markers hold a key, and keys hold paths. */
const markerCharsMax = 4096;
/** Most entries of a page. */
const pageItemsMax = 1000;

/** Collects what is wrong with a request; `done` throws it. Members that are undefined are not checked: required ones are the wire layer's. */
export class RequestCheck {
  readonly #problems: string[] = [];
  #ownWords: string | undefined;

  length(member: string, value: string | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    const length = [...value].length;
    if (length > max) this.#add(member, `Member must have length less than or equal to ${max}`);
    if (length < min) this.#add(member, `Member must have length greater than or equal to ${min}`);
    return this;
  }

  range(member: string, value: number | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    if (value > max) this.#add(member, `Member must have value less than or equal to ${max}`);
    if (value < min) this.#add(member, `Member must have value greater than or equal to ${min}`);
    return this;
  }

  /** `shown` is the pattern as the message prints it. */
  pattern(member: string, value: string | undefined, form: RegExp, shown: string): this {
    if (value !== undefined && !form.test(value)) this.#add(member, `Member must satisfy regular expression pattern: ${shown}`);
    return this;
  }

  oneOf(member: string, value: string | undefined, allowed: readonly string[]): this {
    if (value !== undefined && !allowed.includes(value))
      this.#add(member, `Member must satisfy enum value set: [${allowed.join(', ')}]`);
    return this;
  }

  /** A problem that no other check words. */
  constraint(member: string, constraint: string): this {
    this.#add(member, constraint);
    return this;
  }

  /** The name of an entity: letters, digits and `+=,.@_-`. */
  name(member: string, value: string | undefined, max: number): this {
    if (value !== undefined && value !== '' && !nameForm.test(value)) {
      this.#ownWords ??= `The specified value for ${member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-`;
    }
    return this.length(member, value, 1, max);
  }

  /** An entity's path. */
  path(member: string, value: string | undefined): this {
    if (value !== undefined && value !== '' && !pathForm.test(value)) this.#ownWords ??= pathWords(member);
    return this.length(member, value, 1, sizes.path);
  }

  /** A managed policy's path: fewer characters are allowed than elsewhere. */
  policyPath(member: string, value: string | undefined): this {
    if (value !== undefined && value !== '' && !policyPathForm.test(value)) this.#ownWords ??= pathWords(member);
    return this.length(member, value, 1, sizes.path);
  }

  /** The prefix by which lists are narrowed: begins with a slash, may end anywhere. */
  pathPrefix(value: string | undefined): this {
    if (value !== undefined && value !== '' && !/^\/[!-\x7f]*$/.test(value)) {
      this.#ownWords ??=
        'The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters and/or / characters.';
    }
    return this.length('pathPrefix', value, 1, sizes.path);
  }

  paging(input: { Marker?: string | undefined; MaxItems?: number | undefined }): this {
    this.length('marker', input.Marker, 1, markerCharsMax).range('maxItems', input.MaxItems, 1, pageItemsMax);
    if (input.Marker !== undefined && input.Marker !== '') this.pattern('marker', input.Marker, markerForm, '[\\u0020-\\u00FF]+');
    return this;
  }

  /** Throws ValidationError with everything that was found. */
  done(): void {
    const { length } = this.#problems;
    if (length > 0)
      throw validationError(`${length} validation error${length > 1 ? 's' : ''} detected: ${this.#problems.join('; ')}`);
    if (this.#ownWords !== undefined) throw validationError(this.#ownWords);
  }

  #add(member: string, constraint: string): void {
    this.#problems.push(`Value at '${member}' failed to satisfy constraint: ${constraint}`);
  }
}

function pathWords(member: string): string {
  return `The specified value for ${member} is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.`;
}

/** Size of a policy as quotas count it: "IAM does not count white space when calculating the size of a policy". */
export function policySize(document: string): number {
  return document.replace(/\s/g, '').length;
}

/** Rules of names, tiers, labels and policies of parameters: pure. Sources: Systems Manager User Guide, "Parameter Store"; PutParameter. */
import type { Tag } from '@aws-sdk/client-ssm';
import { AwsError } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import { reservedName, validation } from './errors.ts';
import type { PolicyRow, TagMap, Tier, VersionRow } from './state.ts';

export const limits = {
  nameCharsMax: 1011,
  levelsMax: 15,
  standardCharsMax: 4096,
  advancedCharsMax: 8192,
  standardMax: 10_000,
  advancedMax: 100_000,
  versionsMax: 100,
  labelsMax: 10,
  policiesMax: 10,
  tagsMax: 50,
} as const;

const day = 86_400_000;
const hour = 3_600_000;
const subPaths =
  'If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_';

/** Names that a customer may give. Throws ValidationException, AccessDeniedException, HierarchyLevelLimitExceededException. */
export function checkName(name: string): void {
  new RequestCheck().length('name', name, 1, limits.nameCharsMax).done();
  if (/^\/aws(\/|$)/i.test(name)) throw reservedName(name);
  if (/^aws/i.test(name) || /^\/aws/i.test(name))
    throw validation(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive). ${subPaths}`);
  if (/^\/?ssm/i.test(name)) throw validation(`Parameter name: can't be prefixed with "ssm" (case-insensitive). ${subPaths}`);
  if (name.includes('/') && !name.startsWith('/')) throw validation('Parameter name must be a fully qualified name.');
  if (!/^\/?[a-zA-Z0-9_.-]+(\/[a-zA-Z0-9_.-]+)*$/.test(name))
    throw validation(`Parameter name: can't be prefixed with "ssm" (case-insensitive). ${subPaths}`);
  if (name.split('/').length - 1 > limits.levelsMax)
    throw new AwsError(
      'HierarchyLevelLimitExceededException',
      `A hierarchy can have a maximum of ${limits.levelsMax} levels. For more information, see Requirements and constraints for parameter names in the Amazon Web Services Systems Manager User Guide.`,
    );
}

/** A name with what may follow it: `name:3`, `name:label`. ARNs keep their colons. */
export function splitSelector(text: string): { name: string; selector: string | undefined } {
  const start = text.startsWith('arn:') ? text.indexOf(':parameter/') + ':parameter/'.length : 0;
  const at = text.indexOf(':', start);
  if (at < 0) return { name: text, selector: undefined };
  return { name: text.slice(0, at), selector: text.slice(at + 1) };
}

/** The tier that a request gets. `old` is that of the version before. Throws ValidationException for a downgrade. */
export function tierFor(wanted: string | undefined, value: string, hasPolicies: boolean, old: Tier | undefined): Tier {
  const needsAdvanced = hasPolicies || [...value].length > limits.standardCharsMax;
  if (wanted === 'Intelligent-Tiering') return needsAdvanced || old === 'Advanced' ? 'Advanced' : 'Standard';
  if (wanted === 'Standard' && old === 'Advanced')
    throw validation(
      "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.",
    );
  return wanted === 'Advanced' || old === 'Advanced' ? 'Advanced' : 'Standard';
}

/** Refuses values longer than their tier allows, and policies on standard parameters. Throws ValidationException. */
export function checkTier(tier: Tier, value: string, hasPolicies: boolean): void {
  const length = [...value].length;
  if (tier === 'Standard' && length > limits.standardCharsMax)
    throw validation(
      `Standard tier parameters support a maximum parameter value of ${limits.standardCharsMax} characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html`,
    );
  if (length > limits.advancedCharsMax)
    throw validation(`Advanced tier parameters support a maximum parameter value of ${limits.advancedCharsMax} characters.`);
  if (tier === 'Standard' && hasPolicies)
    throw validation('Parameter policies are supported for parameters in the advanced-parameter tier only.');
}

/** Throws InvalidAllowedPatternException, ParameterPatternMismatchException. */
export function checkPattern(pattern: string | undefined, value: string): void {
  if (pattern === undefined || pattern === '') return;
  let form: RegExp;
  try {
    form = new RegExp(pattern);
  } catch {
    throw new AwsError('InvalidAllowedPatternException', `The allowed pattern is not a valid regular expression: ${pattern}`);
  }
  if (!form.test(value))
    throw new AwsError(
      'ParameterPatternMismatchException',
      `Parameter value, cannot be validated against allowedPattern: ${pattern}`,
    );
}

/** Whether a label may be given: "can't begin with a number, aws or ssm". */
export function isLabel(label: string): boolean {
  return /^[a-zA-Z_.-][a-zA-Z0-9_.-]{0,99}$/.test(label) && !/^(aws|ssm)/i.test(label);
}

/** Tags of a request, on top of those that were there. Throws ValidationException, TooManyTagsError. */
export function readTags(tags: readonly Tag[] | undefined, old: TagMap = {}): TagMap {
  const check = new RequestCheck();
  for (const [index, { Key, Value }] of (tags ?? []).entries())
    check.length(`tags.${index + 1}.member.key`, Key, 1, 128).length(`tags.${index + 1}.member.value`, Value, 0, 256);
  check.done();
  const all: Record<string, string> = { ...old };
  for (const { Key = '', Value = '' } of tags ?? []) {
    if (/^aws:/i.test(Key)) throw validation('Tag keys that start with aws: are reserved.');
    all[Key] = Value;
  }
  if (Object.keys(all).length > limits.tagsMax)
    throw new AwsError('TooManyTagsError', `A parameter can have at most ${limits.tagsMax} tags.`);
  return all;
}

function invalidPolicy(message: string): AwsError {
  return new AwsError('InvalidPolicyAttributeException', message);
}

function spanOf(attributes: Readonly<Record<string, string>>, member: 'Before' | 'After'): number {
  const amount = Number(attributes[member]);
  const unit = { Days: day, Hours: hour }[attributes['Unit'] ?? ''];
  if (!Number.isInteger(amount) || amount < 1 || unit === undefined)
    throw invalidPolicy(`A policy attribute or its value is invalid: ${member}, Unit.`);
  return amount * unit;
}

interface PolicyInput {
  Type?: string;
  Version?: string;
  Attributes?: Readonly<Record<string, string>>;
}

/**
 * Policies of a request, with when each falls due. An empty list (`[{}]`) takes all away. Throws InvalidPolicyTypeException,
 * InvalidPolicyAttributeException, IncompatiblePolicyException, PoliciesLimitExceededException. Source: "Assigning parameter policies".
 */
export function readPolicies(text: string | undefined, now: number): PolicyRow[] {
  if (text === undefined || text === '') return [];
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw invalidPolicy('The policies are not valid JSON.');
  }
  const list = (Array.isArray(given) ? given : [given]).filter((policy) => Object.keys(policy ?? {}).length > 0) as PolicyInput[];
  if (list.length > limits.policiesMax)
    throw new AwsError('PoliciesLimitExceededException', `A parameter can have at most ${limits.policiesMax} policies.`);
  const expiry = list.find(({ Type }) => Type === 'Expiration');
  const expires = expiry === undefined ? undefined : Date.parse(expiry.Attributes?.['Timestamp'] ?? '');
  if (expires !== undefined && !(expires > now)) throw invalidPolicy('The expiration Timestamp must be a time in the future.');
  if (list.filter(({ Type }) => Type === 'Expiration').length > 1)
    throw new AwsError('IncompatiblePolicyException', 'A parameter can have one Expiration policy only.');
  return list.map((policy) => ({ ...dueOf(policy, now, expires), text: JSON.stringify(policy), status: 'Pending' }));
}

function dueOf({ Type: type, Attributes: attributes = {} }: PolicyInput, now: number, expires: number | undefined) {
  switch (type) {
    case 'Expiration':
      return { type, due: expires ?? now } as const;
    case 'ExpirationNotification':
      if (expires === undefined)
        throw new AwsError('IncompatiblePolicyException', 'An ExpirationNotification policy needs an Expiration policy.');
      return { type, due: expires - spanOf(attributes, 'Before') } as const;
    case 'NoChangeNotification':
      return { type, due: now + spanOf(attributes, 'After') } as const;
    default:
      throw new AwsError('InvalidPolicyTypeException', `The policy type isn't supported: ${type}.`);
  }
}

/** The version before must go to make room; one with labels cannot. Throws ParameterMaxVersionLimitExceeded. */
export function checkRoom(name: string, oldest: VersionRow | undefined): void {
  if (oldest === undefined || oldest.labels.length === 0) return;
  throw new AwsError(
    'ParameterMaxVersionLimitExceeded',
    `You attempted to create a new version of ${name} by calling the PutParameter API with the overwrite flag. Version ${oldest.version}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.`,
  );
}

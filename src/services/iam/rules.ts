/** IAM's defaults, limits and checks beyond the model: pure. Source: IAM User Guide, "IAM and AWS STS quotas". */
import { validationError } from './errors.ts';

export const limits = {
  accessKeysPerUser: 2,
  groupsPerUser: 10,
} as const;

export type Tags = readonly { Key?: string | undefined; Value?: string | undefined }[];

const nameForm = /^[\w+=,.@-]+$/;
const pathForm = /^\/$|^\/[!-\x7e]+\/$/;

/** Checks a name against the pattern and length of its member. Throws ValidationError in the generic validator's words. */
export function checkName(name: string | undefined, member: string, lengthMax: number): string {
  const value = name ?? '';
  const problems: string[] = [];
  const complain = (constraint: string) =>
    problems.push(`Value '${value}' at '${member}' failed to satisfy constraint: ${constraint}`);
  if (!nameForm.test(value) && value !== '') complain('Member must satisfy regular expression pattern: [\\w+=,.@-]+');
  if (value === '') complain('Member must have length greater than or equal to 1');
  if (value.length > lengthMax) complain(`Member must have length less than or equal to ${lengthMax}`);
  if (problems.length > 0) {
    throw validationError(
      `${problems.length} validation error${problems.length > 1 ? 's' : ''} detected: ${problems.join('; ')}`,
    );
  }
  return value;
}

/** A path begins and ends with a slash; `/` unless told. Throws ValidationError. */
export function checkPath(path: string | undefined): string {
  const value = path ?? '/';
  if (!pathForm.test(value) || value.length > 512) {
    throw validationError(
      'The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.',
    );
  }
  return value;
}

/** IAM's wire errors, in AWS's wording (IAM API Reference, "Common errors", and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

type Noun = 'user' | 'group' | 'role' | 'policy' | 'instance profile';

const nouns: Record<Noun, string> = {
  user: 'User',
  group: 'Group',
  role: 'Role',
  policy: 'Policy',
  'instance profile': 'Instance Profile',
};

/** The entity named in the request does not exist. */
export function noSuchEntity(message: string): AwsError {
  return new AwsError('NoSuchEntity', message, { status: 404 });
}

/** `The user with name x cannot be found.` */
export function cannotBeFound(noun: Noun, name: string): AwsError {
  return noSuchEntity(`The ${noun} with name ${name} cannot be found.`);
}

/** `User with name x already exists.` */
export function alreadyExists(noun: Noun, name: string): AwsError {
  return new AwsError('EntityAlreadyExists', `${nouns[noun]} with name ${name} already exists.`, { status: 409 });
}

/** A quota of the account or entity is used up: `Cannot exceed quota for AccessKeysPerUser: 2`. */
export function limitExceeded(quota: string, limit: number): AwsError {
  return new AwsError('LimitExceeded', `Cannot exceed quota for ${quota}: ${limit}`, { status: 409 });
}

/** The entity still has parts that must go first. */
export function deleteConflict(message: string): AwsError {
  return new AwsError('DeleteConflict', message, { status: 409 });
}

/** A value breaks a rule of IAM's own beyond the model. */
export function invalidInput(message: string): AwsError {
  return new AwsError('InvalidInput', message);
}

/** A member breaks the model's constraint, in the words of AWS's generic validator. */
export function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

/** A policy document that IAM's grammar refuses. */
export function malformedPolicyDocument(message: string): AwsError {
  return new AwsError('MalformedPolicyDocument', message);
}

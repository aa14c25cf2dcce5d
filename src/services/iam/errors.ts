/** IAM's wire errors, in AWS's wording (IAM API Reference, "Common errors", and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

/** Nouns as AWS writes them after "The" and "with name". */
type Noun =
  | 'user'
  | 'group'
  | 'role'
  | 'user policy'
  | 'group policy'
  | 'role policy'
  | 'account policy'
  | 'Server Certificate'
  | 'Instance Profile';

/** The entity named in the request does not exist. */
export function noSuchEntity(message: string): AwsError {
  return new AwsError('NoSuchEntity', message, { status: 404 });
}

/** `The user with name x cannot be found.` */
export function cannotBeFound(noun: Noun, name: string): AwsError {
  return noSuchEntity(`The ${noun} with name ${name} cannot be found.`);
}

/** `The Access Key with id x cannot be found.` */
export function idCannotBeFound(
  noun: 'Access Key' | 'Public Key' | 'Certificate' | 'Service Specific Credential',
  id: string,
): AwsError {
  return noSuchEntity(`The ${noun} with id ${id} cannot be found.`);
}

/** What is to be made exists. */
export function entityAlreadyExists(message: string): AwsError {
  return new AwsError('EntityAlreadyExists', message, { status: 409 });
}

/** `User with name x already exists.` */
export function alreadyExists(noun: 'User' | 'Group' | 'Role', name: string): AwsError {
  return entityAlreadyExists(`${noun} with name ${name} already exists.`);
}

/** A quota of the account or entity is used up: `Cannot exceed quota for AccessKeysPerUser: 2`. */
export function quotaExceeded(quota: string, limit: number): AwsError {
  return limitExceeded(`Cannot exceed quota for ${quota}: ${limit}`);
}

/** A limit that AWS words in its own way. */
export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceeded', message, { status: 409 });
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

/** `ARN x is not valid.` */
export function invalidArn(arn: string): AwsError {
  return invalidInput(`ARN ${arn} is not valid.`);
}

/** `Policy arn:… was not found.` */
export function policyNotFound(arn: string): AwsError {
  return noSuchEntity(`Policy ${arn} was not found.`);
}

/** A policy that attaching names and that is not there. */
export function policyNotAttachable(arn: string): AwsError {
  return noSuchEntity(`Policy ${arn} does not exist or is not attachable.`);
}

/** The row changed between reading and writing; trying again helps. */
export function temporarilyUnmodifiable(message: string): AwsError {
  return new AwsError('EntityTemporarilyUnmodifiable', message, { status: 409 });
}

/** Refused by the operation itself, not by a policy. */
export function accessDenied(message: string): AwsError {
  return new AwsError('AccessDenied', message, { status: 403 });
}

/** A role that only its service may change. */
export function unmodifiable(role: string): AwsError {
  return new AwsError(
    'UnmodifiableEntity',
    `Cannot perform the operation on the protected role '${role}' - this role is only modifiable by AWS`,
  );
}

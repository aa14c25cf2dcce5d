/** Secrets Manager's wire errors, in AWS's wording (API Reference, "Errors" of each operation, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

export function notFound(message = "Secrets Manager can't find the specified secret."): AwsError {
  return new AwsError('ResourceNotFoundException', message);
}

/** `… secret value for staging label: AWSPREVIOUS` */
export function valueNotFound(what: string): AwsError {
  return notFound(`Secrets Manager can't find the specified secret value for ${what}`);
}

export function alreadyExists(name: string): AwsError {
  return resourceExists(`The operation failed because the secret ${name} already exists.`);
}

export function resourceExists(message: string): AwsError {
  return new AwsError('ResourceExistsException', message);
}

export function invalidRequest(message: string): AwsError {
  return new AwsError('InvalidRequestException', message);
}

export function invalidParameter(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}

export function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

export function markedForDeletion(): AwsError {
  return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceededException', message);
}

export function malformedPolicy(message: string): AwsError {
  return new AwsError('MalformedPolicyDocumentException', message);
}

export function invalidNextToken(): AwsError {
  return new AwsError('InvalidNextTokenException', 'The NextToken value is invalid.');
}

/** A rotation function that Secrets Manager may not call, or that is not there. */
export function cannotInvoke(): AwsError {
  return new AwsError(
    'AccessDeniedException',
    'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.',
  );
}

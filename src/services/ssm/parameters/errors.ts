/** Parameter Store's wire errors, in AWS's wording (Systems Manager API Reference, and what the service answers). */
import { AwsError } from '../../../kernel/errors.ts';

export function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

/** AWS sends no message with it. */
export function notFound(): AwsError {
  return new AwsError('ParameterNotFound', '');
}

export function versionNotFound(name: string, version: string): AwsError {
  return new AwsError(
    'ParameterVersionNotFound',
    `Systems Manager could not find version ${version} of ${name}. Verify the version and try again.`,
  );
}

export function alreadyExists(): AwsError {
  return new AwsError(
    'ParameterAlreadyExists',
    'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
  );
}

export function reservedName(name: string): AwsError {
  return new AwsError('AccessDeniedException', `No access to reserved parameter name: ${name}.`);
}

export function invalidKeyId(message: string): AwsError {
  return new AwsError('InvalidKeyId', message);
}

export function invalidNextToken(): AwsError {
  return new AwsError('InvalidNextToken', 'The specified token is not valid.');
}

export function invalidFilterKey(key: string): AwsError {
  return new AwsError('InvalidFilterKey', `The following filter key is not valid: ${key}.`);
}

export function invalidFilterOption(option: string): AwsError {
  return new AwsError('InvalidFilterOption', `The following filter option is not valid: ${option}.`);
}

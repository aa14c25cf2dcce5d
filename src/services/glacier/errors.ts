/** Glacier's wire errors, in the service's wording ("Error Responses", Glacier Developer Guide, and what it answers). */
import { AwsError } from '../../kernel/errors.ts';

function glacierError(code: string, message: string, status: number): AwsError {
  return new AwsError(code, message, { status, members: { code, type: status >= 500 ? 'Server' : 'Client' } });
}

export function invalidParameter(message: string): AwsError {
  return glacierError('InvalidParameterValueException', message, 400);
}

export function missingParameter(name: string): AwsError {
  return glacierError('MissingParameterValueException', `Required parameter missing: ${name}`, 400);
}

export function notFound(message: string): AwsError {
  return glacierError('ResourceNotFoundException', message, 404);
}

export function vaultNotFound(arn: string): AwsError {
  return notFound(`Vault not found for ARN: ${arn}`);
}

export function limitExceeded(message: string): AwsError {
  return glacierError('LimitExceededException', message, 400);
}

export function policyEnforced(): AwsError {
  return glacierError('PolicyEnforcedException', 'InitiateJob request denied by current data retrieval policy.', 400);
}

export function accessDenied(message: string): AwsError {
  return glacierError('AccessDeniedException', message, 403);
}

export function storageFull(cause: Error): AwsError {
  const code = 'ServiceUnavailableException';
  const message = 'Service is unable to handle request: the disk that holds the bytes of this cloud is full.';
  return new AwsError(code, message, { status: 500, members: { code, type: 'Server' }, cause });
}

/** Resolver's wire errors (API Reference, "Errors" of each operation). */
import { AwsError } from '../../kernel/errors.ts';

export function invalidParameter(message: string, FieldName: string): AwsError {
  return new AwsError('InvalidParameterException', message, { members: { FieldName } });
}

export function invalidRequest(message: string): AwsError {
  return new AwsError('InvalidRequestException', message);
}

export function notFound(type: string, id: string | undefined): AwsError {
  const words = `[RSLVR-00703] ${type} with ID "${id}" does not exist.`;
  return new AwsError('ResourceNotFoundException', words, { members: { ResourceType: type } });
}

export function exists(message: string, ResourceType: string): AwsError {
  return new AwsError('ResourceExistsException', message, { members: { ResourceType } });
}

export function inUse(message: string, ResourceType: string): AwsError {
  return new AwsError('ResourceInUseException', message, { members: { ResourceType } });
}

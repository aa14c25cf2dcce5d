/** EventBridge's wire errors, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

export function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

export function ruleNotFound(name: string, bus: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Rule ${name} does not exist on EventBus ${bus}.`);
}

export function busNotFound(name: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Event bus ${name} does not exist.`);
}

export function busExists(name: string): AwsError {
  return new AwsError('ResourceAlreadyExistsException', `Event bus ${name} already exists.`);
}

export function invalidPattern(reason: string): AwsError {
  return new AwsError('InvalidEventPatternException', `Event pattern is not valid. Reason: ${reason}`);
}

export function limitExceeded(): AwsError {
  return new AwsError('LimitExceededException', 'The requested resource exceeds the maximum number allowed.');
}

export function notFound(what: 'Archive' | 'Replay' | 'Connection' | 'ApiDestination', name: string): AwsError {
  return new AwsError('ResourceNotFoundException', `${what} ${name} does not exist.`);
}

export function alreadyExists(what: 'Archive' | 'Replay' | 'Connection' | 'ApiDestination', name: string): AwsError {
  return new AwsError('ResourceAlreadyExistsException', `${what} ${name} already exists.`);
}

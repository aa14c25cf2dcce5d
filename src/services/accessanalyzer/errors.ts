/** Access Analyzer's wire errors. */
import { AwsError } from '../../kernel/errors.ts';

export function validationException(message: string): AwsError {
  return new AwsError('ValidationException', message, { members: { reason: 'fieldValidationFailed' } });
}

export function analyzerNotFound(arn: string): AwsError {
  return new AwsError('ResourceNotFoundException', 'Specified analyzer does not exist.', {
    status: 404,
    members: { resourceId: arn, resourceType: 'Analyzer' },
  });
}

export function findingNotFound(id: string): AwsError {
  return new AwsError('ResourceNotFoundException', 'Specified finding does not exist.', {
    status: 404,
    members: { resourceId: id, resourceType: 'Finding' },
  });
}

export function analyzerExists(name: string): AwsError {
  return new AwsError('ConflictException', 'Specified analyzer already exists.', {
    status: 409,
    members: { resourceId: name, resourceType: 'Analyzer' },
  });
}

export function tooManyAnalyzers(): AwsError {
  return new AwsError('ServiceQuotaExceededException', 'You have exceeded the maximum number of analyzers.', {
    status: 402,
    members: { resourceId: '', resourceType: 'Analyzer' },
  });
}

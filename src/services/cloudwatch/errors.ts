/** CloudWatch's wire errors, in AWS's wording (CloudWatch API Reference, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

export function invalidValue(message: string): AwsError {
  return new AwsError('InvalidParameterValue', message);
}

export function invalidCombination(message: string): AwsError {
  return new AwsError('InvalidParameterCombination', message);
}

export function missingParameter(message: string): AwsError {
  return new AwsError('MissingParameter', message);
}

export function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

/** Alarms answer with this code, dashboards with `dashboardNotFound`. */
export function notFound(message: string): AwsError {
  return new AwsError('ResourceNotFound', message, { status: 404 });
}

export function invalidToken(): AwsError {
  return new AwsError('InvalidNextToken', 'The specified nextToken is invalid.');
}

export function invalidDashboard(problems: readonly { DataPath: string; Message: string }[]): AwsError {
  return new AwsError('InvalidParameterInput', 'The field DashboardBody must be a valid JSON object', {
    members: { dashboardValidationMessages: problems },
  });
}

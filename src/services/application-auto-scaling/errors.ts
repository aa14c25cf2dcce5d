/** Application Auto Scaling's errors, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

export function validationException(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

export function targetNotFound(namespace: string, resource: string, dimension: string): AwsError {
  return new AwsError(
    'ObjectNotFoundException',
    `No scalable target found for service namespace: ${namespace}, resource ID: ${resource}, scalable dimension: ${dimension}`,
  );
}

export function policyNotFound(name: string, namespace: string, resource: string, dimension: string): AwsError {
  return new AwsError(
    'ObjectNotFoundException',
    `No scaling policy found for service namespace: ${namespace}, resource ID: ${resource}, scalable dimension: ${dimension}, policy name: ${name}`,
  );
}

export function actionNotFound(name: string, namespace: string, resource: string, dimension: string): AwsError {
  return new AwsError(
    'ObjectNotFoundException',
    `No scheduled action found for service namespace: ${namespace}, resource ID: ${resource}, scalable dimension: ${dimension}, scheduled action name: ${name}`,
  );
}

export function invalidToken(): AwsError {
  return new AwsError('InvalidNextTokenException', 'The next token is invalid.');
}

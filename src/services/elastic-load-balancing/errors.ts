/** Wire errors of the API of 2012, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

export function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

export function balancerNotFound(name: string): AwsError {
  return new AwsError('LoadBalancerNotFound', `There is no ACTIVE Load Balancer named '${name}'`);
}

export function invalidConfiguration(message: string): AwsError {
  return new AwsError('InvalidConfigurationRequest', message);
}

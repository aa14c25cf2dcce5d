/** Wire errors of Elastic Load Balancing, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

export function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

export function balancerNotFound(named?: string): AwsError {
  return new AwsError(
    'LoadBalancerNotFound',
    named === undefined ? 'One or more load balancers not found' : `Load balancer '${named}' not found`,
  );
}

export function groupNotFound(): AwsError {
  return new AwsError('TargetGroupNotFound', 'One or more target groups not found');
}

export function listenerNotFound(): AwsError {
  return new AwsError('ListenerNotFound', 'One or more listeners not found');
}

export function ruleNotFound(): AwsError {
  return new AwsError('RuleNotFound', 'One or more rules not found');
}

export function invalidConfiguration(message: string): AwsError {
  return new AwsError('InvalidConfigurationRequest', message);
}

export function notPermitted(message: string): AwsError {
  return new AwsError('OperationNotPermitted', message);
}

export function invalidTarget(message: string): AwsError {
  return new AwsError('InvalidTarget', message);
}

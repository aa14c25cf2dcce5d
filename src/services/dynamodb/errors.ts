/** DynamoDB's errors, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

/** ValidationException. */
export function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

/** ValidationException with the words that stand before most of them. */
export function invalidParameters(detail: string): AwsError {
  return validation(`One or more parameter values were invalid: ${detail}`);
}

/** ResourceNotFoundException as the item operations say it. */
export function resourceNotFound(): AwsError {
  return new AwsError('ResourceNotFoundException', 'Requested resource not found');
}

/** ResourceNotFoundException as the table operations say it. */
export function tableNotFound(name: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Requested resource not found: Table: ${name} not found`);
}

/** ResourceNotFoundException of other resources. */
export function notFound(message: string): AwsError {
  return new AwsError('ResourceNotFoundException', message);
}

/** ResourceInUseException. */
export function inUse(message: string): AwsError {
  return new AwsError('ResourceInUseException', message);
}

/** LimitExceededException. */
export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceededException', message);
}

/** ConditionalCheckFailedException; `item` is shown when ReturnValuesOnConditionCheckFailure asked for it. */
export function conditionFailed(item?: unknown): AwsError {
  const options = item === undefined ? {} : { members: { Item: item } };
  return new AwsError('ConditionalCheckFailedException', 'The conditional request failed', options);
}

/** ProvisionedThroughputExceededException of a table or of one of its indexes. */
export function throughputExceeded(index?: string): AwsError {
  const message =
    index === undefined
      ? 'The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.'
      : 'The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API';
  return new AwsError('ProvisionedThroughputExceededException', message);
}

/** ThrottlingException of on-demand tables: a partition, or a maximum that the user has set. */
export function throttled(message: string): AwsError {
  return new AwsError('ThrottlingException', message);
}

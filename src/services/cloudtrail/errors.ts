/** CloudTrail's wire errors, in AWS's wording (CloudTrail API Reference). */
import { AwsError } from '../../kernel/errors.ts';

/** `code` without its ending `Exception`. */
export function trailError(code: string, message: string): AwsError {
  return new AwsError(`${code}Exception`, message);
}

export function trailNotFound(arn: string): AwsError {
  return trailError('TrailNotFound', `Unknown trail: ${arn}`);
}

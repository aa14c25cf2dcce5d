/** Lambda's errors in AWS's wording. Most carry `Type`: whose fault it is. */
import { AwsError } from '../../kernel/errors.ts';

const user = { members: { Type: 'User' } };

export function functionNotFound(arn: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Function not found: ${arn}`, { status: 404, ...user });
}

export function notFound(message: string): AwsError {
  return new AwsError('ResourceNotFoundException', message, { status: 404, ...user });
}

export function invalidParameter(message: string): AwsError {
  return new AwsError('InvalidParameterValueException', message, { status: 400, ...user });
}

export function conflict(message: string): AwsError {
  return new AwsError('ResourceConflictException', message, { status: 409, ...user });
}

export function preconditionFailed(): AwsError {
  const message =
    'The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id';
  return new AwsError('PreconditionFailedException', message, { status: 412, ...user });
}

/** Payloads are refused under a code that the model does not name; asynchronous ones in words of their own. */
export function payloadTooLarge(bytes: number, limit: number, type: string): AwsError {
  const message =
    type === 'Event'
      ? `${bytes} byte payload is too large for the Event invocation type (limit ${limit} bytes)`
      : `Request must be smaller than ${limit} bytes for the InvokeFunction operation`;
  return new AwsError('RequestEntityTooLargeException', message, { status: 413 });
}

/** The same for uploads of code. */
export function codeTooLarge(bytes: number, operation: string): AwsError {
  const message = `Request must be smaller than ${bytes} bytes for the ${operation} operation`;
  return new AwsError('RequestEntityTooLargeException', message, { status: 413 });
}

export function invalidRequestContent(message: string): AwsError {
  return new AwsError('InvalidRequestContentException', message, { status: 400, ...user });
}

export function tooManyRequests(reason: string): AwsError {
  return new AwsError('TooManyRequestsException', 'Rate Exceeded.', {
    status: 429,
    members: { Reason: reason, Type: 'User' },
  });
}

/** No environment could be made, for a reason of the host. */
export function serviceFailure(message: string): AwsError {
  return new AwsError('ServiceException', message, { status: 500, members: { Type: 'Service' } });
}

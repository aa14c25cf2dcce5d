/** API Gateway's wire errors, in AWS's wording (API Reference of REST APIs, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

export function notFound(message: string): AwsError {
  return new AwsError('NotFoundException', message, { status: 404 });
}

/** `Invalid Resource identifier specified` */
export function noSuch(what: string): AwsError {
  return notFound(`Invalid ${what} identifier specified`);
}

export function noSuchApi(account: string, id: string): AwsError {
  return notFound(`Invalid API identifier specified ${account}:${id}`);
}

export function badRequest(message: string): AwsError {
  return new AwsError('BadRequestException', message, { status: 400 });
}

export function conflict(message: string): AwsError {
  return new AwsError('ConflictException', message, { status: 409 });
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceededException', message, { status: 429 });
}

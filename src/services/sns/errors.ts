/** SNS's wire errors, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

/** `Invalid parameter: Topic Name` */
export function invalidParameter(what: string): AwsError {
  return new AwsError('InvalidParameter', `Invalid parameter: ${what}`);
}

export function topicNotFound(): AwsError {
  return new AwsError('NotFound', 'Topic does not exist', { status: 404 });
}

export function notFound(message: string): AwsError {
  return new AwsError('NotFound', message, { status: 404 });
}

export function endpointDisabled(): AwsError {
  return new AwsError('EndpointDisabled', 'Endpoint is disabled');
}

export function subscriptionNotFound(): AwsError {
  return new AwsError('NotFound', 'Subscription does not exist', { status: 404 });
}

export function authorizationError(message: string): AwsError {
  return new AwsError('AuthorizationError', message, { status: 403 });
}

export function tagLimitExceeded(): AwsError {
  return new AwsError('TagLimitExceeded', 'Could not complete request: tag quota of per resource exceeded');
}

export function resourceNotFound(): AwsError {
  return new AwsError('ResourceNotFound', 'Resource does not exist', { status: 404 });
}

export function emptyBatch(): AwsError {
  return new AwsError('EmptyBatchRequest', "The batch request doesn't contain any entries.");
}

export function tooManyEntries(): AwsError {
  return new AwsError('TooManyEntriesInBatchRequest', 'The batch request contains more entries than permissible.');
}

export function entryIdsNotDistinct(): AwsError {
  return new AwsError('BatchEntryIdsNotDistinct', 'Two or more batch entries in the request have the same Id.');
}

export function invalidEntryId(): AwsError {
  return new AwsError('InvalidBatchEntryId', "The Id of a batch entry in a batch request doesn't abide by the specification.");
}

export function batchTooLong(): AwsError {
  return new AwsError('BatchRequestTooLong', 'The length of all the batch messages put together is more than the limit.');
}

export function invalidState(message: string): AwsError {
  return new AwsError('InvalidState', `Invalid state: ${message}`);
}

/** What KMS answered, by SNS's name of it. */
export function kmsError({ code, message, cause }: AwsError): AwsError {
  const names: Readonly<Record<string, string>> = {
    AccessDeniedException: 'KMSAccessDenied',
    NotFoundException: 'KMSNotFound',
    DisabledException: 'KMSDisabled',
    KMSInvalidStateException: 'KMSInvalidState',
    OptInRequired: 'KMSOptInRequired',
    ThrottlingException: 'KMSThrottling',
  };
  return new AwsError(names[code] ?? 'KMSInvalidState', message, { cause });
}

/** SQS's wire errors, in AWS's wording. Codes are the model's names; the query protocol prints their older forms (`AWS.SimpleQueueService.…`). */
import { AwsError } from '../../kernel/errors.ts';

export function queueDoesNotExist(): AwsError {
  return new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
}

export function queueNameExists(attribute: string): AwsError {
  return new AwsError(
    'QueueNameExists',
    `A queue already exists with the same name and a different value for attribute ${attribute}`,
  );
}

export function queueDeletedRecently(): AwsError {
  return new AwsError(
    'QueueDeletedRecently',
    'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
  );
}

export function purgeQueueInProgress(name: string): AwsError {
  return new AwsError('PurgeQueueInProgress', `Only one PurgeQueue operation on ${name} is allowed every 60 seconds.`, {
    status: 403,
  });
}

export function invalidAddress(url: string): AwsError {
  return new AwsError('InvalidAddress', `The address ${url} is not valid for this endpoint.`, { status: 404 });
}

export function missingParameter(name: string): AwsError {
  return new AwsError('MissingParameter', `The request must contain the parameter ${name}.`);
}

export function invalidParameter(message: string): AwsError {
  return new AwsError('InvalidParameterValue', message);
}

/** `Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.` */
export function invalidValue(value: unknown, parameter: string, reason: string): AwsError {
  return invalidParameter(`Value ${String(value)} for parameter ${parameter} is invalid. Reason: ${reason}`);
}

/** A parameter of FIFO queues, on a standard one. */
export function notForThisQueueType(parameter: string): AwsError {
  return invalidParameter(`The request include parameter ${parameter} which is not valid for this queue type`);
}

export function unknownAttribute(name: string): AwsError {
  return new AwsError('InvalidAttributeName', `Unknown Attribute ${name}.`);
}

export function invalidAttributeName(message: string): AwsError {
  return new AwsError('InvalidAttributeName', message);
}

export function invalidAttributeValue(name: string): AwsError {
  return new AwsError('InvalidAttributeValue', `Invalid value for the parameter ${name}.`);
}

export function invalidCharacters(): AwsError {
  return new AwsError(
    'InvalidMessageContents',
    'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
  );
}

export function receiptHandleIsInvalid(handle: string): AwsError {
  return new AwsError('ReceiptHandleIsInvalid', `The input receipt handle "${handle}" is not a valid receipt handle.`, {
    status: 404,
  });
}

export function messageNotInflight(): AwsError {
  return new AwsError('MessageNotInflight', 'The specified message is not in flight.');
}

export function overLimit(message: string): AwsError {
  return new AwsError('OverLimit', message, { status: 403 });
}

export function requestThrottled(): AwsError {
  return new AwsError('RequestThrottled', 'Request is throttled.', { status: 403 });
}

export function unsupportedOperation(message: string): AwsError {
  return new AwsError('UnsupportedOperation', message);
}

/** What KMS answered, by SQS's name of it. */
export function kmsError({ code, message, cause }: AwsError): AwsError {
  const names: Readonly<Record<string, string>> = {
    AccessDeniedException: 'KmsAccessDenied',
    NotFoundException: 'KmsNotFound',
    DisabledException: 'KmsDisabled',
    KMSInvalidStateException: 'KmsInvalidState',
    InvalidKeyUsageException: 'KmsInvalidKeyUsage',
    ThrottlingException: 'KmsThrottled',
  };
  return new AwsError(names[code] ?? 'KmsInvalidState', message, { cause });
}

export function resourceNotFound(message: string): AwsError {
  return new AwsError('ResourceNotFoundException', message, { status: 404 });
}

export function emptyBatch(entry: string): AwsError {
  return new AwsError('EmptyBatchRequest', `There should be at least one ${entry} in the request.`);
}

export function tooManyEntries(sent: number): AwsError {
  return new AwsError('TooManyEntriesInBatchRequest', `Maximum number of entries per request are 10. You have sent ${sent}.`);
}

export function invalidBatchEntryId(): AwsError {
  return new AwsError(
    'InvalidBatchEntryId',
    'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
  );
}

export function batchEntryIdsNotDistinct(id: string): AwsError {
  return new AwsError('BatchEntryIdsNotDistinct', `Id ${id} repeated.`);
}

export function batchRequestTooLong(max: number, sent: number): AwsError {
  return new AwsError('BatchRequestTooLong', `Batch requests cannot be longer than ${max} bytes. You have sent ${sent} bytes.`);
}

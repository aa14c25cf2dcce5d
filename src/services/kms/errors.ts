/** KMS's wire errors, in AWS's wording (AWS KMS API Reference, "Errors" of each operation, and what the service answers). */
import type { Caller } from '../../kernel/caller.ts';
import { AwsError } from '../../kernel/errors.ts';

/** A rule of KMS's own beyond the model. */
export function validationError(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

/** What the request names does not exist. */
export function notFound(message: string): AwsError {
  return new AwsError('NotFoundException', message);
}

/** `Key 'arn:…' does not exist` */
export function keyNotFound(arn: string): AwsError {
  return notFound(`Key '${arn}' does not exist`);
}

/** `Alias arn:… is not found.` */
export function aliasNotFound(arn: string): AwsError {
  return notFound(`Alias ${arn} is not found.`);
}

/** An id that has the form of none. */
export function invalidKeyId(keyId: string): AwsError {
  return notFound(`Invalid keyId '${keyId}'`);
}

/** An ARN of another service, Region or form. */
export function invalidArn(detail: string): AwsError {
  return new AwsError('InvalidArnException', `Invalid arn ${detail}`);
}

/** `arn:… is disabled.` */
export function disabled(arn: string): AwsError {
  return new AwsError('DisabledException', `${arn} is disabled.`);
}

/** The key's state does not allow the operation: `arn:… is pending deletion.` */
export function invalidState(arn: string, state: string): AwsError {
  return new AwsError('KMSInvalidStateException', `${arn} is ${state}.`);
}

/** The ciphertext is none of this cloud's, was changed, or belongs to another encryption context. AWS sends no message with it. */
export function invalidCiphertext(): AwsError {
  return new AwsError('InvalidCiphertextException', '');
}

/** The key named is not the one that the ciphertext was made with. */
export function incorrectKey(): AwsError {
  return new AwsError(
    'IncorrectKeyException',
    'The key ID in the request does not identify a CMK that can perform this operation.',
  );
}

/** `arn:… key usage is SIGN_VERIFY which is not valid for Encrypt.` */
export function wrongUsage(arn: string, usage: string, operation: string): AwsError {
  return invalidKeyUsage(`${arn} key usage is ${usage} which is not valid for ${operation}.`);
}

/** `Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256.` */
export function incompatibleAlgorithm(algorithm: string, spec: string): AwsError {
  return invalidKeyUsage(`Algorithm ${algorithm} is incompatible with key spec ${spec}.`);
}

/** The key is not of the sort that the operation works with. */
export function invalidKeyUsage(message: string): AwsError {
  return new AwsError('InvalidKeyUsageException', message);
}

/** `An alias with the name arn:… already exists` */
export function alreadyExists(message: string): AwsError {
  return new AwsError('AlreadyExistsException', message);
}

/** Not for this key, or not for anybody. */
export function unsupportedOperation(message: string): AwsError {
  return new AwsError('UnsupportedOperationException', message);
}

/** `arn:… origin is AWS_KMS which is not valid for this operation.` */
export function wrongOrigin(arn: string, origin: string): AwsError {
  return unsupportedOperation(`${arn} origin is ${origin} which is not valid for this operation.`);
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceededException', message);
}

export function malformedPolicy(message: string): AwsError {
  return new AwsError('MalformedPolicyDocumentException', message);
}

export function tagError(message: string): AwsError {
  return new AwsError('TagException', message);
}

export function invalidMarker(): AwsError {
  return new AwsError('InvalidMarkerException', 'Invalid marker');
}

/** A dry run ends in this when the request would have succeeded. */
export function dryRun(): AwsError {
  return new AwsError('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.');
}

/** A key of another account that the caller may not know of: the same answer whether it exists or not. */
export function foreignDenied(caller: Caller, action: string, arn: string): AwsError {
  return new AwsError(
    'AccessDeniedException',
    `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${arn} because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`,
  );
}

/** Decrypt without a key id, of a ciphertext whose key is not here. */
export function unknownCiphertextKey(): AwsError {
  return new AwsError(
    'AccessDeniedException',
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
  );
}

export function invalidGrantId(id: string): AwsError {
  return new AwsError('InvalidGrantIdException', `Invalid grant ID ${id}`);
}

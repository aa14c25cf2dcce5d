/** Wire errors of Systems Manager's work on instances, in AWS's wording (Systems Manager API Reference, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

export function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

export function invalidInstanceId(ids: readonly string[], account: string): AwsError {
  return new AwsError('InvalidInstanceId', `Instances [[${ids.join(', ')}]] not in a valid state for account ${account}`);
}

export function invalidDocument(name: string): AwsError {
  return new AwsError('InvalidDocument', `Document with name ${name} does not exist.`);
}

export function invalidDocumentVersion(): AwsError {
  return new AwsError('InvalidDocumentVersion', 'The document version is not valid or does not exist.');
}

export function invalidDocumentContent(message: string): AwsError {
  return new AwsError('InvalidDocumentContent', message);
}

export function documentExists(name: string): AwsError {
  return new AwsError('DocumentAlreadyExists', `Document with same name ${name} already exists`);
}

export function invalidDocumentOperation(message: string): AwsError {
  return new AwsError('InvalidDocumentOperation', message);
}

export function documentPermissionLimit(bound: string): AwsError {
  return new AwsError('DocumentPermissionLimit', `The document cannot be shared further: you can share ${bound}.`);
}

export function invalidPermissionType(): AwsError {
  return new AwsError(
    'InvalidPermissionType',
    'The permission type is not supported. Share is the only supported permission type.',
  );
}

export function invalidParameters(message: string): AwsError {
  return new AwsError('InvalidParameters', message);
}

export function unsupportedPlatform(document: string): AwsError {
  return new AwsError('UnsupportedPlatformType', `Document ${document} does not support the platform of the instances: Linux.`);
}

export function invalidCommandId(): AwsError {
  return new AwsError('InvalidCommandId', '');
}

export function invocationDoesNotExist(): AwsError {
  return new AwsError('InvocationDoesNotExist', '');
}

export function invalidPluginName(): AwsError {
  return new AwsError('InvalidPluginName', '');
}

export function invalidTarget(message: string): AwsError {
  return new AwsError('InvalidTarget', message);
}

export function invalidNextToken(): AwsError {
  return new AwsError('InvalidNextToken', 'The specified token is not valid.');
}

export function invalidFilter(key: string): AwsError {
  return new AwsError('InvalidFilterKey', `The following filter key is not valid: ${key}.`);
}

export function invalidAssociation(): AwsError {
  return new AwsError('AssociationDoesNotExist', 'The association does not exist.');
}

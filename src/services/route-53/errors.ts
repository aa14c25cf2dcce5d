/** Route 53's wire errors (API Reference, "Errors" of each operation; words as the service gives them). */
import { AwsError } from '../../kernel/errors.ts';

/** All problems of a change batch in one answer. */
export function invalidChangeBatch(problems: readonly string[]): AwsError {
  return new AwsError('InvalidChangeBatch', `[${problems.join(', ')}]`);
}

export function invalidInput(message: string): AwsError {
  return new AwsError('InvalidInput', message);
}

export function noSuchHostedZone(id: string): AwsError {
  return new AwsError('NoSuchHostedZone', `No hosted zone found with ID: ${id}`, { status: 404 });
}

export function hostedZoneAlreadyExists(): AwsError {
  const message = 'A hosted zone has already been created with the specified caller reference.';
  return new AwsError('HostedZoneAlreadyExists', message, { status: 409 });
}

export function hostedZoneNotEmpty(): AwsError {
  const message = 'The specified hosted zone contains non-required resource record sets and so cannot be deleted.';
  return new AwsError('HostedZoneNotEmpty', message);
}

export function invalidDomainName(name: string): AwsError {
  return new AwsError('InvalidDomainName', `${name} is not a valid domain name`);
}

export function noSuchChange(id: string): AwsError {
  return new AwsError('NoSuchChange', `A change with id ${id} was not found.`, { status: 404 });
}

export function noSuchDelegationSet(id: string): AwsError {
  return new AwsError('NoSuchDelegationSet', `A delegation set with ID ${id} was not found.`);
}

export function noSuchHealthCheck(id: string): AwsError {
  return new AwsError('NoSuchHealthCheck', `No health check exists with the specified ID: ${id}`, { status: 404 });
}

export function noSuchCidrCollection(id: string): AwsError {
  return new AwsError('NoSuchCidrCollectionException', `No CIDR collection found with ID: ${id}`, { status: 404 });
}

export function error(code: string, message: string, status = 400): AwsError {
  return new AwsError(code, message, { status });
}

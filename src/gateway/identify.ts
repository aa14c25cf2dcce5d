/** Stage `identify`: which service, operation and protocol, from the request's form alone. */
import { AwsError } from '../kernel/errors.ts';
import type { ServiceIndex } from '../model/service-model.ts';
import { identify } from '../model/wire.ts';
import type { Stage } from './exchange.ts';

/** Recognises the request by the models' index. Throws AWS's errors for an operation that no model has, or no service at all. */
export function identifyStage(index: ServiceIndex): Stage {
  return async (exchange) => {
    const found = await identify(index, { request: exchange.request, host: exchange.host });
    if (found === undefined) {
      throw new AwsError(
        'UnknownOperationException',
        'Pilvi cannot tell which service this request is for: it has no credential scope, target, Action or known host name.',
        {
          status: 404,
        },
      );
    }
    exchange.protocol = found.protocol;
    if (found.service !== undefined) exchange.service = found.service;
    if ('unknownOperation' in found) {
      exchange.unidentified = unknownOperation(found.protocol, found.unknownOperation, found.service?.apiVersion ?? '');
      return;
    }
    exchange.model = found.model;
    exchange.operation = found.operation;
    exchange.trace.add(`identify: ${found.service.name}:${found.operation.name} as ${found.protocol}`);
  };
}

/** AWS's answers to an operation that the service does not have ("Common errors" of the query services; JSON services' UnknownOperationException). */
function unknownOperation(protocol: string, operation: string, version: string): AwsError {
  // Without an Action the model names the request by its method and path.
  if (protocol.endsWith('Query') && operation.includes(' /'))
    return new AwsError('MissingAction', 'The request is missing an action or a required parameter.');
  if (protocol === 'awsQuery')
    return new AwsError('InvalidAction', `Could not find operation ${operation} for version ${version}`);
  if (protocol === 'ec2Query') return new AwsError('InvalidAction', `The action ${operation} is not valid for this web service.`);
  return new AwsError('UnknownOperationException', '', { status: protocol.startsWith('rest') ? 404 : 400 });
}

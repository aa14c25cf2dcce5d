/** Stage `serialise`: output or error, in the protocol that the client speaks. */
import { AwsError } from '../kernel/errors.ts';
import { describeError, type Log } from '../kernel/log.ts';
import { ParseError, type Protocol, type WireError } from '../model/types.ts';
import { serialiseError, serialiseOutput } from '../model/wire.ts';
import type { Exchange, Stage } from './exchange.ts';
import { SignatureError, type ServiceFamily, signatureErrorFor } from './signature/signature.ts';

/** Writes the output by the model. */
export const serialiseStage: Stage = (exchange) => {
  const { protocol, operation } = exchange;
  if (protocol === undefined || operation === undefined) throw new Error('identify has not run.');
  exchange.response = serialiseOutput(protocol, operation, exchange.output ?? {}, exchange.requestId);
};

/** Protocol of answers to requests that could not be identified. */
const fallbackProtocol: Protocol = 'restJson1';

/** Puts any error of any stage on the wire; what is not the caller's fault goes to the log with its causes. */
export function serialiseFailure(exchange: Exchange, error: unknown, log: Log): void {
  const wire = wireErrorOf(exchange, error);
  exchange.failure = wire.code;
  if (wire.status >= 500 && wire.status !== 501 && !(error instanceof AwsError)) {
    log('error', 'A request failed by a bug of Pilvi.', { requestId: exchange.requestId, cause: describeError(error) });
  }
  exchange.trace.add(`serialise: ${wire.status} ${wire.code}: ${wire.message}`);
  const protocol = exchange.protocol ?? fallbackProtocol;
  exchange.response = serialiseError(
    protocol,
    exchange.model?.entry ?? exchange.service,
    exchange.operation,
    wire,
    exchange.requestId,
  );
  if (error instanceof AwsError) Object.assign(exchange.response.headers, error.headers);
}

function wireErrorOf(exchange: Exchange, error: unknown): WireError {
  if (error instanceof AwsError) return wireError(error.code, error.message, error.status, error.members);
  if (error instanceof ParseError) return wireError(error.code, error.message, error.status);
  if (error instanceof SignatureError) {
    return signatureErrorFor(error, familyOf(exchange));
  }
  return wireError(
    'InternalFailure',
    'The request processing has failed because of an unknown error, exception or failure.',
    500,
  );
}

function wireError(code: string, message: string, status: number, members?: WireError['members']): WireError {
  return { code, message, status, fault: status >= 500 ? 'server' : 'client', members };
}

/** In whose words a refused signature is put. */
export function familyOf(exchange: Exchange): ServiceFamily {
  if ((exchange.model?.name ?? exchange.service?.name) === 's3') return 's3';
  switch (exchange.protocol) {
    case 'ec2Query':
      return 'ec2';
    case 'awsQuery':
      return 'query';
    case 'restXml':
      return 'rest-xml';
    case 'restJson1':
      return 'rest-json';
    default:
      return 'json';
  }
}

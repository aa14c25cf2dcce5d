/** After the answer: services that want to know of their requests as the wire saw them (access logs) are told. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { serviceCaller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { AnsweredRequest } from '../kernel/service.ts';
import type { Exchange } from './exchange.ts';

function tlsOf(request: IncomingMessage): AnsweredRequest['tls'] {
  const socket = request.socket as Partial<TLSSocket>;
  const version = socket.encrypted === true ? socket.getProtocol?.() : undefined;
  const cipher = version == null ? undefined : socket.getCipher?.();
  return version == null || cipher === undefined ? undefined : { version, cipher: cipher.standardName };
}

function signatureOf({ signature, head }: Exchange): AnsweredRequest['signature'] {
  if (signature === undefined || signature.kind === 'none') return undefined;
  const version = signature.kind === 'legacy' ? 'SigV2' : 'SigV4';
  return { version, place: head.headers['authorization'] === undefined ? 'QueryString' : 'AuthHeader' };
}

/** Tells the service of an operation, if it asks for it. Its failures are logged; the client has its answer. */
export function tellAnswered(
  kernel: Kernel,
  exchange: Exchange,
  request: IncomingMessage,
  bytesSent: number,
  totalMillis: number,
): void {
  const { model, operation, response, account = '', region = '', head, requestId } = exchange;
  const answered = model === undefined ? undefined : kernel.registry.ready(model.name)?.answered;
  if (answered === undefined || model === undefined || operation === undefined || response === undefined) return;
  const told: AnsweredRequest = {
    at: kernel.clock.now(),
    totalMillis,
    requestId,
    operation: operation.name,
    input: exchange.input,
    identity: exchange.identity?.kind === 'anonymous' ? undefined : exchange.identity,
    signature: signatureOf(exchange),
    method: head.method,
    target: request.url ?? '/',
    headers: head.headers,
    sourceIp: exchange.sourceIp,
    tls: tlsOf(request),
    status: response.status,
    errorCode: exchange.failure,
    answerHeaders: response.headers,
    bytesSent,
  };
  const caller = serviceCaller(model.name, account);
  const facts = { account, region, service: model.name, operation: operation.name, requestId, caller };
  const ctx = kernel.contextFor({ ...facts, now: told.at });
  answered(told, ctx).catch((error: unknown) =>
    kernel.log('error', 'A service could not note a request that it had answered.', { requestId, error }),
  );
}

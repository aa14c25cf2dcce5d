/** Stage `dispatch`: authorisation, the handler and the record, which are the kernel's, so that calls between services take the same way. */
import type { Caller, Identity } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { AwsError, notImplemented } from '../kernel/errors.ts';
import type { NetworkPath } from '../kernel/service.ts';
import type { Shape } from '../model/types.ts';
import { speaksEvents, validateOutput } from '../model/wire.ts';
import type { Exchange, Stage } from './exchange.ts';

/** Member by member and not by a spread, which costs microseconds here: every request passes. `path` is the VPC endpoint that it came through. */
export function callerOf(identity: Identity, exchange: Exchange, path?: NetworkPath): Caller {
  return {
    kind: identity.kind,
    account: identity.account,
    arn: identity.arn,
    userId: identity.userId,
    userName: identity.userName,
    principal: identity.principal,
    tags: identity.tags,
    session: identity.session,
    accessKeyId: exchange.credential?.accessKeyId,
    sourceIp: path?.vpcSourceIp ?? exchange.sourceIp,
    sourceVpc: path?.sourceVpc,
    sourceVpce: path?.sourceVpce,
    vpcSourceIp: path?.vpcSourceIp,
    endpointPolicy: path?.policy,
    userAgent: exchange.head.headers['user-agent'] ?? '',
    secureTransport: exchange.secureTransport,
    calledVia: [],
    referer: exchange.head.headers['referer'],
    signed: signedOf(exchange),
    forAnyRegion: exchange.signature?.kind === 'legacy' ? true : undefined,
    regionSet: regionSetOf(exchange),
    endpoint: exchange.host === '' ? undefined : `${exchange.secureTransport ? 'https' : 'http'}://${exchange.host}`,
  } satisfies Record<keyof Identity, unknown> & Caller;
}

function signedOf({ signature, signatureAgeMillis = 0, head }: Exchange): Caller['signed'] {
  if (signature?.kind !== 'header' && signature?.kind !== 'query') return undefined;
  return { place: signature.kind, ageMillis: signatureAgeMillis, contentDigest: head.headers['x-amz-content-sha256'] };
}

function regionSetOf({ signature }: Exchange): readonly string[] | undefined {
  if (signature?.kind !== 'header' && signature?.kind !== 'query') return undefined;
  return signature.algorithm === 'AWS4-ECDSA-P256-SHA256' ? signature.regions : undefined;
}

/**
 * The VPC endpoint behind a request that came over a network's own path; undefined for all others. An endpoint leads to one service: what asks it
 * for another is refused.
 */
export async function pathOf(kernel: Kernel, exchange: Exchange, service: string): Promise<NetworkPath | undefined> {
  if (kernel.parts.fabric?.identify(exchange.sourceIp) === undefined) return undefined;
  const holder = kernel.registry.holder('network-paths');
  const definition = holder === undefined ? undefined : await kernel.registry.get(holder.name);
  const ctx = kernel.systemContext(holder?.name ?? '', { account: '', region: '' }, 'pathOf');
  const path = await definition?.paths?.pathOf({ from: exchange.sourceIp, at: exchange.arrivedAt }, service, ctx);
  if (path === undefined)
    throw new AwsError('AccessDenied', `No VPC endpoint of this network leads to ${service}.`, { status: 403 });
  return path;
}

/** Runs the operation. With `validate`, an output that its model does not allow is a bug, answered with 500 (on in tests always). */
export function dispatchStage(kernel: Kernel, validate: boolean): Stage {
  return async (exchange) => {
    const { model, operation, identity, input } = exchange;
    if (model === undefined || operation === undefined || identity === undefined)
      throw new Error('An earlier stage has not run.');
    if (operation.isEventStream && !speaksEvents(exchange.protocol ?? 'restJson1', operation))
      throw notImplemented(model.name, operation.name);
    const path = await pathOf(kernel, exchange, model.name);
    const output = await kernel.invoke(
      {
        account: exchange.account ?? '',
        region: exchange.region ?? '',
        service: model.name,
        operation: operation.name,
        requestId: exchange.requestId,
        now: kernel.clock.now(),
        trace: exchange.trace,
        onGone: exchange.onGone,
        caller: callerOf(identity, exchange, path),
      },
      input,
    );
    exchange.output = output as Shape;
    if (!validate) return;
    const problems = validateOutput(operation, exchange.output);
    if (problems.length > 0)
      throw new Error(`${model.name}:${operation.name} answered what its model does not allow: ${problems.join('; ')}`);
  };
}

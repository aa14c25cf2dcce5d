/** One visit to a page of the console, its answer, and how pages call the cloud. */
import type { IncomingMessage } from 'node:http';
import { findRegion } from '../base/regions.ts';
import type { Caller, Identity } from '../kernel/caller.ts';
import { AwsError } from '../kernel/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { RequestContext } from '../kernel/request-context.ts';
import type { HalfSignIn, SignIn } from './sign-ins.ts';

export interface Visit {
  request: IncomingMessage;
  url: URL;
  form: URLSearchParams;
  cookie: string;
  signIn: HalfSignIn | SignIn | undefined;
}

export interface Answer {
  status: number;
  body: string;
  /** Where to go on. */
  location?: string;
  /** New value of the cookie; empty takes it away. */
  cookie?: string;
  type?: string;
}

export const shown = (body: string, status = 200): Answer => ({ status, body });

export const goTo = (location: string, cookie?: string): Answer => ({
  status: 303,
  body: '',
  location,
  ...(cookie === undefined ? {} : { cookie }),
});

/** The Region that the form or the address names; us-east-1 for none or one that there is not. */
export function regionOf({ form, url }: Pick<Visit, 'form' | 'url'>): string {
  return findRegion(form.get('region') ?? url.searchParams.get('region') ?? '')?.name ?? 'us-east-1';
}

export function isSecure({ socket }: IncomingMessage): boolean {
  return 'encrypted' in socket;
}

/** The words of an API's refusal. Throws what is none. */
export function wordsOf(error: unknown): string {
  if (error instanceof AwsError) return `${error.code}: ${error.message}`;
  throw error;
}

/** This identity as the caller of this visit's requests. */
export function callerOf({ request }: Visit, identity: Identity, accessKeyId?: string): Caller {
  return {
    ...identity,
    accessKeyId,
    sourceIp: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    userAgent: request.headers['user-agent'] ?? '',
    secureTransport: isSecure(request),
    calledVia: [],
  };
}

/** A context in which an operation runs with the caller's rights. */
export function requestContext(
  kernel: Kernel,
  [service, operation]: readonly [service: string, operation: string],
  region: string,
  caller: Caller,
): RequestContext {
  const { account } = caller;
  const { ids, clock } = kernel;
  return new RequestContext(kernel, { account, region, service, operation, requestId: ids.uuid(), caller, now: clock.now() });
}

/** One operation with the caller's rights. Throws AwsError. */
export function invoke(
  kernel: Kernel,
  [service, operation]: readonly [service: string, operation: string],
  region: string,
  caller: Caller,
  input: unknown,
): Promise<unknown> {
  const { account } = caller;
  const { ids, clock } = kernel;
  return kernel.invoke({ account, region, service, operation, requestId: ids.uuid(), caller, now: clock.now() }, input);
}

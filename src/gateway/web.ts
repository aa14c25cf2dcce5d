/**
 * Stages `hosted` and `web`: requests that are for a service and for no operation of its model, as browsers send them: websites and APIs under host
 * names of their own, preflights, HTML forms; and connections that change their protocol. The service answers them as HTTP; what they do is done by its own operations, under whoever proves to be the sender.
 */
import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { anonymousIdentity, type Identity } from '../kernel/caller.ts';
import { AwsError } from '../kernel/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { FormProof, WebRequest } from '../kernel/web.ts';
import type { Shape } from '../model/types.ts';
import { credentialFor, checkSession } from './authenticate.ts';
import { callerOf, pathOf } from './dispatch.ts';
import type { Exchange, Stage } from './exchange.ts';
import { collect } from './receive.ts';
import { RequestBody } from './request-body.ts';
import { openExchange } from './server.ts';
import {
  parseSignature,
  provesLegacyForm,
  SignatureError,
  signatureErrorFor,
  signingKey,
  verify,
} from './signature/signature.ts';

/**
 * Stage `hosted`: requests to host names and paths that services serve the web under, whatever their form says; it runs before `identify`, because
 * such a request may look like anything. What no service takes goes on.
 */
export function hostedStage(kernel: Kernel): Stage {
  const find = finder(kernel);
  return (exchange) => {
    const names = find(exchange);
    return names.length === 0 ? undefined : answerHosted(kernel, exchange, names);
  };
}

async function answerHosted(kernel: Kernel, exchange: Exchange, names: readonly string[]): Promise<void> {
  if (exchange.collected !== true) await collect(exchange);
  for (const name of names) {
    const definition = kernel.registry.ready(name) ?? (await kernel.registry.get(name));
    exchange.response = await definition?.web?.(webRequest(kernel, exchange, name));
    if (exchange.response !== undefined) return;
  }
}

/** Hands a connection that asks for another protocol to the service that serves its host or path. */
export function createUpgrader(kernel: Kernel): (request: IncomingMessage, socket: Socket, head: Buffer) => boolean {
  const find = finder(kernel);
  return (request, socket, head) => {
    const body = new RequestBody(request, undefined);
    const exchange = openExchange(kernel, request, socket, body);
    const names = find(exchange);
    if (names.length === 0) return false;
    const refuse = (status: string): void =>
      void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    const hand = async (): Promise<void> => {
      for (const name of names) {
        const definition = await kernel.registry.get(name);
        const web = webRequest(kernel, exchange, name);
        if ((await definition?.upgrade?.({ web, message: request, socket, head })) === true) return;
      }
      refuse('403 Forbidden');
    };
    socket.on('error', () => socket.destroy());
    hand().catch((error) => {
      kernel.log('error', 'A connection could not be upgraded by a bug of Pilvi.', { error });
      refuse('500 Internal Server Error');
    });
    return true;
  };
}

/** Finds the services that serve a request's host or path: addresses, host names and paths of their entries, and names that they were given (`kernel.webNames`). */
function finder(kernel: Kernel): (exchange: Exchange) => readonly string[] {
  const entries = kernel.registry.entries.filter(({ webHosts, webPaths }) => webHosts !== undefined || webPaths !== undefined);
  const byAddress = new Map(
    kernel.registry.entries.flatMap(({ name, webAddress }) => (webAddress ? [[webAddress, [name]]] : [])),
  );
  return (exchange) => {
    const own = byAddress.get(exchange.arrivedAt);
    if (own !== undefined) return own;
    const host = hostName(exchange);
    const given = kernel.webNames.get(host);
    if (given !== undefined) return [given.service];
    const path = exchange.head.rawPath;
    const serving = entries.filter(({ webHosts, webPaths }) => webHosts?.test(host) === true || webPaths?.test(path) === true);
    return serving.length === 0 ? none : serving.map(({ name }) => name);
  };
}

const none: readonly string[] = [];

/** Answers what a service takes as the web. Throws the refusal of `identify` for what nobody takes. Costs nothing for all other requests. */
export function webStage(kernel: Kernel): Stage {
  return (exchange) => (exchange.unidentified === undefined ? undefined : answerWeb(kernel, exchange, exchange.service?.name));
}

async function answerWeb(kernel: Kernel, exchange: Exchange, service: string | undefined): Promise<void> {
  const definition = service === undefined ? undefined : await kernel.registry.get(service);
  if (service !== undefined) exchange.response = await definition?.web?.(webRequest(kernel, exchange, service));
  if (exchange.response === undefined && exchange.unidentified !== undefined) throw exchange.unidentified;
}

/** Adds the headers that the service wants on every answer to a browser. */
export async function addAnswerHeaders(kernel: Kernel, exchange: Exchange): Promise<void> {
  if (exchange.head.headers['origin'] === undefined || exchange.model === undefined) return;
  const definition = kernel.registry.ready(exchange.model.name);
  const headers = await definition?.answerHeaders?.(webRequest(kernel, exchange, exchange.model.name));
  if (headers !== undefined && exchange.response !== undefined) Object.assign(exchange.response.headers, headers);
}

function hostName({ host }: Exchange): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

function webRequest(kernel: Kernel, exchange: Exchange, service: string): WebRequest {
  const { request, requestId } = exchange;
  return {
    request,
    host: hostName(exchange),
    requestId,
    rawQuery: exchange.head.rawQuery,
    rawHeaders: exchange.rawHeaders,
    sourceIp: exchange.sourceIp,
    toOwnAddress: kernel.registry.entries.some(({ name, webAddress }) => name === service && webAddress === exchange.arrivedAt),
    secure: exchange.secureTransport,
    clientCertificate: exchange.clientCertificate,
    network: () => pathOf(kernel, exchange, service),
    signer: () => signer(kernel, exchange),
    contextOf: async (identity, scope) =>
      kernel.contextFor({
        ...scope,
        service,
        operation: 'web',
        requestId,
        now: kernel.clock.now(),
        trace: exchange.trace,
        onGone: exchange.onGone,
        caller: callerOf(identity, exchange, await pathOf(kernel, exchange, service)),
      }),
    // A connection lives on for hours: each use has the time of its own moment.
    get ctx() {
      return kernel.systemContext(service, { account: '', region: '' }, 'web');
    },
    prove: (proof) => prove(kernel, exchange, proof),
    async invoke(operation, input, { region, identity = anonymousIdentity }) {
      const output = await kernel.invoke(
        {
          account: identity.account,
          region,
          service,
          operation,
          requestId,
          now: kernel.clock.now(),
          trace: exchange.trace,
          caller: callerOf(identity, exchange, await pathOf(kernel, exchange, service)),
        },
        input,
      );
      return output as Shape;
    },
  };
}

/** The identity behind the signature of the request itself. Refusals are in the words of REST services. */
async function signer(kernel: Kernel, exchange: Exchange): Promise<Identity | undefined> {
  try {
    const signature = parseSignature(exchange.head);
    // Version 2 is S3's alone.
    if (signature.kind === 'none' || signature.kind === 'legacy') return undefined;
    const credential = await credentialFor(kernel, exchange, signature.accessKeyId);
    const payload = signature.payloadHash === 'UNSIGNED-PAYLOAD' ? 'unsigned' : exchange.request.body;
    verify(exchange.head, signature, credential.secretAccessKey, { realNow: kernel.clock.realNow(), payload });
    checkSession(kernel, credential, signature.sessionToken);
    exchange.credential = credential;
    return credential.identity;
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    const { code, message, status } = signatureErrorFor(error, 'rest-json');
    throw new AwsError(code, message, { status, cause: error });
  }
}

/** Checks a signature over a text that a form carries ("Authenticating requests in browser-based uploads using POST"). */
async function prove(kernel: Kernel, exchange: Exchange, proof: FormProof): Promise<Identity> {
  const [accessKeyId = '', date = '', region = '', service = '', end] = proof.credential.split('/');
  const legacy = date === '';
  if (!legacy && end !== 'aws4_request') throw new AwsError('InvalidArgument', 'The credential is mal-formed', { status: 400 });
  const credential = await credentialFor(kernel, exchange, accessKeyId);
  const secret = credential.secretAccessKey;
  const expected = (): string =>
    createHmac('sha256', signingKey(secret, date, region, service))
      .update(proof.text)
      .digest('hex');
  if (legacy ? !provesLegacyForm(proof.text, secret, proof.signature) : expected() !== proof.signature.toLowerCase()) {
    throw new SignatureError('mismatch', { accessKeyId, signatureProvided: proof.signature, stringToSign: proof.text });
  }
  checkSession(kernel, credential, proof.sessionToken);
  exchange.credential = credential;
  return credential.identity;
}

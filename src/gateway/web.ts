/**
 * Stage `web`: requests that are for a service and for no operation of its model, as browsers send them: websites under host names of their own,
 * preflights, HTML forms. The service answers them as HTTP; what they do is done by its own operations, under whoever proves to be the sender.
 */
import { createHmac } from 'node:crypto';
import { anonymousIdentity, type Identity } from '../kernel/caller.ts';
import { AwsError } from '../kernel/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { FormProof, WebRequest } from '../kernel/web.ts';
import type { Shape } from '../model/types.ts';
import { credentialFor, checkSession } from './authenticate.ts';
import { callerOf, pathOf } from './dispatch.ts';
import type { Exchange, Stage } from './exchange.ts';
import { provesLegacyForm, SignatureError, signingKey } from './signature/signature.ts';

/** Answers what a service takes as the web. Throws the refusal of `identify` for what nobody takes. Costs nothing for all other requests. */
export function webStage(kernel: Kernel): Stage {
  const hosts = kernel.registry.entries.flatMap(({ name, webHosts }) => (webHosts === undefined ? [] : [{ name, webHosts }]));
  return (exchange) => {
    const hosted = hosts.find(({ webHosts }) => webHosts.test(hostName(exchange)))?.name;
    if (hosted === undefined && exchange.unidentified === undefined) return undefined;
    return answerWeb(kernel, exchange, hosted ?? exchange.service?.name);
  };
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
    ctx: kernel.systemContext(service, { account: '', region: '' }, 'web'),
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

/** TestInvokeMethod: a method of an API as it stands, past authorisation, keys and throttles; TestInvokeAuthorizer. */
import type { APIGateway } from '@aws-sdk/client-api-gateway';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import { badRequest, noSuch } from '../errors.ts';
import { readDefinition, requireApi, requireResource } from '../lookup.ts';
import { askAuthorizer } from '../run/authorizers.ts';
import { type Call, lastValues, type Multi, multiQuery, Refusal } from '../run/call.ts';
import { testCall } from '../run/rest.ts';
import { compileRoutes, findRoute } from '../run/routes.ts';
import { servedUndeployed } from '../run/snapshots.ts';
import { requireMethod } from './methods.ts';
import { newStage } from './stages.ts';

interface TestInput {
  headers?: Record<string, string> | undefined;
  multiValueHeaders?: Record<string, string[]> | undefined;
  body?: string | undefined;
  stageVariables?: Record<string, string> | undefined;
  clientCertificateId?: string | undefined;
}

type Place = Pick<Call, 'api' | 'served' | 'method' | 'path' | 'resourceId' | 'resourcePath' | 'pathParameters'>;

/** A call that nobody sent. `lines` takes its execution log. */
function testCallOf(ctx: Context, input: TestInput, place: Place, search: string, lines: string[]): Call {
  const headers: Multi = { ...input.multiValueHeaders };
  for (const [name, value] of Object.entries(input.headers ?? {})) headers[name] ??= [value];
  const body = Buffer.from(input.body ?? '');
  const requestId = ctx.uuid();
  return {
    ...place,
    ctx: ctx.asService(),
    web: testRequest(headers, body, requestId),
    stage: newStage(ctx, {
      ...{ api: place.api, name: 'test-invoke-stage', deploymentId: '' },
      clientCertificateId: input.clientCertificateId,
    }),
    variables: { ...input.stageVariables },
    fullPath: place.path,
    query: multiQuery([...new URLSearchParams(search)]),
    ...{ headers, body, requestId },
    extendedRequestId: requestId,
    domainName: 'testPrefix.testDomainName',
    identity: {
      sourceIp: 'test-invoke-source-ip',
      userAgent: ctx.caller.userAgent,
      accountId: ctx.account,
      userArn: ctx.caller.arn,
    },
    signer: ctx.caller,
    canary: false,
    integration: {},
    log: (line) => void lines.push(line),
  };
}

function logOf(ctx: Context, { requestId }: Call, lines: readonly string[]): string {
  const dated = lines.map((line) => `${new Date(ctx.now).toUTCString()} : ${line}`);
  return [`Execution log for request ${requestId}`, ...dated].join('\n');
}

export const testHandlers: HandlersOf<APIGateway> = {
  async TestInvokeMethod(input, ctx) {
    const { restApiId = '', resourceId = '', httpMethod = '' } = input;
    await requireApi(ctx, ctx, restApiId);
    const definition = await readDefinition(ctx, restApiId);
    const { id, path: resourcePath } = requireResource(definition, resourceId);
    const method = requireMethod(definition, resourceId, httpMethod);
    const served = await servedUndeployed(ctx, restApiId);
    if (served === undefined) throw badRequest('The API has no definition');
    const [path = '', search = ''] = (input.pathWithQueryString ?? resourcePath).split('?');
    const found = findRoute(compileRoutes({ [id]: requireResource(definition, id) }), path);
    const lines: string[] = [];
    const place: Place = {
      ...{ api: restApiId, served, path, resourceId, resourcePath },
      method: httpMethod === 'ANY' ? 'GET' : httpMethod,
      pathParameters: found?.pathParameters ?? {},
    };
    const call = testCallOf(ctx, input, place, search, lines);
    const started = ctx.clock.now();
    const answer = await testCall(call, method);
    const latency = Math.max(0, ctx.clock.now() - started);
    lines.push(`Method completed with status: ${answer.status}`);
    return {
      status: answer.status,
      body: answer.body.toString('utf8'),
      headers: lastValues(answer.headers),
      multiValueHeaders: answer.headers,
      log: logOf(ctx, call, lines),
      latency,
    };
  },

  /** What an authorizer says of such a request ("TestInvokeAuthorizer"): its policy, or the status that a caller would see. */
  async TestInvokeAuthorizer(input, ctx) {
    const { restApiId = '', authorizerId = '' } = input;
    await requireApi(ctx, ctx, restApiId);
    const { authorizers } = await readDefinition(ctx, restApiId);
    const authorizer = Object.hasOwn(authorizers, authorizerId) ? authorizers[authorizerId] : undefined;
    if (authorizer === undefined) throw noSuch('Authorizer');
    if (input.additionalContext !== undefined) throw parameterNotImplemented('TestInvokeAuthorizer', 'additionalContext');
    const served = await servedUndeployed(ctx, restApiId);
    if (served === undefined) throw badRequest('The API has no definition');
    const [path = '/', search = ''] = (input.pathWithQueryString ?? '/').split('?');
    const lines: string[] = [];
    const place: Place = {
      ...{ api: restApiId, served, path, method: 'GET', resourceId: 'test-invoke-resource-id' },
      ...{ resourcePath: path, pathParameters: {} },
    };
    const call = testCallOf(ctx, input, place, search, lines);
    const started = ctx.clock.now();
    const ended = (clientStatus: number) => ({
      clientStatus,
      log: logOf(ctx, call, lines),
      latency: Math.max(0, ctx.clock.now() - started),
    });
    try {
      // A result that was remembered would tell nothing of the function.
      const { principalId, policy } = await askAuthorizer(call, { ...authorizer, authorizerResultTtlInSeconds: 0 });
      return { ...ended(200), principalId, policy: JSON.stringify(policy), authorization: {} };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return ended(error.status);
    }
  },
};

/** What a test has instead of a request: nobody sent one. */
function testRequest(headers: Multi, body: Buffer, requestId: string): WebRequest {
  const none = (): never => {
    throw badRequest('A test has no request that could be signed');
  };
  return {
    request: { method: 'POST', path: '/', query: [], headers: lastValues(headers), body },
    host: 'testPrefix.testDomainName',
    requestId,
    rawQuery: '',
    rawHeaders: [],
    sourceIp: 'test-invoke-source-ip',
    toOwnAddress: false,
    secure: true,
    clientCertificate: () => undefined,
    network: async () => undefined,
    get ctx() {
      return none();
    },
    signer: async () => undefined,
    contextOf: async () => none(),
    prove: async () => none(),
    invoke: async () => none(),
  };
}

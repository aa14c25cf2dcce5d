/** TestInvokeMethod: a method of an API as it stands, past authorisation, keys and throttles. */
import type { APIGateway } from '@aws-sdk/client-api-gateway';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import { badRequest } from '../errors.ts';
import { readDefinition, requireApi, requireResource } from '../lookup.ts';
import { type Call, lastValues, type Multi, multiQuery } from '../run/call.ts';
import { testCall } from '../run/rest.ts';
import { compileRoutes, findRoute } from '../run/routes.ts';
import { servedUndeployed } from '../run/snapshots.ts';
import { requireMethod } from './methods.ts';
import { newStage } from './stages.ts';

export const testHandlers: HandlersOf<APIGateway> = {
  async TestInvokeMethod(input, ctx) {
    const { restApiId = '', resourceId = '', httpMethod = '' } = input;
    if (input.clientCertificateId !== undefined) throw parameterNotImplemented('TestInvokeMethod', 'clientCertificateId');
    await requireApi(ctx, ctx, restApiId);
    const definition = await readDefinition(ctx, restApiId);
    const { id, path: resourcePath } = requireResource(definition, resourceId);
    const method = requireMethod(definition, resourceId, httpMethod);
    const served = await servedUndeployed(ctx, restApiId);
    if (served === undefined) throw badRequest('The API has no definition');
    const [path = '', search = ''] = (input.pathWithQueryString ?? resourcePath).split('?');
    const found = findRoute(compileRoutes({ [id]: requireResource(definition, id) }), path);
    const headers: Multi = { ...input.multiValueHeaders };
    for (const [name, value] of Object.entries(input.headers ?? {})) headers[name] ??= [value];
    const lines: string[] = [];
    const body = Buffer.from(input.body ?? '');
    const requestId = ctx.uuid();
    const call: Call = {
      ctx: ctx.asService(),
      web: testRequest(headers, body, requestId),
      api: restApiId,
      stage: newStage(ctx, { api: restApiId, name: 'test-invoke-stage', deploymentId: '' }),
      variables: { ...input.stageVariables },
      served,
      method: httpMethod === 'ANY' ? 'GET' : httpMethod,
      path,
      fullPath: path,
      resourceId,
      resourcePath,
      pathParameters: found?.pathParameters ?? {},
      query: multiQuery([...new URLSearchParams(search)]),
      headers,
      body,
      requestId,
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
    const started = ctx.clock.now();
    const answer = await testCall(call, method);
    const latency = Math.max(0, ctx.clock.now() - started);
    lines.push(`Method completed with status: ${answer.status}`);
    const log = [
      `Execution log for request ${requestId}`,
      ...lines.map((line) => `${new Date(ctx.now).toUTCString()} : ${line}`),
    ].join('\n');
    return {
      status: answer.status,
      body: answer.body.toString('utf8'),
      headers: lastValues(answer.headers),
      multiValueHeaders: answer.headers,
      log,
      latency,
    };
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
    get ctx() {
      return none();
    },
    signer: async () => undefined,
    contextOf: async () => none(),
    prove: async () => none(),
    invoke: async () => none(),
  };
}

/** Who may open a connection: signatures and Lambda authorizers on $connect ("Control and manage access to WebSocket APIs"). */
import { anonymousIdentity } from '../../../kernel/caller.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { lastValues, memberAt, valuesOf } from '../run/call.ts';
import { askAuthorizerFunction } from '../run/functions.ts';
import { contextVariables, type SocketCall } from './socket-call.ts';
import type { RouteDef } from './state.ts';

/** The handshake is refused. */
export class SocketRefusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function routeArn({ ctx, api, stage }: SocketCall): string {
  return `arn:aws:execute-api:${ctx.region}:${ctx.account}:${api.id}/${stage.name}/$connect`;
}

/** Lets a connection in, or throws SocketRefusal. */
export async function authoriseSocket(call: SocketCall, route: RouteDef): Promise<void> {
  const type = route.AuthorizationType ?? 'NONE';
  if (type === 'AWS_IAM') return bySignature(call);
  if (type === 'CUSTOM') return byFunction(call, route);
}

async function bySignature(call: SocketCall): Promise<void> {
  try {
    const identity = await call.web.signer();
    if (identity === undefined) throw new SocketRefusal(403, 'Forbidden');
    call.signer = identity;
    const ctx = await call.web.contextOf(identity, call.ctx);
    await ctx.permit({ action: 'execute-api:Invoke', resource: routeArn(call), resourceAccount: call.ctx.account });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new SocketRefusal(403, 'Forbidden');
  }
}

function sourceValue(call: SocketCall, source: string): string | undefined {
  const [, kind, name = ''] = /^route\.request\.(header|querystring)\.(.+)$/.exec(source) ?? [];
  if (kind === 'header') return valuesOf(call.headers, name)?.at(-1);
  if (kind === 'querystring') return call.query[name]?.at(-1);
  if (source.startsWith('stageVariables.')) return call.stage.variables[source.slice('stageVariables.'.length)];
  const found = memberAt(contextVariables(call), source.split('.').slice(1));
  return found === undefined || found === null ? undefined : String(found);
}

async function byFunction(call: SocketCall, route: RouteDef): Promise<void> {
  const { api } = call;
  const authorizer = call.served.definition.authorizers[route.AuthorizerId ?? ''];
  if (authorizer === undefined) throw new SocketRefusal(500, 'Internal Server Error');
  for (const source of authorizer.IdentitySource ?? [])
    if ((sourceValue(call, source) ?? '') === '') throw new SocketRefusal(401, 'Unauthorized');
  const event = {
    type: 'REQUEST',
    methodArn: routeArn(call),
    headers: lastValues(call.headers),
    multiValueHeaders: call.headers,
    queryStringParameters: lastValues(call.query),
    multiValueQueryStringParameters: call.query,
    stageVariables: call.stage.variables,
    requestContext: contextVariables(call),
  };
  let text: string;
  try {
    const answer = await askAuthorizerFunction(call, api.id, authorizer, event);
    text = answer.text;
    if (answer.failed)
      throw text.includes('"errorMessage":"Unauthorized"')
        ? new SocketRefusal(401, 'Unauthorized')
        : new SocketRefusal(500, 'Internal Server Error');
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new SocketRefusal(500, 'Internal Server Error');
  }
  await decide(call, text);
}

async function decide(call: SocketCall, text: string): Promise<void> {
  let answer: { principalId?: unknown; policyDocument?: { Statement?: unknown }; context?: Record<string, unknown> } | null;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new SocketRefusal(500, 'Internal Server Error');
  }
  if (answer?.policyDocument?.Statement === undefined) throw new SocketRefusal(500, 'Internal Server Error');
  const statements = [answer.policyDocument.Statement].flat() as object[];
  const resourcePolicy = JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((one) => ({ ...one, Principal: '*' })),
  });
  try {
    const ctx = await call.web.contextOf(anonymousIdentity, call.ctx);
    await ctx.permit({
      action: 'execute-api:Invoke',
      resource: routeArn(call),
      resourceAccount: call.ctx.account,
      resourcePolicy,
    });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new SocketRefusal(403, 'Forbidden');
  }
  call.authorizer = { principalId: answer.principalId, ...answer.context };
}

/** The management API of WebSocket connections: send to them, ask about them, close them ("Use @connections commands in your backend service"). */
import type { ApiGatewayManagementApi } from '@aws-sdk/client-apigatewaymanagementapi';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { type AuthorisationsOf, type Check, defineService, type HandlersOf } from '../../../kernel/service.ts';
import { closeSocket, sendTo } from '../v2/sockets.ts';
import { type ConnectionRow, Connections } from '../v2/state.ts';

/** "Message payload size: 128 KB". */
const messageBytesMax = 128 * 1024;

const gone = (): AwsError => new AwsError('GoneException', '', { status: 410 });

/** A connection of the API whose name the caller used. Throws GoneException. */
async function requireConnection(ctx: Context, id = ''): Promise<ConnectionRow> {
  const row = await ctx.table(Connections).get(id);
  const named = /^https?:\/\/([a-z0-9]+)\.execute-api\./.exec(ctx.caller.endpoint ?? '')?.[1];
  if (row === undefined || (named !== undefined && named !== row.api)) throw gone();
  return row;
}

/** On the connection of the API and stage. */
function onConnection(method: string) {
  return async ({ ConnectionId: id = '' }: { ConnectionId: string | undefined }, ctx: Context): Promise<readonly Check[]> => {
    const row = await ctx.table(Connections).get(id);
    const place = row === undefined ? '*/*' : `${row.api}/${row.stage}`;
    return [
      {
        action: 'execute-api:ManageConnections',
        resource: `arn:aws:execute-api:${ctx.region}:${ctx.account}:${place}/${method}/@connections/${id}`,
      },
    ];
  };
}

const handlers: HandlersOf<ApiGatewayManagementApi> = {
  async PostToConnection(input, ctx) {
    const { id } = await requireConnection(ctx, input.ConnectionId);
    const data = Buffer.from((input.Data as Uint8Array | string | undefined) ?? '');
    if (data.byteLength > messageBytesMax) throw new AwsError('PayloadTooLargeException', 'Message too long', { status: 413 });
    if (!(await sendTo(id, data))) throw gone();
    return {};
  },

  async GetConnection(input, ctx) {
    const row = await requireConnection(ctx, input.ConnectionId);
    return {
      ConnectedAt: new Date(row.connected),
      LastActiveAt: new Date(row.active),
      Identity: { SourceIp: row.sourceIp, UserAgent: row.userAgent },
    };
  },

  async DeleteConnection(input, ctx) {
    const { id } = await requireConnection(ctx, input.ConnectionId);
    if (!closeSocket(id)) throw gone();
    return { $metadata: { httpStatusCode: 204 } } as object;
  },
};

const checks: AuthorisationsOf<ApiGatewayManagementApi> = {
  PostToConnection: onConnection('POST'),
  GetConnection: onConnection('GET'),
  DeleteConnection: onConnection('DELETE'),
};

export default defineService({
  name: 'apigatewaymanagementapi',
  tables: [],
  handlers,
  authorise: checks,
  dataOperations: ['PostToConnection', 'GetConnection', 'DeleteConnection'],
});

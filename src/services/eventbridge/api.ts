/** What EventBridge offers to other services inside the process: its connections, for requests that others send by them. Types only may be imported. */
import type { Context } from '../../kernel/context.ts';
import { parseArn } from '../../base/arn.ts';
import { connectionParts } from './api-calls.ts';
import { requireConnection } from './connections.ts';

/** Headers, query and body members that a connection adds. */
export interface ConnectionParts {
  headers: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  body: Readonly<Record<string, string>>;
}

export interface EventBridgeApi {
  /** ARN of the secret that holds a connection's credentials. Throws ResourceNotFoundException. */
  secretOf(connectionArn: string): Promise<string>;
  /** What the connection adds to a request; the caller has asked whether it may. Throws ResourceNotFoundException, ConnectionNotAuthorized. */
  connect(connectionArn: string): Promise<ConnectionParts>;
}

/** The api over a context of EventBridge's own. */
export function createApi(system: Context): EventBridgeApi {
  const find = async (connectionArn: string) => {
    const arn = parseArn(connectionArn);
    const ctx = system.inScope({ account: arn?.account ?? '', region: arn?.region ?? '' });
    return { ctx, row: await requireConnection(ctx, arn?.resource.split('/')[1] ?? '') };
  };
  return {
    async secretOf(connectionArn) {
      return (await find(connectionArn)).row.secretArn;
    },
    async connect(connectionArn) {
      const { ctx, row } = await find(connectionArn);
      return connectionParts(ctx, row);
    },
  };
}

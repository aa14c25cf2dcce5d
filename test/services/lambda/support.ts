import { IAM } from '@aws-sdk/client-iam';
import { type CreateFunctionCommandInput, Lambda, type InvokeCommandInput, type Runtime } from '@aws-sdk/client-lambda';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import http from 'node:http';
import { expect } from 'vitest';
import { eventually, freshAccount, type TestAccount } from '../../support/cloud.ts';
import { zipOf } from '../../support/zip.ts';

/** A role that Lambda may act by, with these actions on everything. */
async function roleOf(account: TestAccount, name = 'function', actions: readonly string[] = ['*']): Promise<string> {
  const iam = new IAM(account.config());
  const Statement = [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }];
  const { Role } = await iam.createRole({
    RoleName: name,
    AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }),
  });
  await iam.putRolePolicy({
    RoleName: name,
    PolicyName: 'may',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] }),
  });
  return Role?.Arn ?? '';
}

export interface Answer {
  status: number | undefined;
  error: string | undefined;
  body: unknown;
  log: string;
  version: string | undefined;
}

/** An account with a role for functions, and how to make and call them. */
export async function serverless(account = freshAccount(), actions: readonly string[] = ['*']) {
  const lambda = new Lambda(account.config());
  const role = await roleOf(account, 'function', actions);
  const logs = new CloudWatchLogs(account.config());
  const arnOf = (name: string): string => `arn:aws:lambda:us-east-1:${account.id}:function:${name}`;

  /** Resolves when the function takes calls, and no change is under way. */
  const settled = (FunctionName: string): Promise<void> =>
    eventually(
      async () => {
        const { State, LastUpdateStatus } = await lambda.getFunctionConfiguration({ FunctionName });
        expect([State, LastUpdateStatus]).toEqual(['Active', 'Successful']);
      },
      { why: `${FunctionName} is active` },
    );

  /** A function of one file: a module for Node.js, a module for Python, or a program. */
  const make = async (name: string, source: string, more: Partial<CreateFunctionCommandInput> = {}): Promise<string> => {
    const Runtime = (more.Runtime ?? 'nodejs20.x') as Runtime;
    const file = Runtime.startsWith('python') ? 'index.py' : Runtime.startsWith('provided') ? 'bootstrap' : 'index.mjs';
    await lambda.createFunction({
      FunctionName: name,
      Runtime,
      Handler: 'index.handler',
      Role: role,
      Code: { ZipFile: zipOf({ [file]: source }, { bootstrap: 0o100755 }) },
      ...more,
    });
    await settled(name);
    return arnOf(name);
  };

  const call = async (FunctionName: string, event: unknown = {}, more: Partial<InvokeCommandInput> = {}): Promise<Answer> => {
    const { StatusCode, FunctionError, Payload, LogResult, ExecutedVersion } = await lambda.invoke({
      FunctionName,
      Payload: JSON.stringify(event),
      LogType: 'Tail',
      ...more,
    });
    const text = Buffer.from(Payload ?? new Uint8Array()).toString();
    return {
      status: StatusCode,
      error: FunctionError,
      body: text === '' ? undefined : JSON.parse(text),
      log: Buffer.from(LogResult ?? '', 'base64').toString(),
      version: ExecutedVersion,
    };
  };

  /** Lines of a function's log, by stream. */
  const logOf = async (name: string): Promise<string[][]> => {
    const logGroupName = `/aws/lambda/${name}`;
    const { logStreams = [] } = await logs.describeLogStreams({ logGroupName });
    return Promise.all(
      logStreams.map(async ({ logStreamName }) => {
        const { events = [] } = await logs.getLogEvents({ logGroupName, logStreamName, startFromHead: true });
        return events.map(({ message = '' }) => message);
      }),
    );
  };

  return { account, lambda, logs, role, arnOf, settled, make, call, logOf };
}

/** A request to a name under `.localhost`, which every host resolves to itself; here by address. */
export function ask(
  url: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string; pieces: number }> {
  const { host, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path: pathname + search, method, headers: { host, ...headers } },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(pieces).toString(),
            pieces: pieces.length,
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

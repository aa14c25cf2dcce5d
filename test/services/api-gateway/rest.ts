/** Small REST APIs for tests: made by the official client, called as users call them. */
import { request as httpRequest } from 'node:http';
import { APIGateway, type PutIntegrationCommandInput, type PutMethodCommandInput } from '@aws-sdk/client-api-gateway';
import { inject } from 'vitest';
import { freshAccount, type TestAccount } from '../../support/cloud.ts';

export interface Rest {
  account: TestAccount;
  gateway: APIGateway;
  id: string;
  root: string;
}

/** An API with nothing in it, in an account of its own. */
export async function restApi(
  input: Partial<Parameters<APIGateway['createRestApi']>[0]> = {},
  account = freshAccount(),
): Promise<Rest> {
  const gateway = new APIGateway(account.config());
  const made = await gateway.createRestApi({ name: 'api', endpointConfiguration: { types: ['REGIONAL'] }, ...input });
  return { account, gateway, id: made.id ?? '', root: made.rootResourceId ?? '' };
}

/** A resource below another (the root unless told). */
export async function resource({ gateway, id, root }: Rest, pathPart: string, parentId = root): Promise<string> {
  return (await gateway.createResource({ restApiId: id, parentId, pathPart })).id ?? '';
}

type MethodInput = Partial<PutMethodCommandInput> & { resourceId: string; httpMethod: string };
type IntegrationInput = Omit<PutIntegrationCommandInput, 'restApiId' | 'resourceId' | 'httpMethod'>;

/** A method with its integration. */
export async function method({ gateway, id }: Rest, input: MethodInput, integration: IntegrationInput): Promise<void> {
  const at = { restApiId: id, resourceId: input.resourceId, httpMethod: input.httpMethod };
  await gateway.putMethod({ authorizationType: 'NONE', ...input, ...at });
  await gateway.putIntegration({ ...integration, ...at });
}

/** What a method answers with status 200, by a template. */
export async function answers({ gateway, id }: Rest, resourceId: string, httpMethod: string, template = ''): Promise<void> {
  const at = { restApiId: id, resourceId, httpMethod, statusCode: '200' };
  await gateway.putMethodResponse(at);
  await gateway.putIntegrationResponse({ ...at, responseTemplates: { 'application/json': template } });
}

/** A MOCK method that answers 200 by a template. */
export async function mock(
  rest: Rest,
  resourceId: string,
  httpMethod: string,
  template: string,
  more: Partial<MethodInput> = {},
): Promise<void> {
  const requestTemplates = { 'application/json': '{"statusCode": 200}' };
  await method(rest, { ...more, resourceId, httpMethod }, { type: 'MOCK', requestTemplates });
  await answers(rest, resourceId, httpMethod, template);
}

/** Deploys to a stage. */
export async function deploy({ gateway, id }: Rest, stageName = 'prod'): Promise<string> {
  return (await gateway.createDeployment({ restApiId: id, stageName })).id ?? '';
}

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  bytes: Buffer;
}

export interface Sent {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
}

/** A request to an address whose name need not be known to the system: names under .localhost are loopback. */
export function call(url: string, { method: verb = 'GET', headers = {}, body }: Sent = {}): Promise<Reply> {
  const { hostname, port, pathname, search, host } = new URL(url);
  const loopback = hostname.endsWith('.localhost') ? '127.0.0.1' : hostname;
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: loopback, port, path: pathname + search, method: verb, headers: { host, ...headers }, agent: false },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => {
          const bytes = Buffer.concat(pieces);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: bytes.toString('utf8'), bytes });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The address of an API by its own name. */
export function hostUrl(id: string, path: string, endpoint: string = inject('endpoint')): string {
  return `http://${id}.execute-api.us-east-1.localhost:${new URL(endpoint).port}${path}`;
}

/** The address of an API for those without names. */
export function pathUrl(id: string, path: string, endpoint: string = inject('endpoint')): string {
  return `${endpoint}/_aws/execute-api/${id}${path}`;
}

/**
 * One call of an API on its way through the gateway: what came in, what is known of it, and what goes out. `$context` of templates, access logs and
 * events is made of it.
 */
import type { Identity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import type { ClientCertificate, WebRequest } from '../../../kernel/web.ts';
import { gatewayResponseTypes, type GatewayResponseType } from '../gateway-responses.ts';
import type { StageRow } from '../state.ts';
import type { Served } from './snapshots.ts';

/** Values of one name in the order sent. */
export type Multi = Record<string, string[]>;

export interface CallIdentity {
  sourceIp: string;
  userAgent: string;
  apiKey?: string | undefined;
  apiKeyId?: string | undefined;
  accountId?: string | undefined;
  accessKey?: string | undefined;
  caller?: string | undefined;
  user?: string | undefined;
  userArn?: string | undefined;
  principalOrgId?: string | undefined;
  clientCert?: ShownClient | undefined;
}

/** A client's certificate as events and `$context.identity.clientCert` show it. */
interface ShownClient {
  clientCertPem: string;
  subjectDN: string;
  issuerDN: string;
  serialNumber: string;
  validity: { notBefore: string; notAfter: string };
}

/** The certificate that came with a call. */
export function clientOf(shown: ClientCertificate | undefined): ShownClient | undefined {
  return shown === undefined || shown.problem !== undefined
    ? undefined
    : {
        clientCertPem: shown.pem,
        subjectDN: shown.subject,
        issuerDN: shown.issuer,
        serialNumber: shown.serialNumber,
        validity: { notBefore: shown.notBefore, notAfter: shown.notAfter },
      };
}

export interface Call {
  /** In the API's account and Region, as the service. */
  ctx: Context;
  web: WebRequest;
  api: string;
  stage: StageRow;
  /** Of the stage, with a canary's in their place. */
  variables: Record<string, string>;
  served: Served;
  method: string;
  /** After the stage, percent-encoded. */
  path: string;
  /** With the stage, or with the base path of a custom domain. */
  fullPath: string;
  resourceId: string;
  resourcePath: string;
  pathParameters: Record<string, string>;
  query: Multi;
  /** Names as sent. */
  headers: Multi;
  body: Buffer;
  requestId: string;
  extendedRequestId: string;
  domainName: string;
  identity: CallIdentity;
  /** Whoever signed the call. */
  signer?: Identity | undefined;
  /** What a Lambda authorizer gave. */
  authorizer?: Record<string, unknown> | undefined;
  canary: boolean;
  /** Whether the stage's cache had the answer, where there is one. */
  cache?: 'hit' | 'miss' | undefined;
  /** `$context.error` of a call that the gateway refused. */
  refused?: Record<string, string> | undefined;
  /** Facts of the integration, for logs. */
  integration: { status?: number | undefined; latency?: number | undefined; requestId?: string | undefined };
  /** Lines of the execution log. */
  log: (line: string) => void;
}

export interface Answer {
  status: number;
  headers: Multi;
  body: Buffer;
}

/** The gateway's own refusal. */
export class Refusal extends Error {
  readonly type: GatewayResponseType;
  readonly errorType: string;
  /** Of `$context.error.validationErrorString`. */
  readonly detail: string | undefined;
  readonly status: number;

  constructor(
    type: GatewayResponseType,
    message: string,
    { errorType, detail, status }: { errorType?: string; detail?: string; status?: number } = {},
  ) {
    super(message);
    this.type = type;
    this.errorType = errorType ?? errorTypes[type] ?? 'BadRequestException';
    this.detail = detail;
    this.status = status ?? gatewayResponseTypes[type] ?? 500;
  }
}

/** What `x-amzn-ErrorType` says. */
const errorTypes: Partial<Record<GatewayResponseType, string>> = {
  ACCESS_DENIED: 'AccessDeniedException',
  API_CONFIGURATION_ERROR: 'InternalServerErrorException',
  AUTHORIZER_CONFIGURATION_ERROR: 'InternalServerErrorException',
  AUTHORIZER_FAILURE: 'InternalServerErrorException',
  DEFAULT_5XX: 'InternalServerErrorException',
  EXPIRED_TOKEN: 'ExpiredTokenException',
  INTEGRATION_FAILURE: 'GatewayTimeoutException',
  INTEGRATION_TIMEOUT: 'GatewayTimeoutException',
  INVALID_API_KEY: 'ForbiddenException',
  INVALID_SIGNATURE: 'InvalidSignatureException',
  MISSING_AUTHENTICATION_TOKEN: 'MissingAuthenticationTokenException',
  QUOTA_EXCEEDED: 'LimitExceededException',
  REQUEST_TOO_LARGE: 'RequestEntityTooLargeException',
  THROTTLED: 'TooManyRequestsException',
  UNAUTHORIZED: 'UnauthorizedException',
  UNSUPPORTED_MEDIA_TYPE: 'UnsupportedMediaTypeException',
};

/** A failure that is the configuration's or the backend's: "Internal server error". */
export function internalError(reason: string, call?: Pick<Call, 'log'>): Refusal {
  call?.log(reason);
  return new Refusal('API_CONFIGURATION_ERROR', 'Internal server error');
}

/** Headers of a request by name as sent, with all their values. */
export function multiHeaders(raw: readonly string[]): Multi {
  const headers: Multi = {};
  const names = new Map<string, string>();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    const shown = names.get(name.toLowerCase()) ?? name;
    names.set(name.toLowerCase(), shown);
    headers[shown] = [...(headers[shown] ?? []), raw[index + 1] ?? ''];
  }
  return headers;
}

/** Query parameters by name with all their values. */
export function multiQuery(query: readonly (readonly [string, string])[]): Multi {
  const values: Multi = {};
  for (const [name, value] of query) values[name] = [...(Object.hasOwn(values, name) ? (values[name] ?? []) : []), value];
  return values;
}

/** The last value of each name, as REST APIs show single values. */
export function lastValues(values: Multi): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, all]) => [name, all.at(-1) ?? '']));
}

/** Values of a header in any case. */
export function valuesOf(headers: Multi, name: string): string[] | undefined {
  const wanted = name.toLowerCase();
  for (const [own, values] of Object.entries(headers)) if (own.toLowerCase() === wanted) return values;
  return undefined;
}

/** Sets a header in place of those of its name in any case. */
export function setHeader(headers: Multi, name: string, values: string[]): void {
  const wanted = name.toLowerCase();
  for (const own of Object.keys(headers)) if (own.toLowerCase() === wanted) delete headers[own];
  headers[name] = values;
}

/** Numbers are printed as the gateway prints times: `21/Nov/2026:06:10:34 +0000`. */
function formatClf(at: number): string {
  const [date = '', time = ''] = new Date(at).toISOString().split('T');
  const [year, month, day] = date.split('-');
  const name = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'][Number(month) - 1];
  return `${day}/${name}/${year}:${time.slice(0, 8)} +0000`;
}

/** `$context` of a call ("$context Variables for data models, authorizers, mapping templates, and CloudWatch access logging"). */
export function contextVariables(call: Call): Record<string, unknown> {
  const { identity } = call;
  return {
    accountId: call.ctx.account,
    apiId: call.api,
    authorizer: call.authorizer ?? {},
    awsEndpointRequestId: call.integration.requestId ?? '',
    domainName: call.domainName,
    domainPrefix: call.domainName.split('.')[0] ?? '',
    extendedRequestId: call.extendedRequestId,
    httpMethod: call.method,
    identity: {
      accessKey: null,
      accountId: null,
      apiKey: null,
      apiKeyId: null,
      caller: null,
      cognitoAuthenticationProvider: null,
      cognitoAuthenticationType: null,
      cognitoIdentityId: null,
      cognitoIdentityPoolId: null,
      principalOrgId: null,
      user: null,
      userArn: null,
      ...identity,
    },
    isCanaryRequest: String(call.canary),
    path: call.fullPath,
    protocol: 'HTTP/1.1',
    requestId: call.requestId,
    requestTime: formatClf(call.ctx.now),
    requestTimeEpoch: call.ctx.now,
    resourceId: call.resourceId,
    resourcePath: call.resourcePath,
    stage: call.stage.name,
    responseOverride: { header: {}, status: null },
    requestOverride: { header: {}, path: {}, querystring: {} },
  };
}

/** A member of nested data by a dotted path; undefined when there is none. */
export function memberAt(data: unknown, path: readonly string[]): unknown {
  let found = data;
  for (const name of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

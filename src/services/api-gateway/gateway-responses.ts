/** Gateway responses: what the gateway answers by itself, by type ("Gateway response types for API Gateway"): status and standard body. */
import type { GatewayResponse } from '@aws-sdk/client-api-gateway';

/** Status by type; the two defaults have none of their own. */
export const gatewayResponseTypes = {
  ACCESS_DENIED: 403,
  API_CONFIGURATION_ERROR: 500,
  AUTHORIZER_CONFIGURATION_ERROR: 500,
  AUTHORIZER_FAILURE: 500,
  BAD_REQUEST_BODY: 400,
  BAD_REQUEST_PARAMETERS: 400,
  DEFAULT_4XX: undefined,
  DEFAULT_5XX: undefined,
  EXPIRED_TOKEN: 403,
  INTEGRATION_FAILURE: 504,
  INTEGRATION_TIMEOUT: 504,
  INVALID_API_KEY: 403,
  INVALID_SIGNATURE: 403,
  MISSING_AUTHENTICATION_TOKEN: 403,
  QUOTA_EXCEEDED: 429,
  REQUEST_TOO_LARGE: 413,
  RESOURCE_NOT_FOUND: 404,
  THROTTLED: 429,
  UNAUTHORIZED: 401,
  UNSUPPORTED_MEDIA_TYPE: 415,
  WAF_FILTERED: 403,
} as const satisfies Record<string, number | undefined>;

export type GatewayResponseType = keyof typeof gatewayResponseTypes;

/** The response of a type as it is without anybody's doing. */
export function standardResponse(type: string): GatewayResponse {
  const status = gatewayResponseTypes[type as GatewayResponseType];
  return {
    responseType: type as GatewayResponseType,
    statusCode: status === undefined ? undefined : String(status),
    responseParameters: {},
    responseTemplates: { 'application/json': '{"message":$context.error.messageString}' },
  };
}

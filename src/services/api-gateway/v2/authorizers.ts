/** Authorizers of HTTP and WebSocket APIs: JSON web tokens, and Lambda functions that see the request. */
import type { ApiGatewayV2, Authorizer } from '@aws-sdk/client-apigatewayv2';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict } from '../errors.ts';
import { changeDefinition, given, pageItems, readDefinition, requireApi, requirePart } from './lookup.ts';

/** Throws BadRequestException for an authorizer that cannot be. */
export function checkAuthorizer(authorizer: Authorizer, protocol: string): Authorizer {
  const { AuthorizerType: type, IdentitySource: sources = [], AuthorizerResultTtlInSeconds: ttl } = authorizer;
  if (type === 'JWT') {
    if (protocol !== 'HTTP') throw badRequest('JWT authorizers are supported for HTTP APIs only');
    const { Issuer: issuer, Audience: audience = [] } = authorizer.JwtConfiguration ?? {};
    if (issuer === undefined || !/^https:\/\/.+/.test(issuer))
      throw badRequest('Invalid issuer: it must be a URL that begins with https://');
    if (audience.length === 0) throw badRequest('Audience is required for JWT authorizers');
    if (sources.length !== 1) throw badRequest('JWT authorizers need one identity source');
  } else if (type === 'REQUEST') {
    if (!/^arn:aws[a-z-]*:apigateway:[^:]+:lambda:path\/.+\/invocations$/.test(authorizer.AuthorizerUri ?? ''))
      throw badRequest('Invalid Authorizer URI');
    if (protocol === 'HTTP' && !['1.0', '2.0'].includes(authorizer.AuthorizerPayloadFormatVersion ?? ''))
      throw badRequest('AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer');
    if (authorizer.EnableSimpleResponses === true && authorizer.AuthorizerPayloadFormatVersion !== '2.0')
      throw badRequest('Simple responses are supported for payload format version 2.0 only');
  } else throw badRequest(`Invalid authorizer type specified: ${String(type)}`);
  if (ttl !== undefined && (ttl < 0 || ttl > 3600)) throw badRequest('Authorizer result TTL must be between 0 and 3600 seconds');
  const form =
    protocol === 'HTTP'
      ? /^\$(request\.(header|querystring)|context|stageVariables)\..+$/
      : /^(route\.request\.(header|querystring)|context|stageVariables)\..+$/;
  for (const source of sources) if (!form.test(source)) throw badRequest(`Invalid identity source: ${source}`);
  return authorizer;
}

export const authorizerHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateAuthorizer(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    if (input.IdentityValidationExpression !== undefined)
      throw parameterNotImplemented('CreateAuthorizer', 'IdentityValidationExpression');
    const authorizer = checkAuthorizer(
      { ...given(input, ['ApiId']), Name: input.Name, AuthorizerId: ctx.id('gatewayPart') },
      protocol,
    );
    return changeDefinition(ctx, input.ApiId, (draft) => {
      if (Object.values(draft.authorizers).some(({ Name }) => Name === input.Name))
        throw badRequest(`Authorizer name already exists for this API: ${input.Name}`);
      draft.authorizers[authorizer.AuthorizerId ?? ''] = authorizer;
      return authorizer;
    });
  },

  async GetAuthorizer(input, ctx) {
    return requirePart((await readDefinition(ctx, input.ApiId)).authorizers, 'Authorizer', input.AuthorizerId);
  },

  async GetAuthorizers(input, ctx) {
    const { authorizers } = await readDefinition(ctx, input.ApiId);
    return pageItems(`GetAuthorizers ${input.ApiId}`, Object.values(authorizers), ({ AuthorizerId = '' }) => AuthorizerId, input);
  },

  async UpdateAuthorizer(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    if (input.IdentityValidationExpression !== undefined)
      throw parameterNotImplemented('UpdateAuthorizer', 'IdentityValidationExpression');
    return changeDefinition(ctx, input.ApiId, (draft) => {
      const before = requirePart(draft.authorizers, 'Authorizer', input.AuthorizerId);
      const changed = checkAuthorizer(
        { ...before, ...(given(input, ['ApiId', 'AuthorizerId']) as Partial<Authorizer>) },
        protocol,
      );
      draft.authorizers[input.AuthorizerId ?? ''] = changed;
      return changed;
    });
  },

  async DeleteAuthorizer(input, ctx) {
    await changeDefinition(ctx, input.ApiId, (draft) => {
      requirePart(draft.authorizers, 'Authorizer', input.AuthorizerId);
      const user = Object.values(draft.routes).find(({ AuthorizerId }) => AuthorizerId === input.AuthorizerId);
      if (user !== undefined)
        throw conflict(`Cannot delete authorizer '${input.AuthorizerId}', it is referenced by route '${user.RouteKey}'`);
      delete draft.authorizers[input.AuthorizerId ?? ''];
    });
    return {};
  },
};

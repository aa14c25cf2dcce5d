/** Authorizers of an API. Those of Cognito are refused until there are user pools. */
import type { APIGateway, Authorizer } from '@aws-sdk/client-api-gateway';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, noSuch } from '../errors.ts';
import { changeDefinition, pageItems, readDefinition } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import type { Definition } from '../state.ts';

/** "authorizerResultTtlInSeconds: the default value is 300, the maximum value is 3600". */
const ttlSecondsDefault = 300;
const ttlSecondsMax = 3600;

function requireAuthorizer({ authorizers }: Definition, id = ''): Authorizer {
  const found = Object.hasOwn(authorizers, id) ? authorizers[id] : undefined;
  if (found === undefined) throw noSuch('Authorizer');
  return found;
}

function checkAuthorizer(authorizer: Authorizer): Authorizer {
  const { type, authorizerUri, identitySource, authorizerResultTtlInSeconds: ttl = ttlSecondsDefault } = authorizer;
  if (type === 'COGNITO_USER_POOLS') throw parameterNotImplemented('CreateAuthorizer', 'type COGNITO_USER_POOLS');
  if (type !== 'TOKEN' && type !== 'REQUEST')
    throw badRequest(`Invalid authorizer type specified: ${String(type)}. Valid values are: TOKEN, REQUEST, COGNITO_USER_POOLS`);
  if (authorizerUri === undefined || !/^arn:aws[a-z-]*:apigateway:[^:]+:lambda:path\/.+\/invocations$/.test(authorizerUri))
    throw badRequest('Invalid Authorizer URI');
  if (ttl < 0 || ttl > ttlSecondsMax) throw badRequest('Authorizer result TTL must be between 0 and 3600 seconds');
  if (type === 'TOKEN' && !/^method\.request\.header\.[\w!#$%&'*+.^`|~-]+$/.test(identitySource ?? ''))
    throw badRequest('Invalid Authorizer identity source: TOKEN authorizers need one header');
  if (type === 'REQUEST' && ttl > 0 && (identitySource === undefined || identitySource === ''))
    throw badRequest('Identity source is required for REQUEST authorizers when caching is enabled');
  for (const source of (identitySource ?? '').split(',').filter((item) => item !== ''))
    if (!/^(method\.request\.(header|querystring)\.|context\.|stageVariables\.).+$/.test(source.trim()))
      throw badRequest(`Invalid mapping expression specified: ${source}`);
  return { ...authorizer, authorizerResultTtlInSeconds: ttl };
}

export const authorizerHandlers: HandlersOf<APIGateway> = {
  async CreateAuthorizer(input, ctx) {
    const authorizer = checkAuthorizer({
      id: ctx.id('gatewayPart'),
      name: input.name,
      type: input.type,
      authType: input.authType ?? 'custom',
      authorizerUri: input.authorizerUri,
      authorizerCredentials: input.authorizerCredentials,
      identitySource: input.identitySource,
      identityValidationExpression: input.identityValidationExpression,
      authorizerResultTtlInSeconds: input.authorizerResultTtlInSeconds,
    });
    return changeDefinition(ctx, input.restApiId, (draft) => {
      if (Object.values(draft.authorizers).some(({ name }) => name === input.name))
        throw badRequest('Authorizer name must be unique. Authorizer with this name already exists in this RestApi.');
      draft.authorizers[authorizer.id ?? ''] = authorizer;
      return authorizer;
    });
  },

  async GetAuthorizer(input, ctx) {
    return requireAuthorizer(await readDefinition(ctx, input.restApiId), input.authorizerId);
  },

  async GetAuthorizers(input, ctx) {
    const { authorizers } = await readDefinition(ctx, input.restApiId);
    return pageItems(`GetAuthorizers ${input.restApiId}`, Object.values(authorizers), ({ id = '' }) => id, input);
  },

  async UpdateAuthorizer(input, ctx) {
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const changed = checkAuthorizer(
        applyPatch(requireAuthorizer(draft, input.authorizerId), input.patchOperations, {
          '/name': 'text',
          '/type': 'text',
          '/authType': 'text',
          '/authorizerUri': 'text',
          '/authorizerCredentials': 'text',
          '/identitySource': 'text',
          '/identityValidationExpression': 'text',
          '/authorizerResultTtlInSeconds': 'number',
        }),
      );
      draft.authorizers[input.authorizerId ?? ''] = changed;
      return changed;
    });
  },

  async DeleteAuthorizer(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      const { id = '' } = requireAuthorizer(draft, input.authorizerId);
      for (const { path, methods } of Object.values(draft.resources))
        for (const [verb, method] of Object.entries(methods))
          if (method.authorizerId === id)
            throw conflict(`Cannot delete authorizer '${id}', is referenced in method: ${path}/${verb}`);
      delete draft.authorizers[id];
    });
    return {};
  },
};

/** Authorizers of an API: functions, and user pools of Cognito. */
import type { APIGateway, Authorizer } from '@aws-sdk/client-api-gateway';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { CognitoApi } from '../../cognito-identity-provider/api.ts';
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

const headerSource = /^method\.request\.header\.[\w!#$%&'*+.^`|~-]+$/;

/** Throws BadRequestException for what an authorizer may not be. Whether its pools are there is asked beside (`checkPools`). */
function checkAuthorizer(authorizer: Authorizer): Authorizer {
  const { type, authorizerUri, identitySource, authorizerResultTtlInSeconds: ttl = ttlSecondsDefault } = authorizer;
  if (type === 'COGNITO_USER_POOLS') {
    if ((authorizer.providerARNs ?? []).length === 0) throw badRequest('Authorizer must have at least one provider ARN');
    if (!headerSource.test(identitySource ?? ''))
      throw badRequest('Invalid Authorizer identity source: COGNITO_USER_POOLS authorizers need one header');
    if (ttl < 0 || ttl > ttlSecondsMax) throw badRequest('Authorizer result TTL must be between 0 and 3600 seconds');
    return { ...authorizer, authType: 'cognito_user_pools', authorizerResultTtlInSeconds: ttl };
  }
  if (type !== 'TOKEN' && type !== 'REQUEST')
    throw badRequest(`Invalid authorizer type specified: ${String(type)}. Valid values are: TOKEN, REQUEST, COGNITO_USER_POOLS`);
  if (authorizerUri === undefined || !/^arn:aws[a-z-]*:apigateway:[^:]+:lambda:path\/.+\/invocations$/.test(authorizerUri))
    throw badRequest('Invalid Authorizer URI');
  if (ttl < 0 || ttl > ttlSecondsMax) throw badRequest('Authorizer result TTL must be between 0 and 3600 seconds');
  if (type === 'TOKEN' && !headerSource.test(identitySource ?? ''))
    throw badRequest('Invalid Authorizer identity source: TOKEN authorizers need one header');
  if (type === 'REQUEST' && ttl > 0 && (identitySource === undefined || identitySource === ''))
    throw badRequest('Identity source is required for REQUEST authorizers when caching is enabled');
  for (const source of (identitySource ?? '').split(',').filter((item) => item !== ''))
    if (!/^(method\.request\.(header|querystring)\.|context\.|stageVariables\.).+$/.test(source.trim()))
      throw badRequest(`Invalid mapping expression specified: ${source}`);
  return { ...authorizer, authorizerResultTtlInSeconds: ttl };
}

/** Throws BadRequestException for user pools that are not there. */
async function checkPools(ctx: Context, arns: readonly string[] | undefined): Promise<void> {
  if (arns === undefined || arns.length === 0) return;
  const pools = await ctx.internal<CognitoApi>('cognito-identity-provider');
  for (const arn of arns) if (!(await pools.hasPool(arn))) throw badRequest(`Invalid Cognito User Pool ARN: ${arn}`);
}

export const authorizerHandlers: HandlersOf<APIGateway> = {
  async CreateAuthorizer(input, ctx) {
    const authorizer = checkAuthorizer({
      id: ctx.id('gatewayPart'),
      name: input.name,
      type: input.type,
      authType: input.authType ?? 'custom',
      providerARNs: input.providerARNs,
      authorizerUri: input.authorizerUri,
      authorizerCredentials: input.authorizerCredentials,
      identitySource: input.identitySource,
      identityValidationExpression: input.identityValidationExpression,
      authorizerResultTtlInSeconds: input.authorizerResultTtlInSeconds,
    });
    await checkPools(ctx, authorizer.providerARNs);
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
    await checkPools(
      ctx,
      (input.patchOperations ?? [])
        .filter(({ op, path }) => op === 'add' && path === '/providerARNs')
        .map(({ value = '' }) => value),
    );
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const changed = checkAuthorizer(
        applyPatch(requireAuthorizer(draft, input.authorizerId), input.patchOperations, {
          '/name': 'text',
          '/type': 'text',
          '/authType': 'text',
          '/providerARNs': 'list',
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

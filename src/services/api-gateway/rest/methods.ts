/** Methods of resources and what they answer with (method responses). */
import type { APIGateway, Method, MethodResponse } from '@aws-sdk/client-api-gateway';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, noSuch, notFound } from '../errors.ts';
import { changeDefinition, readDefinition, requireResource } from '../lookup.ts';
import { applyPatch, type PatchRules } from '../patch.ts';
import type { Definition } from '../state.ts';

const verbs = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'ANY'];
const requestParameterForm = /^method\.request\.(?:path|querystring|header|multivaluequerystring|multivalueheader)\..+$/;

/** A method of a resource. Throws NotFoundException. */
export function requireMethod(definition: Definition, resourceId: string | undefined, verb = ''): Method {
  const { methods } = requireResource(definition, resourceId);
  const found = Object.hasOwn(methods, verb) ? methods[verb] : undefined;
  if (found === undefined) throw noSuch('Method');
  return found;
}

/** Checks what a method says of itself. Throws BadRequestException, NotFoundException. */
export function checkMethod(draft: Definition, method: Method): Method {
  const { authorizationType = 'NONE', authorizerId } = method;
  if (!['NONE', 'AWS_IAM', 'CUSTOM', 'COGNITO_USER_POOLS'].includes(authorizationType))
    throw badRequest('Invalid authorization type specified. Valid values are: [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS]');
  if (authorizationType === 'CUSTOM' || authorizationType === 'COGNITO_USER_POOLS') {
    const authorizer = authorizerId === undefined ? undefined : draft.authorizers[authorizerId];
    if (authorizer === undefined)
      throw badRequest(
        'Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.',
      );
    if ((authorizer.type === 'COGNITO_USER_POOLS') !== (authorizationType === 'COGNITO_USER_POOLS'))
      throw badRequest('Authorizer type and Auth type mismatch');
  }
  for (const model of Object.values(method.requestModels ?? {}))
    if (!Object.hasOwn(draft.models, model)) throw badRequest(`Invalid model identifier specified: ${model}`);
  for (const name of Object.keys(method.requestParameters ?? {}))
    if (!requestParameterForm.test(name)) throw badRequest(`Invalid mapping expression specified: ${name}`);
  if (method.requestValidatorId !== undefined && !Object.hasOwn(draft.validators, method.requestValidatorId))
    throw badRequest(`Invalid Request Validator identifier specified`);
  return method;
}

function checkMethodResponse(draft: Definition, response: MethodResponse): MethodResponse {
  for (const model of Object.values(response.responseModels ?? {}))
    if (!Object.hasOwn(draft.models, model)) throw badRequest(`Invalid model identifier specified: ${model}`);
  for (const name of Object.keys(response.responseParameters ?? {}))
    if (!/^method\.response\.(?:header|multivalueheader)\..+$/.test(name))
      throw badRequest(
        `Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: ${name}]`,
      );
  return response;
}

/** Throws BadRequestException for what is no status code. */
export function checkStatusCode(code = ''): string {
  if (!/^[1-5]\d\d$/.test(code)) throw badRequest(`Invalid status code specified: ${code}`);
  return code;
}

function requireMethodResponse(method: Method, code = ''): MethodResponse {
  const found = method.methodResponses?.[code];
  if (found === undefined) throw notFound('Invalid Response status code specified');
  return found;
}

const methodRules: PatchRules<Method> = {
  '/authorizationType'(draft, { value }) {
    draft.authorizationType = value;
    if (value === 'NONE' || value === 'AWS_IAM') delete draft.authorizerId;
  },
  '/authorizerId': 'text',
  '/apiKeyRequired': 'boolean',
  '/operationName': 'text',
  '/requestValidatorId'(draft, { op, value }) {
    if (op === 'remove' || value === '') delete draft.requestValidatorId;
    else draft.requestValidatorId = value;
  },
  '/requestParameters/*': 'boolean',
  '/requestModels/*': 'text',
  '/authorizationScopes': 'list',
};

export const methodHandlers: HandlersOf<APIGateway> = {
  async PutMethod(input, ctx) {
    const verb = input.httpMethod ?? '';
    if (!verbs.includes(verb))
      throw badRequest('Invalid HttpMethod specified. Valid options are GET, PUT, POST, DELETE, PATCH, OPTIONS, HEAD, ANY');
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const { methods } = requireResource(draft, input.resourceId);
      if (Object.hasOwn(methods, verb)) throw conflict('Method already exists for this resource');
      const method: Method = {
        httpMethod: verb,
        authorizationType: input.authorizationType,
        authorizerId: input.authorizerId,
        apiKeyRequired: input.apiKeyRequired ?? false,
        operationName: input.operationName,
        requestParameters: input.requestParameters,
        requestModels: input.requestModels,
        requestValidatorId: input.requestValidatorId,
        authorizationScopes: input.authorizationScopes,
      };
      methods[verb] = checkMethod(draft, method);
      return method;
    });
  },

  async GetMethod(input, ctx) {
    return requireMethod(await readDefinition(ctx, input.restApiId), input.resourceId, input.httpMethod);
  },

  async UpdateMethod(input, ctx) {
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      const changed = checkMethod(draft, applyPatch(method, input.patchOperations, methodRules));
      requireResource(draft, input.resourceId).methods[input.httpMethod ?? ''] = changed;
      return changed;
    });
  },

  async DeleteMethod(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      requireMethod(draft, input.resourceId, input.httpMethod);
      delete requireResource(draft, input.resourceId).methods[input.httpMethod ?? ''];
    });
    return {};
  },

  async PutMethodResponse(input, ctx) {
    const statusCode = checkStatusCode(input.statusCode);
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      if (method.methodResponses?.[statusCode] !== undefined) throw conflict('Response already exists for this resource');
      const response = checkMethodResponse(draft, {
        statusCode,
        responseParameters: input.responseParameters,
        responseModels: input.responseModels,
      });
      method.methodResponses = { ...method.methodResponses, [statusCode]: response };
      return response;
    });
  },

  async GetMethodResponse(input, ctx) {
    const definition = await readDefinition(ctx, input.restApiId);
    return requireMethodResponse(requireMethod(definition, input.resourceId, input.httpMethod), input.statusCode);
  },

  async UpdateMethodResponse(input, ctx) {
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      const changed = applyPatch(requireMethodResponse(method, input.statusCode), input.patchOperations, {
        '/responseParameters/*': 'boolean',
        '/responseModels/*': 'text',
      });
      method.methodResponses = { ...method.methodResponses, [input.statusCode ?? '']: checkMethodResponse(draft, changed) };
      return changed;
    });
  },

  async DeleteMethodResponse(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      requireMethodResponse(method, input.statusCode);
      delete method.methodResponses?.[input.statusCode ?? ''];
    });
    return {};
  },
};

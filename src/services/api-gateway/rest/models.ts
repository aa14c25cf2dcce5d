/** Models (JSON schemas of payloads), request validators and gateway responses of an API. */
import type { APIGateway, GatewayResponse, Model } from '@aws-sdk/client-api-gateway';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, noSuch, notFound } from '../errors.ts';
import { changeDefinition, pageItems, readDefinition } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import type { Definition } from '../state.ts';
import { gatewayResponseTypes, standardResponse } from '../gateway-responses.ts';

/** "Error" and "Empty" come with every API. */
export function defaultModels(id: () => string): Record<string, Model> {
  const schema = (title: string, rest: object): string =>
    JSON.stringify({ $schema: 'http://json-schema.org/draft-04/schema#', title, type: 'object', ...rest }, undefined, 2);
  return {
    Empty: {
      id: id(),
      name: 'Empty',
      description: 'This is a default empty schema model',
      schema: schema('Empty Schema', {}),
      contentType: 'application/json',
    },
    Error: {
      id: id(),
      name: 'Error',
      description: 'This is a default error schema model',
      schema: schema('Error Schema', { properties: { message: { type: 'string' } } }),
      contentType: 'application/json',
    },
  };
}

function requireModel({ models }: Definition, name = ''): Model {
  const found = Object.hasOwn(models, name) ? models[name] : undefined;
  if (found === undefined) throw notFound(`Invalid model name specified: ${name}`);
  return found;
}

function checkSchema(schema: string | undefined): void {
  if (schema === undefined || schema === '') return;
  try {
    const parsed: unknown = JSON.parse(schema);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return;
  } catch {
    // Said below.
  }
  throw badRequest(
    'Model schema must be valid JSON: Invalid model schema specified: Validation Result: warnings : [], errors : [Invalid model schema specified.]',
  );
}

/** Methods that name a model, of which it cannot be deleted. */
function usersOf({ resources }: Definition, model: string): string | undefined {
  for (const { path, methods } of Object.values(resources))
    for (const [verb, method] of Object.entries(methods)) {
      const responses = Object.values(method.methodResponses ?? {}).flatMap(({ responseModels }) =>
        Object.values(responseModels ?? {}),
      );
      if ([...Object.values(method.requestModels ?? {}), ...responses].includes(model)) return `${path}/${verb}`;
    }
  return undefined;
}

function requireValidator({ validators }: Definition, id = '') {
  const found = Object.hasOwn(validators, id) ? validators[id] : undefined;
  if (found === undefined) throw noSuch('Request Validator');
  return found;
}

function checkResponseType(type = ''): string {
  if (!Object.hasOwn(gatewayResponseTypes, type))
    throw badRequest(
      `Invalid response type specified: ${type}. Valid types are: ${Object.keys(gatewayResponseTypes).join(', ')}`,
    );
  return type;
}

function shownResponse(definition: Definition, type: string): GatewayResponse {
  return definition.gatewayResponses[type] ?? { ...standardResponse(type), defaultResponse: true };
}

function checkStatus(response: GatewayResponse): GatewayResponse {
  if (response.statusCode !== undefined && !/^[1-5]\d\d$/.test(response.statusCode))
    throw badRequest(`Invalid status code specified: ${response.statusCode}`);
  for (const [name, value] of Object.entries(response.responseParameters ?? {})) {
    const known = /^gatewayresponse\.header\.[\w!#$%&'*+.^`|~-]+$/.test(name);
    if (!known || !/^'.*'$|^(method\.request|context|stageVariables)\./.test(value))
      throw badRequest(`Invalid response parameter mapping specified: ${name}, ${value}`);
  }
  return response;
}

export const modelHandlers: HandlersOf<APIGateway> = {
  async CreateModel(input, ctx) {
    const { name = '', description, schema, contentType } = input;
    if (!/^[A-Za-z0-9]+$/.test(name)) throw badRequest('Model name must be alphanumeric: [a-zA-Z0-9]');
    checkSchema(schema);
    const model: Model = { id: ctx.id('gatewayPart'), name, description, schema, contentType };
    return changeDefinition(ctx, input.restApiId, (draft) => {
      if (Object.hasOwn(draft.models, name)) throw conflict('Model name already exists for this REST API');
      draft.models[name] = model;
      return model;
    });
  },

  async GetModel(input, ctx) {
    return requireModel(await readDefinition(ctx, input.restApiId), input.modelName);
  },

  async GetModels(input, ctx) {
    const { models } = await readDefinition(ctx, input.restApiId);
    return pageItems(`GetModels ${input.restApiId}`, Object.values(models), ({ name = '' }) => name, input);
  },

  async UpdateModel(input, ctx) {
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const model = requireModel(draft, input.modelName);
      const changed = applyPatch(model, input.patchOperations, { '/description': 'text', '/schema': 'text' });
      checkSchema(changed.schema);
      draft.models[input.modelName ?? ''] = changed;
      return changed;
    });
  },

  async DeleteModel(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      const { name = '' } = requireModel(draft, input.modelName);
      const user = usersOf(draft, name);
      if (user !== undefined) throw conflict(`Cannot delete model '${name}', is referenced in method request: ${user}`);
      delete draft.models[name];
    });
    return {};
  },

  async CreateRequestValidator(input, ctx) {
    const validator = {
      id: ctx.id('gatewayPart'),
      name: input.name,
      validateRequestBody: input.validateRequestBody ?? false,
      validateRequestParameters: input.validateRequestParameters ?? false,
    };
    return changeDefinition(ctx, input.restApiId, (draft) => {
      draft.validators[validator.id] = validator;
      return validator;
    });
  },

  async GetRequestValidator(input, ctx) {
    return requireValidator(await readDefinition(ctx, input.restApiId), input.requestValidatorId);
  },

  async GetRequestValidators(input, ctx) {
    const { validators } = await readDefinition(ctx, input.restApiId);
    return pageItems(`GetRequestValidators ${input.restApiId}`, Object.values(validators), ({ id = '' }) => id, input);
  },

  async UpdateRequestValidator(input, ctx) {
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const changed = applyPatch(requireValidator(draft, input.requestValidatorId), input.patchOperations, {
        '/name': 'text',
        '/validateRequestBody': 'boolean',
        '/validateRequestParameters': 'boolean',
      });
      draft.validators[input.requestValidatorId ?? ''] = changed;
      return changed;
    });
  },

  async DeleteRequestValidator(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      const { id = '' } = requireValidator(draft, input.requestValidatorId);
      delete draft.validators[id];
    });
    return {};
  },

  async PutGatewayResponse(input, ctx) {
    const type = checkResponseType(input.responseType);
    const standard = standardResponse(type);
    const response = checkStatus({
      responseType: input.responseType,
      statusCode: input.statusCode ?? standard.statusCode,
      responseParameters: input.responseParameters ?? {},
      responseTemplates: input.responseTemplates ?? {},
      defaultResponse: false,
    });
    return changeDefinition(ctx, input.restApiId, (draft) => {
      draft.gatewayResponses[type] = response;
      return response;
    });
  },

  async GetGatewayResponse(input, ctx) {
    return shownResponse(await readDefinition(ctx, input.restApiId), checkResponseType(input.responseType));
  },

  async GetGatewayResponses(input, ctx) {
    const definition = await readDefinition(ctx, input.restApiId);
    const all = Object.keys(gatewayResponseTypes).map((type) => shownResponse(definition, type));
    return pageItems(`GetGatewayResponses ${input.restApiId}`, all, ({ responseType = '' }) => responseType, input);
  },

  async UpdateGatewayResponse(input, ctx) {
    const type = checkResponseType(input.responseType);
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const changed = applyPatch(shownResponse(draft, type), input.patchOperations, {
        '/statusCode': 'text',
        '/responseParameters/*': 'text',
        '/responseTemplates/*': 'text',
      });
      draft.gatewayResponses[type] = checkStatus({ ...changed, defaultResponse: false });
      return draft.gatewayResponses[type];
    });
  },

  async DeleteGatewayResponse(input, ctx) {
    const type = checkResponseType(input.responseType);
    await changeDefinition(ctx, input.restApiId, (draft) => {
      if (!Object.hasOwn(draft.gatewayResponses, type)) throw noSuch('GatewayResponse');
      delete draft.gatewayResponses[type];
    });
    return {};
  },
};

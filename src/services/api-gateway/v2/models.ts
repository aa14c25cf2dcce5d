/** Models of WebSocket APIs: JSON schemas by name. */
import type { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict } from '../errors.ts';
import { changeDefinition, given, pageItems, readDefinition, requirePart } from './lookup.ts';
import type { Definition } from './state.ts';

function checkModel({ Name = '', Schema }: { Name?: string | undefined; Schema?: string | undefined }): void {
  if (!/^[A-Za-z0-9]+$/.test(Name)) throw badRequest('Model name must be alphanumeric');
  try {
    JSON.parse(Schema ?? '');
  } catch {
    throw badRequest('Invalid model schema specified');
  }
}

function checkUnique({ models }: Definition, name: string | undefined, id: string | undefined): void {
  if (Object.values(models).some(({ Name, ModelId }) => Name === name && ModelId !== id))
    throw conflict(`Model name already exists for this API: ${name}`);
}

export const modelHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateModel(input, ctx) {
    const { Name, Schema, Description, ContentType = 'application/json' } = input;
    checkModel(input);
    const model = { ModelId: ctx.id('gatewayPart'), Name, Schema, Description, ContentType };
    return changeDefinition(ctx, input.ApiId, (draft) => {
      checkUnique(draft, Name, undefined);
      draft.models[model.ModelId] = model;
      return model;
    });
  },

  async GetModel(input, ctx) {
    return requirePart((await readDefinition(ctx, input.ApiId)).models, 'Model', input.ModelId);
  },

  async GetModels(input, ctx) {
    const { models } = await readDefinition(ctx, input.ApiId);
    return pageItems(`GetModels ${input.ApiId}`, Object.values(models), ({ ModelId = '' }) => ModelId, input);
  },

  async UpdateModel(input, ctx) {
    return changeDefinition(ctx, input.ApiId, (draft) => {
      const model = requirePart(draft.models, 'Model', input.ModelId);
      const changed = { ...model, ...given(input, ['ApiId', 'ModelId']) };
      checkModel(changed);
      checkUnique(draft, changed.Name, input.ModelId);
      return Object.assign(model, changed);
    });
  },

  async DeleteModel(input, ctx) {
    await changeDefinition(ctx, input.ApiId, (draft) => {
      requirePart(draft.models, 'Model', input.ModelId);
      delete draft.models[input.ModelId ?? ''];
    });
    return {};
  },
};

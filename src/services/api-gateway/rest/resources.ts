/** Resources: the tree of paths of an API. */
import type { APIGateway, Method, Resource } from '@aws-sdk/client-api-gateway';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, limitExceeded } from '../errors.ts';
import { changeDefinition, pageItems, readDefinition, requireResource } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import type { Definition, ResourceDef } from '../state.ts';

/** "Resources per API: 300". */
const resourcesMax = 300;
const partForm = /^(?:\{[a-zA-Z0-9._:-]+\+?\}|[a-zA-Z0-9._\-:$~@!*'(),;=%+ ]+)$/;

/** A resource as the service answers it: methods with their contents when they are embedded, else by name only. */
function describeResource(row: ResourceDef, embed: boolean): Resource {
  const verbs = Object.keys(row.methods);
  return {
    id: row.id,
    parentId: row.parentId,
    pathPart: row.pathPart,
    path: row.path,
    ...(verbs.length === 0
      ? {}
      : { resourceMethods: embed ? row.methods : Object.fromEntries(verbs.map((verb): [string, Method] => [verb, {}])) }),
  };
}

function embedsMethods(embed: readonly string[] | undefined): boolean {
  return embed?.includes('methods') ?? false;
}

/** Whether a path part takes whatever stands there (`{id}`, `{proxy+}`). */
function isVariable(part: string): boolean {
  return part.startsWith('{');
}

/** Checks a new or renamed part against the resource's parent and siblings. Throws BadRequestException, ConflictException. */
export function checkPart({ resources }: Definition, parent: ResourceDef, part: string, self?: string): void {
  if (!partForm.test(part))
    throw badRequest(
      "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.",
    );
  if (parent.pathPart?.endsWith('+}') === true)
    throw badRequest(`Cannot create a child of a resource with a greedy path variable: ${parent.pathPart}`);
  for (const { id, parentId, pathPart = '' } of Object.values(resources)) {
    if (parentId !== parent.id || id === self) continue;
    if (pathPart === part) throw conflict(`Another resource with the same parent already has this name: ${part}`);
    if (isVariable(part) && isVariable(pathPart) && part.endsWith('+}') === pathPart.endsWith('+}'))
      throw badRequest(`A sibling (${id}) of this resource already has a variable path part -- only one is allowed`);
  }
}

/** The path of a part below a parent. */
export function pathUnder(parent: ResourceDef, part: string): string {
  return parent.path === '/' ? `/${part}` : `${parent.path}/${part}`;
}

/** Writes the paths below a resource anew, after it was renamed. */
function renameBelow(draft: Definition, from: ResourceDef): void {
  for (const child of Object.values(draft.resources)) {
    if (child.parentId !== from.id) continue;
    child.path = pathUnder(from, child.pathPart ?? '');
    renameBelow(draft, child);
  }
}

function removeBelow(draft: Definition, id: string): void {
  delete draft.resources[id];
  for (const child of Object.values(draft.resources)) if (child.parentId === id) removeBelow(draft, child.id);
}

export const resourceHandlers: HandlersOf<APIGateway> = {
  async CreateResource(input, ctx) {
    const pathPart = input.pathPart ?? '';
    const id = ctx.id('gatewayPart');
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const parent = requireResource(draft, input.parentId);
      checkPart(draft, parent, pathPart);
      if (Object.keys(draft.resources).length >= resourcesMax)
        throw limitExceeded(
          `Maximum number of resources for this API has been reached. Please contact AWS if you need additional resources.`,
        );
      const row: ResourceDef = { id, parentId: parent.id, pathPart, path: pathUnder(parent, pathPart), methods: {} };
      draft.resources[id] = row;
      return describeResource(row, false);
    });
  },

  async GetResource(input, ctx) {
    const definition = await readDefinition(ctx, input.restApiId);
    return describeResource(requireResource(definition, input.resourceId), embedsMethods(input.embed));
  },

  async GetResources(input, ctx) {
    const { resources } = await readDefinition(ctx, input.restApiId);
    const { items, ...page } = pageItems(`GetResources ${input.restApiId}`, Object.values(resources), ({ path }) => path, input);
    return { items: items.map((row) => describeResource(row, embedsMethods(input.embed))), ...page };
  },

  async UpdateResource(input, ctx) {
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const row = requireResource(draft, input.resourceId);
      if (row.parentId === undefined) throw badRequest('Root resource cannot be updated');
      const changed = applyPatch(row, input.patchOperations, { '/pathPart': 'text', '/parentId': 'text' });
      const parent = requireResource(draft, changed.parentId);
      for (let above: ResourceDef | undefined = parent; above !== undefined; above = draft.resources[above.parentId ?? ''])
        if (above.id === row.id) throw badRequest('A resource cannot be moved below itself');
      checkPart(draft, parent, changed.pathPart ?? '', row.id);
      changed.path = pathUnder(parent, changed.pathPart ?? '');
      draft.resources[row.id] = changed;
      renameBelow(draft, changed);
      return describeResource(changed, false);
    });
  },

  async DeleteResource(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      const { id, parentId } = requireResource(draft, input.resourceId);
      if (parentId === undefined) throw badRequest('Root resource cannot be deleted');
      removeBelow(draft, id);
    });
    return {};
  },
};

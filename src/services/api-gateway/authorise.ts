/**
 * What operations are authorised on: actions of API Gateway are verbs of HTTP, and resources are its paths ("How API Gateway works with IAM"). Both
 * follow from the model's routes.
 */
import type { Context } from '../../kernel/context.ts';
import type { Check } from '../../kernel/service.ts';
import { loadModel } from '../../model/wire.ts';

type TagsOf = (path: readonly string[], ctx: Context) => Promise<Readonly<Record<string, string>> | undefined>;

/** The checks of an operation of this service: its path with the input's labels filled in, with tags of the request and of the thing. */
export function checkByRoute(service: string, tagsOf: TagsOf) {
  return async (input: unknown, ctx: Context): Promise<readonly Check[]> => {
    const members = input as Readonly<Record<string, unknown>>;
    const model = await loadModel(service);
    const operation = model.operation(ctx.operation);
    const route = (operation?.http?.path ?? '/').replace(/^\/v2(?=\/)/, '');
    const path = route.replace(/\{([^}+]+)\+?\}/g, (_whole, label: string) => String(members[label] ?? ''));
    const tags = (members['tags'] ?? members['Tags']) as Readonly<Record<string, string>> | undefined;
    const own = await tagsOf(path.split('/').slice(1), ctx);
    return [
      {
        resource: `arn:aws:apigateway:${ctx.region}::${path}`,
        conditions: {
          ...(tags === undefined ? {} : { 'aws:TagKeys': Object.keys(tags), ...prefixed('aws:RequestTag/', tags) }),
          ...prefixed('aws:ResourceTag/', own ?? {}),
        },
      },
    ];
  };
}

function prefixed(prefix: string, tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`${prefix}${key}`, value]));
}

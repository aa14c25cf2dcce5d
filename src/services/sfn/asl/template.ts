/** Payload templates of JSONPath states: fields whose names end in `.$` are replaced by what their path or intrinsic function gives. */
import type { Json } from '../../../model/types.ts';
import { runtimeError } from './errors.ts';
import { callIntrinsic, type Chance } from './intrinsics.ts';
import { parsePath, readPath, type Scope } from './jsonpath.ts';
import { isList, isObject, jsonText, objectOf } from './values.ts';

/** Fills a template (Parameters, ResultSelector, ItemSelector, Assign). Throws StateError. */
export function fillTemplate(template: Json, scope: Scope, chance: Chance): Json {
  if (isList(template)) return template.map((item) => fillTemplate(item, scope, chance));
  if (!isObject(template)) return template;
  return objectOf(
    Object.entries(template).map(([name, value]) =>
      name.endsWith('.$')
        ? ([name.slice(0, -2), fieldValue(name, value, scope, chance)] as const)
        : ([name, fillTemplate(value, scope, chance)] as const),
    ),
  );
}

function fieldValue(field: string, value: Json, scope: Scope, chance: Chance): Json {
  if (typeof value !== 'string')
    throw runtimeError(`The value for the field '${field}' must be a valid JSONPath or a valid intrinsic function call`);
  if (!value.startsWith('$')) return callIntrinsic(value, scope, chance);
  const found = readPath(parsePath(value), scope);
  if (found === undefined)
    throw runtimeError(
      `The JSONPath '${value}' specified for the field '${field}' could not be found in the input '${jsonText(scope.input)}'`,
    );
  return found;
}

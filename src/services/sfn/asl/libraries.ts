/** The libraries of the two query languages. They are loaded by the first definition or execution, because the service itself is loaded at every start. */
import type jsonata from 'jsonata';
import type { jsonpath } from 'json-p3';

interface Libraries {
  jsonata: typeof jsonata;
  jsonpath: typeof jsonpath;
}

/** What is loaded: rebuilt by loading again. */
const librariesCache: Partial<Libraries> = {};

/** Must have resolved once before paths or expressions are read. */
export async function loadLibraries(): Promise<void> {
  if (librariesCache.jsonpath !== undefined) return;
  const [expressions, paths] = await Promise.all([import('jsonata'), import('json-p3')]);
  librariesCache.jsonata = expressions.default;
  librariesCache.jsonpath = paths.jsonpath;
}

/** Throws when nothing was loaded: a bug of the caller. */
export function library<Name extends keyof Libraries>(name: Name): Libraries[Name] {
  const found = librariesCache[name];
  if (found === undefined) throw new Error(`The library ${name} is not loaded.`);
  return found as Libraries[Name];
}

/** Binary media types of an API ("Working with binary media types for REST APIs"). */
import { type Multi, valuesOf } from './call.ts';

function fits(pattern: string, type: string): boolean {
  if (pattern === '*/*') return true;
  const [kind, sub] = pattern.toLowerCase().split('/');
  return sub === '*' ? type.startsWith(`${kind}/`) : pattern.toLowerCase() === type;
}

/** Whether a media type is one of the API's binary ones. With all types binary, a missing one is too. */
export function isBinary(types: readonly string[] | undefined, type: string | undefined): boolean {
  return types?.some((pattern) => (type === undefined ? pattern === '*/*' : fits(pattern, type))) ?? false;
}

/** Whether the caller takes bytes: the first type that it accepts counts. */
export function wantsBinary(types: readonly string[] | undefined, headers: Multi): boolean {
  const accepted = valuesOf(headers, 'accept')?.[0]?.split(',')[0]?.split(';')[0]?.trim().toLowerCase();
  return isBinary(types, accepted);
}

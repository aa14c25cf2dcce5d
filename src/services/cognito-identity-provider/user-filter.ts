/** ListUsers' filter: `attribute = "value"`, or `^=` for the beginning (API Reference, ListUsers, Filter). Pure. */
import { invalidParameter } from './errors.ts';
import type { UserRow } from './state.ts';

const form = /^\s*"?([\w:]+)"?\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*$/;
const searchable: readonly string[] = [
  'username',
  'email',
  'phone_number',
  'name',
  'given_name',
  'family_name',
  'preferred_username',
  'cognito:user_status',
  'status',
  'sub',
];

function fieldOf(user: UserRow, name: string): string {
  if (name === 'username') return user.username;
  if (name === 'cognito:user_status') return user.status;
  if (name === 'status') return user.enabled ? 'Enabled' : 'Disabled';
  return user.attributes[name] ?? '';
}

/** Whether a user is one that the filter wants; an empty filter wants all. Throws InvalidParameterException. */
export function matcherOf(filter: string | undefined): (user: UserRow) => boolean {
  if (filter === undefined || filter.trim() === '') return () => true;
  const [, name = '', operator, text = ''] = form.exec(filter) ?? [];
  if (operator === undefined) throw invalidParameter('Error while parsing filter.');
  if (!searchable.includes(name)) throw invalidParameter(`One or more requested attributes do not exist.`);
  const wanted = text.replaceAll(/\\(.)/g, '$1');
  const ignoresCase = name === 'cognito:user_status' || name === 'status';
  const plain = (value: string): string => (ignoresCase ? value.toLowerCase() : value);
  return operator === '='
    ? (user) => plain(fieldOf(user, name)) === plain(wanted)
    : (user) => plain(fieldOf(user, name)).startsWith(plain(wanted));
}

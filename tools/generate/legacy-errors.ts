/**
 * The modelled errors of the packages that carry no schemas: the former SDK's descriptions leave errors out, so they are read from the package's
 * own type declarations. Their HTTP statuses are told nowhere; what is not 400 or 500 is in models/patches.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DraftMember, DraftStructure } from './draft.ts';
import type { ClientPackage } from './official.ts';

const declaration = /class (\w+) extends __BaseException \{([^}]*)constructor/g;
const member = /^ {4}(\w+)(\??): /gm;

/** The error classes of the package as structures. All their members are strings (enums included). */
export function readErrors(client: ClientPackage, root: string): DraftStructure[] {
  const path = join(root, 'node_modules/@aws-sdk', `client-${client.name}`, 'dist-types/models/models_0.d.ts');
  const errors = [...readFileSync(path, 'utf8').matchAll(declaration)].map(([, name, body]) => errorOf(name!, body!));
  if (errors.length === 0) throw new Error(`${path} declares no error.`);
  return errors.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function errorOf(name: string, body: string): DraftStructure {
  const members = new Map<string, DraftMember>();
  for (const [, memberName] of body.matchAll(member)) members.set(memberName!, { target: 0, traits: {} });
  if (!members.has('Message')) members.set('message', { target: 0, traits: {} });
  const fault = body.includes('$fault: "server"') ? 'server' : 'client';
  return { kind: 'error', name, members, required: 0, error: { fault, status: fault === 'server' ? 500 : 400 } };
}

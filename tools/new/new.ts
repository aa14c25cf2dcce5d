/**
 * `npm run new -- service sqs` and `npm run new -- operation sqs.SendMessage [queues]`: the files and lines that a new service or operation
 * needs, from its model, with failing tests in place. The handler refuses every optional parameter until it is implemented, so that none is
 * accepted and ignored.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadIndex, loadModel } from '../../src/model/load.ts';
import { run } from '../check/programs.ts';
import {
  addHandler,
  addToIndex,
  addToList,
  fileOf,
  handlersSource,
  type NewOperation,
  serviceSource,
  testSource,
} from './scaffold.ts';

/** Makes what is asked for and prints what it wrote. Exit code 2 for a wrong name or something that is there already. */
export async function scaffold(root: string, [kind, name = '', file]: readonly string[]): Promise<number> {
  try {
    if (kind === 'service') await newService(root, name);
    else if (kind === 'operation') await newOperation(root, name, file);
    else throw new Error('npm run new -- service NAME, or npm run new -- operation SERVICE.Operation [file]');
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
}

async function newService(root: string, name: string): Promise<void> {
  const { byName } = await loadIndex();
  if (!byName.has(name)) throw new Error(`There is no model of ${name}; known: ${[...byName.keys()].join(' ')}`);
  const index = `src/services/${name}/index.ts`;
  if (existsSync(join(root, index))) throw new Error(`${index} is there already.`);
  write(root, index, serviceSource(name));
  change(root, 'src/services/index.ts', (text) => addToList(text, name));
  console.log(`Next: npm run new -- operation ${name}.OPERATION`);
}

async function newOperation(root: string, name: string, given: string | undefined): Promise<void> {
  const [service = '', operation = ''] = name.split('.');
  const index = `src/services/${service}/index.ts`;
  if (!existsSync(join(root, index))) throw new Error(`${index} is missing: npm run new -- service ${service}`);
  const model = (await loadModel(service)).operation(operation);
  if (!model) throw new Error(`${service} has no operation ${operation}.`);
  const required = model.input.members.filter((member) => member.required).map((member) => member.name);
  const optional = model.input.members.filter((member) => !member.required).map((member) => member.name);
  const made: NewOperation = {
    service,
    operation,
    client: clientOf(root, service),
    required,
    optional,
  };
  const file = given ?? fileOf(operation);
  const source = `src/services/${service}/${file}.ts`;
  if (!existsSync(join(root, source))) write(root, source, handlersSource(made, file));
  change(root, source, (text) => addHandler(text, made));
  change(root, index, (text) => addToIndex(text, file));
  const test = `test/services/${service}/${file}.test.ts`;
  if (existsSync(join(root, test))) change(root, test, (text) => `${text}\n${testSource(made, file, false)}`);
  else write(root, test, testSource(made, file, true));
  await format(root, [source, index, test]);
}

/** Name of the official client's class, as `SQS`. */
function clientOf(root: string, service: string): string {
  const text = readFileSync(join(root, 'src/kernel/clients.generated.ts'), 'utf8');
  const name = new RegExp(`import type \\{ (\\w+) \\} from '@aws-sdk/client-${service}'`).exec(text)?.[1];
  if (!name) throw new Error(`src/kernel/clients.generated.ts has no client of ${service}: npm run generate`);
  return name;
}

/** Lets Biome lay out what was written, as `npm run format` would. */
async function format(root: string, paths: readonly string[]): Promise<void> {
  await run(root, join(root, 'node_modules/.bin/biome'), ['format', '--write', ...paths]);
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  console.log(`wrote ${path}`);
}

function change(root: string, path: string, edit: (text: string) => string): void {
  const before = readFileSync(join(root, path), 'utf8');
  const after = edit(before);
  if (after === before) return;
  writeFileSync(join(root, path), after);
  console.log(`changed ${path}`);
}

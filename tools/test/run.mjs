// `npm test -- iam`, `npm test -- IAM-004`, `npm test -- test/services/iam`: turns a service or a fact id into what vitest takes; everything
// else goes to vitest as it is. Plain JavaScript, so that it needs no build.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const factId = /^[A-Z][A-Z0-9]*-\d+$/;

/** Test files below a folder. */
function testFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.test.ts'));
}

const files = [];
const rest = [];
const ids = [];
for (const argument of process.argv.slice(2)) {
  const folders = [`src/services/${argument}`, `test/services/${argument}`].filter((folder) => existsSync(folder));
  if (factId.test(argument)) ids.push(argument);
  else if (/^[a-z0-9-]+$/.test(argument) && folders.length > 0) files.push(...folders.map((folder) => `${folder}/`));
  else rest.push(argument);
}
if (ids.length > 0) {
  const named = testFiles('test').filter((path) => ids.some((id) => readFileSync(path, 'utf8').includes(id)));
  if (named.length === 0) {
    console.error(`No test under test/ names ${ids.join(', ')}.`);
    process.exit(1);
  }
  files.push(...named);
  rest.push('-t', `(${ids.join('|')})(?!\\d)`);
}
// Behaviour tests start the cloud from dist/, as a user would.
const built = spawnSync(process.execPath, ['tools/build.mjs'], { stdio: 'inherit' });
const run = spawnSync('node_modules/.bin/vitest', ['run', ...files, ...rest], { stdio: 'inherit' });
if (run.error) console.error(run.error.message);
process.exitCode = built.status || (run.status ?? 1);

/** The admin API as commands see it. */
import { parseArgs } from 'node:util';
import { PilviError } from '../base/errors.ts';
import { defaultData, defaultPort, misreading, parsePort } from './options.ts';
import { readRunFile } from './run-file.ts';

/** Where a command's cloud is. */
export interface Target {
  url: string;
  port: number;
  data: string;
  /** Arguments that are not options. */
  words: readonly string[];
  /** Everything after `--`. */
  rest: readonly string[];
  json: boolean;
  detach: boolean;
}

/**
 * Reads `--port`, `--data` and `--json`, which every command takes. A cloud is found by its data folder's run file, so `--data` alone is enough.
 * Throws PilviError BadOption.
 */
export async function findTarget(args: readonly string[]): Promise<Target> {
  const mark = args.indexOf('--');
  const own = mark < 0 ? args : args.slice(0, mark);
  let parsed: { values: { port?: string; data?: string; json?: boolean; detach?: boolean }; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...own],
      allowPositionals: true,
      options: { port: { type: 'string' }, data: { type: 'string' }, json: { type: 'boolean' }, detach: { type: 'boolean' } },
    });
  } catch (error) {
    throw misreading(error);
  }
  const { port: given, data: folder, json = false, detach = false } = parsed.values;
  const wanted = given === undefined ? defaultPort : parsePort(given);
  const data = folder ?? (given === undefined ? defaultData(wanted) : await folderOf(wanted));
  const port = given === undefined ? ((await readRunFile(data))?.port ?? wanted) : wanted;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    data,
    words: parsed.positionals,
    rest: mark < 0 ? [] : args.slice(mark + 1),
    json,
    detach,
  };
}

/** The data folder of the cloud on a port: the usual one, unless a cloud that answers there says otherwise. */
async function folderOf(port: number): Promise<string> {
  const usual = defaultData(port);
  if ((await readRunFile(usual)) !== undefined) return usual;
  try {
    const health = (await (await fetch(`http://127.0.0.1:${port}/_pilvi/health`)).json()) as { data?: string };
    return health.data ?? usual;
  } catch {
    return usual;
  }
}

/** Calls the admin API. Throws PilviError NotRunning when nothing answers, BadOption with the API's own words when it refuses. */
export async function callAdmin<Answer>({ url }: Target, method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
  let answer: Response;
  try {
    answer = await fetch(`${url}/_pilvi/${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch (error) {
    throw new PilviError('NotRunning', `${url}. Start one with: pilvi start`, { cause: error });
  }
  const result = (await answer.json()) as Answer & { error?: string };
  if (!answer.ok) throw new PilviError('BadOption', result.error ?? `${answer.status}`);
  return result;
}

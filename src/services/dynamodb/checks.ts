/**
 * The checks that AWS's server framework makes before the service sees a request: presence, lengths, patterns, ranges, sets of values. It collects up to ten
 * and tells them in one message: `2 validation errors detected: Value '…' at 'tableName' failed to satisfy constraint: …; Value …`.
 */
import { AwsError } from '../../kernel/errors.ts';
import { validation } from './errors.ts';

const namedMax = 10;

export class RequestChecks {
  readonly #problems: string[] = [];

  #add(value: unknown, path: string, constraint: string): void {
    const shown = value === undefined || value === null ? 'null' : `'${describe(value)}'`;
    this.#tell(`Value ${shown} at '${path}' failed to satisfy constraint: ${constraint}`);
  }

  #tell(problem: string): void {
    if (this.#problems.length < namedMax) this.#problems.push(problem);
  }

  /** Must be there. */
  present(value: unknown, path: string): this {
    if (value === undefined || value === null) this.#add(value, path, 'Member must not be null');
    return this;
  }

  oneOf(value: string | undefined, path: string, values: readonly string[]): this {
    if (value !== undefined && !values.includes(value))
      this.#add(value, path, `Member must satisfy enum value set: [${values.join(', ')}]`);
    return this;
  }

  /** Length of a text or list, or members of a map. */
  length(value: string | readonly unknown[] | object | undefined, path: string, least: number, most?: number): this {
    if (value === undefined) return this;
    const length = typeof value === 'string' || Array.isArray(value) ? value.length : Object.keys(value).length;
    if (length < least) this.#add(value, path, `Member must have length greater than or equal to ${least}`);
    if (most !== undefined && length > most) this.#add(value, path, `Member must have length less than or equal to ${most}`);
    return this;
  }

  /** Not empty, in the newer words, which do not show the value. `path` as the API spells it. */
  notEmpty(value: string | object | undefined, path: string): this {
    if (value !== undefined && (typeof value === 'string' ? value : Object.keys(value)).length === 0)
      this.#tell(`Value at '${path}' failed to satisfy constraint: Member must have length greater than or equal to 1`);
    return this;
  }

  /** One of a set of values, in the newer words, which show neither the value nor where it is. */
  oneOfUnnamed(value: string | undefined, values: readonly string[], shown: readonly string[]): this {
    if (value !== undefined && !values.includes(value))
      this.#tell(`Failed to satisfy constraint: Member must satisfy enum value set: [${shown.join(', ')}]`);
    return this;
  }

  /** Keys of a map that are names of tables; `shown` is the map as AWS prints it. */
  tableNames(names: readonly string[], path: string, shown: string): this {
    if (names.some((name) => !name.startsWith('arn:') && !tableName.test(name)))
      this.#tell(
        `Value '${shown}' at '${path}' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: ${namePattern}]`,
      );
    return this;
  }

  /** Length of each of a map's lists; the whole map is shown when one is wrong. */
  listLengths(map: Readonly<Record<string, readonly unknown[]>> | undefined, path: string, least: number, most: number): this {
    if (Object.values(map ?? {}).some(({ length }) => length < least || length > most))
      this.#add(
        map,
        path,
        `Map value must satisfy constraint: [Member must have length less than or equal to ${most}, Member must have length greater than or equal to ${least}]`,
      );
    return this;
  }

  pattern(value: string | undefined, path: string, pattern: string): this {
    if (value !== undefined && !new RegExp(`^(?:${pattern})$`).test(value))
      this.#add(value, path, `Member must satisfy regular expression pattern: ${pattern}`);
    return this;
  }

  atLeast(value: number | undefined, path: string, least: number): this {
    if (value !== undefined && value < least) this.#add(value, path, `Member must have value greater than or equal to ${least}`);
    return this;
  }

  atMost(value: number | undefined, path: string, most: number): this {
    if (value !== undefined && value > most) this.#add(value, path, `Member must have value less than or equal to ${most}`);
    return this;
  }

  /** Throws ValidationException when anything was wrong. */
  done(): void {
    const count = this.#problems.length;
    if (count === 0) return;
    throw validation(`${count} validation error${count > 1 ? 's' : ''} detected: ${this.#problems.join('; ')}`);
  }
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  if (typeof value !== 'object') return String(value);
  return `{${Object.entries(value)
    .map(([name, each]) => `${name}=${describe(each)}`)
    .join(', ')}}`;
}

export const namePattern = '[a-zA-Z0-9_.-]+';

/**
 * What a single write says of itself, before its table is looked at: since 2026 AWS counts also the one problem that it tells in words of its own.
 * Throws ValidationException.
 */
export function enveloped<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AwsError) || error.code !== 'ValidationException' || /^\d+ validation errors? /.test(error.message))
      throw error;
    throw validation(`1 validation error detected: ${error.message}`);
  }
}

/** Name of a table or index: 3 to 255 characters. */
export function checkName(checks: RequestChecks, value: string | undefined, path: string): void {
  checks.pattern(value, path, namePattern).length(value, path, 3, 255);
}

const tableName = /^[a-zA-Z0-9_.-]{3,255}$/;
const tableArn = /^arn:aws[a-z-]*:dynamodb:([a-z0-9-]+):(\d{12}):table\/([a-zA-Z0-9_.-]{3,255})$/;

/** Where a table is: the name that requests give may be its ARN, in another account too. */
export interface TableAddress {
  name: string;
  account?: string;
  region?: string;
}

/** Reads TableName. Throws ValidationException for what is no name and no ARN of a table. */
export function readTableName(given: string | undefined): TableAddress {
  if (given !== undefined && tableName.test(given)) return { name: given };
  const arn = tableArn.exec(given ?? '');
  if (arn !== null) return { region: arn[1]!, account: arn[2]!, name: arn[3]! };
  const checks = new RequestChecks().present(given, 'tableName').notEmpty(given, 'TableName');
  checks.done();
  if (!given!.startsWith('arn:')) checkName(checks, given, 'tableName');
  checks.done();
  throw validation(
    "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
  );
}

/** ExpressionAttributeNames and ExpressionAttributeValues of a request, and which of them its expressions use. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { AwsError } from '../../../kernel/errors.ts';
import { validation } from '../errors.ts';
import { checkAttributeName, readValue, type Value, type Wording } from '../values.ts';

/** "Expression parameters": 255 characters for a name's placeholder, 2 MB for all values. */
const keyCharsMax = 255;

function checkKey(member: string, form: RegExp, key: string): void {
  const invalid = (detail: string): Error => validation(`${member} contains invalid key: ${detail}`);
  if (key.length > keyCharsMax)
    throw invalid(`The expression attribute map contains a key that is too long; size of key: ${key.length}`);
  if (!form.test(key)) throw invalid(`Syntax error; key: "${key}"`);
}

export class Placeholders {
  readonly #names: Readonly<Record<string, string>>;
  readonly #values = new Map<string, Value>();
  readonly #unusedNames: Set<string>;
  readonly #unusedValues: Set<string>;

  /** Reads both maps. Throws ValidationException for names or values that cannot be. */
  constructor(
    names: Readonly<Record<string, string>> | undefined,
    values: Readonly<Record<string, AttributeValue>> | undefined,
    wording: Wording = 'newer',
  ) {
    this.#names = names ?? {};
    this.#unusedNames = new Set(Object.keys(this.#names));
    this.#unusedValues = new Set(Object.keys(values ?? {}));
    if (names !== undefined) this.#checkNames(names);
    if (values !== undefined) this.#readValues(values, wording);
  }

  #checkNames(names: Readonly<Record<string, string>>): void {
    if (this.#unusedNames.size === 0) throw validation('ExpressionAttributeNames must not be empty');
    for (const key in names) {
      checkKey('ExpressionAttributeNames', /^#[0-9a-zA-Z_]+$/, key);
      try {
        checkAttributeName(names[key]!);
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        throw validation(`ExpressionAttributeNames contains invalid value: ${error.message} for key ${key}`);
      }
    }
  }

  #readValues(values: Readonly<Record<string, AttributeValue>>, wording: Wording): void {
    if (this.#unusedValues.size === 0) throw validation('ExpressionAttributeValues must not be empty');
    for (const key in values) checkKey('ExpressionAttributeValues', /^:[0-9a-zA-Z_]+$/, key);
    for (const key in values) {
      try {
        this.#values.set(key, readValue(values[key]!, wording));
      } catch (error) {
        if (!(error instanceof AwsError) || wording === 'newer') throw error;
        throw validation(`ExpressionAttributeValues contains invalid value: ${error.message} for key ${key}`);
      }
    }
  }

  /** The attribute name behind `#n`. */
  name(key: string): string | undefined {
    this.#unusedNames.delete(key);
    return Object.hasOwn(this.#names, key) ? this.#names[key] : undefined;
  }

  /** The value behind `:v`. */
  value(key: string): Value | undefined {
    this.#unusedValues.delete(key);
    return this.#values.get(key);
  }

  /** Throws ValidationException when a placeholder is in no expression. */
  checkUsed(): void {
    const tell = (what: string, unused: ReadonlySet<string>): Error =>
      validation(`Value provided in ${what} unused in expressions: keys: {${[...unused].join(', ')}}`);
    if (this.#unusedNames.size > 0) throw tell('ExpressionAttributeNames', this.#unusedNames);
    if (this.#unusedValues.size > 0) throw tell('ExpressionAttributeValues', this.#unusedValues);
  }
}

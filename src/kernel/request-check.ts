/**
 * AWS's generic request validator, as the JSON services answer it: every member that breaks a constraint of the API reference is named, with its
 * value where it is no secret, in one error, a ValidationException with most:
 * `1 validation error detected: Value '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value …`.
 * IAM has one of its own (services/iam/rules.ts), because it words and codes the same answers differently.
 */
import { AwsError } from './errors.ts';

/** Collects what is wrong with a request; `done` throws it. Members that are undefined are not checked: required ones are the wire layer's. */
export class RequestCheck {
  readonly #code: string;
  readonly #problems: string[] = [];

  /** `code`: what the service answers, when it is not ValidationException. */
  constructor(code = 'ValidationException') {
    this.#code = code;
  }

  /** A text's length in characters. */
  length(member: string, value: string | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    const length = [...value].length;
    if (length > max) this.#add(member, value, `Member must have length less than or equal to ${max}`);
    if (length < min) this.#add(member, value, `Member must have length greater than or equal to ${min}`);
    return this;
  }

  /** A secret's length, in characters or bytes: its value is not repeated. */
  size(member: string, value: string | Uint8Array | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    if (value.length > max) this.#add(member, undefined, `Member must have length less than or equal to ${max}`);
    if (value.length < min) this.#add(member, undefined, `Member must have length greater than or equal to ${min}`);
    return this;
  }

  /** How many entries a list has. */
  count(member: string, values: readonly unknown[] | undefined, min: number, max: number): this {
    if (values === undefined) return this;
    const shown = JSON.stringify(values).slice(0, 256);
    if (values.length > max) this.#add(member, shown, `Member must have length less than or equal to ${max}`);
    if (values.length < min) this.#add(member, shown, `Member must have length greater than or equal to ${min}`);
    return this;
  }

  range(member: string, value: number | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    if (value > max) this.#add(member, String(value), `Member must have value less than or equal to ${max}`);
    if (value < min) this.#add(member, String(value), `Member must have value greater than or equal to ${min}`);
    return this;
  }

  /** `shown` is the pattern as the message prints it. */
  pattern(member: string, value: string | undefined, form: RegExp, shown: string): this {
    if (value !== undefined && !form.test(value))
      this.#add(member, value, `Member must satisfy regular expression pattern: ${shown}`);
    return this;
  }

  oneOf(member: string, value: string | undefined, allowed: readonly string[]): this {
    if (value !== undefined && !allowed.includes(value))
      this.#add(member, value, `Member must satisfy enum value set: [${allowed.join(', ')}]`);
    return this;
  }

  /** Throws ValidationException with everything that was found. */
  done(): void {
    const { length } = this.#problems;
    if (length === 0) return;
    const message = `${length} validation error${length > 1 ? 's' : ''} detected: ${this.#problems.join('; ')}`;
    throw new AwsError(this.#code, message);
  }

  #add(member: string, value: string | undefined, constraint: string): void {
    const shown = value === undefined ? 'Value' : `Value '${value}'`;
    this.#problems.push(`${shown} at '${member}' failed to satisfy constraint: ${constraint}`);
  }
}

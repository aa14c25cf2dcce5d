/**
 * AWS's generic request validator, as most services built on its own framework word it: all problems of a request in one answer,
 * `2 validation errors detected: Value 'x' at 'name' failed to satisfy constraint: Member must …; Value …`. The models that are packed carry no
 * constraints, so each service names those that it documents. IAM and STS word it without the values, and keep their own.
 */
import { AwsError } from './errors.ts';

/** Collects what is wrong with a request; `done` throws it. Members that are undefined are not checked: required ones are the wire layer's. */
export class Constraints {
  readonly #code: string;
  readonly #problems: string[] = [];

  /** `code`: the error that the service answers, `ValidationException` with most. */
  constructor(code = 'ValidationException') {
    this.#code = code;
  }

  /** Characters of a text, both bounds inclusive. */
  length(member: string, value: string | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    if (value.length > max) this.#add(member, value, `have length less than or equal to ${max}`);
    if (value.length < min) this.#add(member, value, `have length greater than or equal to ${min}`);
    return this;
  }

  /** Number of entries of a list or map. */
  size(
    member: string,
    value: readonly unknown[] | Readonly<Record<string, unknown>> | undefined,
    min: number,
    max: number,
  ): this {
    if (value === undefined) return this;
    const count = Array.isArray(value) ? value.length : Object.keys(value).length;
    if (count > max) this.#add(member, value, `have length less than or equal to ${max}`);
    if (count < min) this.#add(member, value, `have length greater than or equal to ${min}`);
    return this;
  }

  /** A number, both bounds inclusive. */
  range(member: string, value: number | undefined, min: number, max: number): this {
    if (value === undefined) return this;
    if (value > max) this.#add(member, value, `have value less than or equal to ${max}`);
    if (value < min) this.#add(member, value, `have value greater than or equal to ${min}`);
    return this;
  }

  /** The whole text has this form; the expression is shown as `source` writes it, without anchors. */
  pattern(member: string, value: string | undefined, source: string): this {
    if (value !== undefined && !new RegExp(`^(?:${source})$`, 'u').test(value))
      this.#add(member, value, `satisfy regular expression pattern: ${source}`);
    return this;
  }

  oneOf(member: string, value: string | undefined, options: readonly string[]): this {
    if (value !== undefined && !options.includes(value))
      this.#add(member, value, `satisfy enum value set: [${options.join(', ')}]`);
    return this;
  }

  /** Throws when anything was wrong. */
  done(): void {
    const { length } = this.#problems;
    if (length === 0) return;
    throw new AwsError(this.#code, `${length} validation error${length > 1 ? 's' : ''} detected: ${this.#problems.join('; ')}`);
  }

  #add(member: string, value: unknown, must: string): void {
    const shown = Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
    this.#problems.push(`Value '${shown}' at '${member}' failed to satisfy constraint: Member must ${must}`);
  }
}

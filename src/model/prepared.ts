/**
 * A part of an output whose JSON is at hand already, because it was stored as such (DynamoDB's items). The JSON writers put its text on the wire as it
 * is; the others, and the check of outputs, take its value.
 */
import type { Shape } from './types.ts';

export class Prepared {
  readonly json: string;
  readonly #read: () => Shape;

  /** `read` gives the same as `json` says, in the form that handlers give outputs in. */
  constructor(json: string, read: () => Shape) {
    this.json = json;
    this.#read = read;
  }

  value(): Shape {
    return this.#read();
  }
}

/**
 * Wire errors: what a caller of the API is told. A handler throws one of these and nothing else; anything else thrown is a bug of ours and
 * becomes a 500 with its cause in the log. Each service keeps its own wording in its errors.ts, built with `awsError`.
 */
import type { Shape } from '../model/types.ts';

export interface AwsErrorOptions extends ErrorOptions {
  /** HTTP status; 400 unless told. */
  status?: number;
  /** Members of the modelled error beyond its message. */
  members?: Shape;
  /** Response headers that belong to the error: the range of a 416, the Region of a redirect. */
  headers?: Readonly<Record<string, string>>;
}

/** An error in AWS's own code and wording. */
export class AwsError extends Error {
  readonly code: string;
  readonly status: number;
  readonly members: Shape | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(code: string, message: string, options: AwsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AwsError';
    this.code = code;
    this.status = options.status ?? 400;
    this.members = options.members;
    this.headers = options.headers;
  }
}

/** An operation that the model has and Pilvi has not: 501, naming itself (design, principle 2). */
export function notImplemented(service: string, operation: string): AwsError {
  return new AwsError('NotImplemented', `Pilvi does not implement ${service}:${operation}.`, { status: 501 });
}

/** A parameter, or a value of one, that the operation would have to ignore: 501, naming it. Never accept and ignore. */
export function parameterNotImplemented(operation: string, parameter: string): AwsError {
  return new AwsError('NotImplemented', `Pilvi does not implement the parameter ${parameter} of ${operation}.`, { status: 501 });
}

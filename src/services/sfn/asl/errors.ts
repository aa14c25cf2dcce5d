/** What goes wrong inside an execution: an error name and a cause, as Catch and Retry see them ("Handling errors in Step Functions workflows"). */

export class StateError extends Error {
  override readonly name = 'StateError';
  readonly error: string | undefined;
  override readonly cause: string | undefined;
  /** Field of the state whose expression failed, for the EvaluationFailed event. */
  readonly location: string | undefined;
  /** A further name under which Catch and Retry know it. */
  readonly alias: string | undefined;

  constructor(error: string | undefined, cause?: string | undefined, more: { location?: string; alias?: string } = {}) {
    super(`${error}: ${cause}`);
    this.error = error;
    this.cause = cause;
    this.location = more.location;
    this.alias = more.alias;
  }
}

/** A fault of the definition or its data that no retry can mend. */
export function runtimeError(cause: string): StateError {
  return new StateError('States.Runtime', cause);
}

export function intrinsicFailure(cause: string): StateError {
  return new StateError('States.IntrinsicFailure', cause);
}

/** A JSONata expression that failed or gave nothing. */
export function queryFailure(cause: string, location: string): StateError {
  return new StateError('States.QueryEvaluationError', cause, { location });
}

/**
 * One call of a version: admission, environment, answer, and what is told of it (log lines, metrics). Where the words of errors and of the log come from:
 * "Understanding the Lambda execution environment lifecycle", "Log and monitor", "Troubleshoot invocation issues".
 */
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { EnvironmentFacts, Invocation, Outcome } from '../../../planes/functions/types.ts';
import { serviceFailure } from '../errors.ts';
import { type FunctionRef, functionArn, versionName } from '../names.ts';
import type { VersionRow } from '../state.ts';
import { LogBook } from './log-book.ts';
import { specOf } from './spec.ts';

/** "6 MB each for request and response (synchronous)". */
export const syncBytesMax = 6 * 1024 * 1024;
/** What a synchronous answer may have, as its error names it. */
const answerBytesMax = 6_291_556;
/** "Bandwidth limit … 200 MB" of a streamed answer. */
const streamBytesMax = 200 * 1024 * 1024;

export interface RunRequest {
  ref: FunctionRef;
  version: VersionRow;
  payload: Uint8Array;
  requestId: string;
  clientContext?: string | undefined;
  onStream?: Invocation['onStream'];
}

export interface RunResult {
  /** Absent: it went well. */
  functionError?: 'Unhandled' | 'Handled' | undefined;
  payload: Uint8Array;
  contentType: string;
  streamed: boolean;
  /** End of the log of this call. */
  logTail: string;
  millis: number;
  billedMillis: number;
}

/** Runs it. Throws what AWS refuses a call with before a program sees it. */
export async function run(ctx: Context, request: RunRequest): Promise<RunResult> {
  const { version, ref, requestId } = request;
  const book = new LogBook(ctx, version, requestId);
  const spec = await specOf(ctx, version);
  const bytesMax = request.onStream === undefined ? answerBytesMax : streamBytesMax;
  let environment: EnvironmentFacts | undefined;
  const outcome = await ctx.part('functions').invoke(spec, {
    id: requestId,
    payload: request.payload,
    headers: {
      'Lambda-Runtime-Aws-Request-Id': requestId,
      'Lambda-Runtime-Invoked-Function-Arn': functionArn(ref),
      ...(request.clientContext === undefined ? {} : { 'Lambda-Runtime-Client-Context': request.clientContext }),
    },
    timeoutMillis: version.timeout * 1000,
    now: ctx.clock.now(),
    answerBytesMax: bytesMax,
    onStart: (facts, before) => {
      environment = facts;
      book.start(facts, before, versionName(version.number));
    },
    onLine: (line) => book.take(line),
    onStream: request.onStream,
  });
  if (outcome.kind === 'unavailable') throw serviceFailure(`Lambda cannot run the function here: ${outcome.reason}`);
  const told = tell(outcome, version, requestId, bytesMax);
  const billedMillis = Math.max(1, Math.ceil(outcome.millis + (environment?.cold === true ? environment.initMillis : 0)));
  const logTail = book.end({ ...told, outcome, billedMillis });
  return { ...told, logTail, millis: outcome.millis, billedMillis };
}

interface Told {
  functionError?: 'Unhandled' | undefined;
  payload: Uint8Array;
  contentType: string;
  streamed: boolean;
  /** Line of the log, and what the REPORT line says. */
  line?: string | undefined;
  status?: string | undefined;
}

/** What a caller is answered. */
function tell(outcome: Outcome, version: VersionRow, requestId: string, bytesMax: number): Told {
  const failed = (errorType: string, message: string, line: string | undefined, status: string): Told => ({
    functionError: 'Unhandled',
    payload: Buffer.from(JSON.stringify({ errorType, errorMessage: message })),
    contentType: 'application/json',
    streamed: false,
    line,
    status,
  });
  switch (outcome.kind) {
    case 'answer':
      return { payload: outcome.body, contentType: outcome.contentType, streamed: outcome.streamed };
    case 'error':
      return {
        functionError: 'Unhandled',
        payload: outcome.body,
        contentType: 'application/json',
        streamed: false,
        ...(outcome.during === 'init' ? { status: `error\tError Type: ${outcome.errorType}` } : {}),
      };
    case 'timeout': {
      const text = `Task timed out after ${version.timeout.toFixed(2)} seconds`;
      return failed('Sandbox.Timedout', `RequestId: ${requestId} Error: ${text}`, text, 'timeout');
    }
    case 'too-large':
      return failed(
        'Function.ResponseSizeTooLarge',
        `Response payload size exceeded maximum allowed payload size (${bytesMax} bytes).`,
        undefined,
        'error\tError Type: Function.ResponseSizeTooLarge',
      );
    case 'ended': {
      const type = outcome.outOfMemory ? 'Runtime.OutOfMemory' : 'Runtime.ExitError';
      const why =
        outcome.reason === 'exit status 0'
          ? 'Runtime exited without providing a reason'
          : `Runtime exited with error: ${outcome.outOfMemory ? 'signal: killed' : outcome.reason}`;
      const text = `RequestId: ${requestId} Error: ${why}`;
      return failed(type, text, `${text}\n${type}`, `error\tError Type: ${type}`);
    }
    default:
      throw new AwsError('ServiceException', 'The call had no outcome.', { status: 500 });
  }
}

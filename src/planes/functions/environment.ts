/**
 * One environment: a sandbox with a program in it that asks for calls and answers them, from its start to the moment nothing is left of it. Its state
 * follows what the program asks of the Runtime API; a call is over when it is answered, when its time is up or when the program has ended, whichever
 * comes first, and the environment may have the next one when the program (and every extension) has asked for it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answer, readBody, refuse, type RuntimeDesk } from './runtime-api.ts';
import type { EnvironmentFacts, FunctionSpec, Invocation, LogLine, OpenedEnvironment, Outcome, OutcomeFacts } from './types.ts';
import type { Sandbox, SandboxEnd } from './sandbox.ts';

/** "The Init phase is limited to 10 seconds": what takes longer begins again, in the time of the call. */
export const initMillisMax = 10_000;
const errorBytesMax = 256 * 1024;
/** Lines kept that were printed between calls. */
const linesMax = 10_000;
/** Real milliseconds that extensions get to go. */
const farewellMillis = 300;

type Plain = Outcome extends infer Each ? (Each extends Outcome ? Omit<Each, keyof OutcomeFacts> : never) : never;

interface Call {
  invocation: Invocation;
  begun: number;
  timer: NodeJS.Timeout;
  settle(outcome: Plain): void;
  settled: boolean;
  /** The outcome is with the caller: what is printed now is of the next call. */
  told: boolean;
  /** Set while the answer is on its way. */
  answering: boolean;
}

interface Extension {
  id: string;
  name: string;
  events: readonly string[];
  waiting?: ServerResponse | undefined;
}

export class Environment implements RuntimeDesk {
  readonly #opened: OpenedEnvironment;
  /** Lines printed while there was no call. */
  #lines: LogLine[] = [];
  readonly spec: FunctionSpec;
  readonly #sandbox: Sandbox;
  readonly #onIdle: (environment: Environment) => void;
  readonly #extensions = new Map<string, Extension>();
  /** Resolves with undefined when the program asks for its first call, else with why it never did. */
  readonly ready: Promise<Plain | undefined>;
  #settleReady: (failure: Plain | undefined) => void = () => {};
  #next: ServerResponse | undefined;
  #call: Call | undefined;
  #isReady = false;
  #gone = false;
  #peakMiB = 0;
  #calls = 0;
  readonly #startedAt = performance.now();
  initMillis = 0;
  /** Set when it takes no more calls after the one it has. */
  retired = false;
  idleSince = performance.now();
  /** Set when it was started before anybody called. */
  prepared = false;

  constructor(spec: FunctionSpec, opened: OpenedEnvironment, sandbox: Sandbox, onIdle: (environment: Environment) => void) {
    this.spec = spec;
    this.#opened = opened;
    this.#sandbox = sandbox;
    this.#onIdle = onIdle;
    this.ready = new Promise((resolve) => {
      this.#settleReady = (failure) => {
        this.initMillis = performance.now() - this.#startedAt;
        resolve(failure);
      };
    });
    void sandbox.ended.then((end) => this.#onEnd(end));
    void sandbox.extensionEnded.then((reason) => this.#onExtensionEnd(reason));
  }

  get validUntil(): number {
    return this.#opened.validUntil;
  }

  get label(): string {
    return this.#opened.label;
  }

  get isGone(): boolean {
    return this.#gone;
  }

  /** The most that was seen in use. */
  get memoryUsedMiB(): number {
    this.#peakMiB = Math.max(this.#peakMiB, this.#sandbox.memoryMiB());
    return Math.min(this.#peakMiB, this.spec.memoryMiB);
  }

  /** It has answered its call and will ask for the next in a moment. */
  get isFinishing(): boolean {
    return this.#call?.settled === true && !this.retired;
  }

  get isBusy(): boolean {
    return this.#call !== undefined;
  }

  /** Waits for the program to be ready, no longer than this. Resolves with why it is not. */
  async waitReady(millis: number): Promise<Plain | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Plain>((resolve) => {
      timer = setTimeout(() => resolve({ kind: 'timeout', during: 'init' }), millis);
    });
    const failure = await Promise.race([this.ready, late]);
    clearTimeout(timer);
    return failure;
  }

  /** Runs one call. Only while it is ready and has none. */
  run(invocation: Invocation): Promise<Outcome> {
    const cold = this.#calls === 0 && !this.prepared;
    this.#calls += 1;
    const environment: EnvironmentFacts = { label: this.label, cold, initMillis: cold ? this.initMillis : 0 };
    this.#sandbox.wake();
    invocation.onStart(environment, this.takeLines());
    const begun = performance.now();
    return new Promise((resolve) => {
      const settle = (outcome: Plain): void => {
        if (call.settled) return;
        call.settled = true;
        const millis = performance.now() - begun;
        const facts = { environment, millis, memoryUsedMiB: this.memoryUsedMiB };
        // Lines that were printed before the answer come before it.
        void this.#sandbox.drained().then(() => {
          call.told = true;
          resolve({ ...outcome, ...facts } as Outcome);
        });
      };
      const timer = setTimeout(() => this.#onTime(), invocation.timeoutMillis);
      const call: Call = { invocation, begun, timer, settle, settled: false, told: false, answering: false };
      this.#call = call;
      this.#deliver();
    });
  }

  /** Makes it stand still until its first call. */
  rest(): void {
    this.#sandbox.rest();
  }

  /** Takes a line that was printed. */
  print(line: LogLine): void {
    if (this.#call !== undefined && !this.#call.told) this.#call.invocation.onLine(line);
    else if (this.#lines.length < linesMax) this.#lines.push(line);
  }

  /** What was printed outside of calls. */
  takeLines(): LogLine[] {
    return this.#lines.splice(0);
  }

  /** Ends it and all its processes. Resolves when nothing is left. */
  async end(): Promise<void> {
    this.retired = true;
    if (!this.#gone) {
      const wanting = [...this.#extensions.values()].filter(({ events }) => events.includes('SHUTDOWN'));
      if (wanting.length > 0) await this.#farewell(wanting);
      this.#sandbox.kill();
    }
    await this.#sandbox.ended;
  }

  onNext(response: ServerResponse): void {
    this.#next = response;
    this.#settleIdle();
    this.#deliver();
  }

  onAnswer(id: string, request: IncomingMessage, response: ServerResponse): void {
    const call = this.#callOf(id, request, response);
    if (call === undefined) return;
    call.answering = true;
    const streamed = isStreamed(request);
    void (streamed ? this.#takeStream(call, request) : this.#takeAnswer(call, request)).then(
      () => answer(response, 202, { status: 'OK' }),
      () => response.destroy(),
    );
  }

  onFailure(id: string, request: IncomingMessage, response: ServerResponse): void {
    const call = this.#callOf(id, request, response);
    if (call === undefined) return;
    call.answering = true;
    void this.#readFailure(request).then(({ body, errorType }) => {
      call.settle({ kind: 'error', body, errorType, during: 'call' });
      answer(response, 202, { status: 'OK' });
    });
  }

  onInitFailure(request: IncomingMessage, response: ServerResponse): void {
    void this.#readFailure(request).then(({ body, errorType }) => {
      answer(response, 202, { status: 'OK' });
      if (this.#isReady) return;
      this.#settleReady({ kind: 'error', body, errorType, during: 'init' });
    });
  }

  onRegister(name: string, events: readonly string[], response: ServerResponse): void {
    if (this.#isReady) {
      refuse(response, 403, 'Extension.AlreadyInitialized', 'Extensions register before the first call.');
      return;
    }
    const id = crypto.randomUUID();
    this.#extensions.set(id, { id, name, events });
    response.setHeader('Lambda-Extension-Identifier', id);
    const { functionName = '', functionVersion = '', handler = '' } = this.#sandbox.words;
    answer(response, 200, { functionName, functionVersion, handler });
  }

  onExtensionNext(id: string, response: ServerResponse): void {
    const extension = this.#extensions.get(id);
    if (extension === undefined) {
      refuse(response, 403, 'Extension.UnknownExtensionIdentifier', 'Unknown extension identifier.');
      return;
    }
    extension.waiting = response;
    this.#settleIdle();
  }

  onExtensionFailure(id: string, during: 'init' | 'exit', request: IncomingMessage, response: ServerResponse): void {
    const extension = this.#extensions.get(id);
    void this.#readFailure(request).then(({ errorType, body }) => {
      if (extension === undefined)
        return refuse(response, 403, 'Extension.UnknownExtensionIdentifier', 'Unknown extension identifier.');
      answer(response, 202, { status: 'OK' });
      const failure: Plain = { kind: 'error', body, errorType, during: during === 'init' ? 'init' : 'call' };
      this.#settleReady(failure);
      this.#call?.settle(failure);
      this.retired = true;
      this.#sandbox.kill();
    });
  }

  #callOf(id: string, request: IncomingMessage, response: ServerResponse): Call | undefined {
    const call = this.#call;
    if (call !== undefined && call.invocation.id === id && !call.answering) return call;
    request.resume();
    refuse(response, 400, 'InvalidRequestID', 'Invalid request ID');
    return undefined;
  }

  /** An extension that ends before the first call takes the environment along; later ones may end as they like. */
  #onExtensionEnd(reason: string): void {
    if (this.#isReady || this.retired) return;
    const errorMessage = `Error: ${reason}`;
    const body = Buffer.from(JSON.stringify({ errorType: 'Extension.Crash', errorMessage }));
    this.#settleReady({ kind: 'error', body, errorType: 'Extension.Crash', during: 'init' });
    this.retired = true;
    this.#sandbox.kill();
  }

  /** Whether all extensions that the layers bring have registered, each by its file's name. */
  #allRegistered(): boolean {
    const names = new Set([...this.#extensions.values()].map(({ name }) => name));
    return [...this.#sandbox.extensions].every((name) => names.has(name));
  }

  /** Ready, and idle again, when the program and every extension wait for what comes next. */
  #settleIdle(): void {
    if (this.#next === undefined || [...this.#extensions.values()].some(({ waiting }) => waiting === undefined)) return;
    if (!this.#isReady) {
      // A program that is quicker than the extensions waits for them ("The Init phase is complete when the runtime and all extensions ask for the next event").
      if (!this.#allRegistered()) return;
      this.#isReady = true;
      this.#settleReady(undefined);
      this.#sandbox.bound();
      return;
    }
    const call = this.#call;
    if (call === undefined || !call.settled) return;
    clearTimeout(call.timer);
    this.#call = undefined;
    this.idleSince = performance.now();
    this.#sandbox.rest();
    this.#onIdle(this);
  }

  #deliver(): void {
    const [call, response] = [this.#call, this.#next];
    if (call === undefined || response === undefined || call.settled) return;
    this.#next = undefined;
    const { invocation } = call;
    const deadline = Date.now() + invocation.timeoutMillis;
    const events = [...this.#extensions.values()].filter(({ events: wanted }) => wanted.includes('INVOKE'));
    for (const extension of events) {
      const { waiting } = extension;
      extension.waiting = undefined;
      const invokedFunctionArn = invocation.headers['Lambda-Runtime-Invoked-Function-Arn'];
      if (waiting !== undefined)
        answer(waiting, 200, { eventType: 'INVOKE', deadlineMs: deadline, requestId: invocation.id, invokedFunctionArn });
    }
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': invocation.payload.byteLength,
      ...invocation.headers,
      'Lambda-Runtime-Deadline-Ms': String(deadline),
    });
    response.end(invocation.payload);
  }

  async #takeAnswer(call: Call, request: IncomingMessage): Promise<void> {
    const { answerBytesMax } = call.invocation;
    let bytes = 0;
    request.on('data', (piece: Buffer) => (bytes += piece.byteLength));
    const body = await readBody(request, answerBytesMax);
    if (body === undefined) return call.settle({ kind: 'too-large', bytes });
    call.settle({ kind: 'answer', body, streamed: false, contentType: contentTypeOf(request) });
  }

  async #takeStream(call: Call, request: IncomingMessage): Promise<void> {
    const contentType = contentTypeOf(request);
    const { onStream, answerBytesMax } = call.invocation;
    const sink = onStream?.({ contentType });
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of request as AsyncIterable<Buffer>) {
      if (call.settled) continue;
      bytes += piece.byteLength;
      if (bytes > answerBytesMax) continue;
      if (sink !== undefined) await sink.write(piece);
      else pieces.push(piece);
    }
    const errorType = request.trailers['lambda-runtime-function-error-type'];
    if (errorType !== undefined) {
      const body = Buffer.from(request.trailers['lambda-runtime-function-error-body'] ?? '', 'base64');
      return call.settle({ kind: 'error', body, errorType, during: 'call' });
    }
    if (bytes > answerBytesMax) return call.settle({ kind: 'too-large', bytes });
    call.settle({ kind: 'answer', body: Buffer.concat(pieces), streamed: sink !== undefined, contentType });
  }

  async #readFailure(request: IncomingMessage): Promise<{ body: Uint8Array; errorType: string }> {
    const body = (await readBody(request, errorBytesMax).catch(() => undefined)) ?? Buffer.from('{}');
    return { body, errorType: String(request.headers['lambda-runtime-function-error-type'] ?? 'Unhandled') };
  }

  #onTime(): void {
    this.#call?.settle({ kind: 'timeout', during: 'call' });
    this.retired = true;
    this.#sandbox.kill();
  }

  #onEnd({ reason, outOfMemory }: SandboxEnd): void {
    this.#gone = true;
    this.retired = true;
    if (outOfMemory) this.#peakMiB = this.spec.memoryMiB;
    const call = this.#call;
    clearTimeout(call?.timer);
    call?.settle({ kind: 'ended', reason, outOfMemory, during: 'call' });
    this.#settleReady({ kind: 'ended', reason, outOfMemory, during: 'init' });
    this.#onIdle(this);
  }

  async #farewell(extensions: readonly Extension[]): Promise<void> {
    const deadlineMs = Date.now() + farewellMillis;
    this.#sandbox.wake();
    for (const { waiting } of extensions)
      if (waiting !== undefined) answer(waiting, 200, { eventType: 'SHUTDOWN', shutdownReason: 'spindown', deadlineMs });
    await Promise.race([this.#sandbox.ended, new Promise((resolve) => setTimeout(resolve, farewellMillis))]);
  }
}

/** Runtimes say that they stream; aws-lambda-go only sends anything but JSON in chunks as it comes. */
function isStreamed(request: IncomingMessage): boolean {
  if (request.headers['lambda-runtime-function-response-mode'] === 'streaming') return true;
  return request.headers['transfer-encoding'] === 'chunked' && !/^application\/json\b/.test(contentTypeOf(request));
}

function contentTypeOf(request: IncomingMessage): string {
  return request.headers['content-type'] ?? 'application/json';
}

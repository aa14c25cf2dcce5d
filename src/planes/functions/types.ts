/**
 * Functions: programs that run when they are called, in the plane's own words. An environment is a sandbox with one program in it, which asks for
 * invocations over the Runtime API and answers one at a time; it is kept for the next call of the same spec. The caller hands the complete spec
 * with every call: what environments there are is the plane's business.
 */

/** What an environment is made of. Specs with the same key are the same. */
export interface FunctionSpec {
  /** At most 48 of [a-z0-9-]: what changes the environment changes the key. */
  key: string;
  /** What it is a version of, for counting and for letting go of older ones. */
  group: string;
  /** Toolchain, as `node`, `python3`, `java`; `none` runs the program `bootstrap` of the code. */
  toolchain: Toolchain;
  /** The program that speaks the Runtime API for handlers of the toolchain. Absent: the code's own `bootstrap` does. */
  client?: ClientProgram | undefined;
  /** Installed code (`CodeFolder.install`), shown at /var/task; and layers, shown at /opt, the first one lowest. */
  code: string;
  layers: readonly string[];
  memoryMiB: number;
  /** Size of /tmp. */
  diskMiB: number;
  /** Processor time in hundredths of a processor, once it has started. */
  cpuPercent: number;
  /** Where a new environment is attached. Absent: the internet. Throws what keeps it from being attached. */
  attach?: (() => Promise<NetworkAttachment>) | undefined;
  /** Called once for each new environment. Throws what keeps it from being made. */
  open(environment: string): Promise<OpenedEnvironment>;
}

/** Text of a program by file, and what of it is run: a file, or a class where the toolchain compiles it first. */
export interface ClientProgram {
  main: string;
  files: Readonly<Record<string, string>>;
}

/** A device of a network that is the only way out. */
export interface NetworkAttachment {
  /** Machine whose namespace the fabric made for the device. */
  machine: string;
  /** The device's own address. */
  address: string;
  resolver: string;
}

export interface OpenedEnvironment {
  variables: Readonly<Record<string, string>>;
  /** The last moment, on the caller's clock, at which the variables are good for a call. */
  validUntil: number;
  /** The caller's own name for the environment. */
  label: string;
}

export interface LogLine {
  /** Real milliseconds. */
  at: number;
  text: string;
}

export type Toolchain = 'node' | 'python3' | 'java' | 'ruby' | 'dotnet' | 'none';

export interface Invocation {
  id: string;
  payload: Uint8Array;
  /** Headers of the Runtime API beside that of the deadline. */
  headers: Readonly<Record<string, string>>;
  /** Real milliseconds. */
  timeoutMillis: number;
  /** The caller's clock. */
  now: number;
  /** Most bytes of an answer. */
  answerBytesMax: number;
  /** Called when an environment has taken the call, before the program sees it, with what it printed since its last call. */
  onStart(environment: EnvironmentFacts, before: readonly LogLine[]): void;
  /** Called with every line that the environment prints during the call. */
  onLine(line: LogLine): void;
  /** Called with the head of an answer that is streamed and takes its pieces as they come; without it an answer is gathered. */
  onStream?: ((head: { contentType: string }) => { write(piece: Uint8Array): Promise<void> }) | undefined;
}

export interface EnvironmentFacts {
  label: string;
  cold: boolean;
  /** How long a cold one took to start. */
  initMillis: number;
}

/** How a call went. */
export type Outcome = OutcomeFacts &
  (
    | { kind: 'answer'; body: Uint8Array; streamed: boolean; contentType: string }
    /** The program says that it failed; `body` is what it says. */
    | { kind: 'error'; body: Uint8Array; errorType: string; during: 'init' | 'call' }
    | { kind: 'timeout'; during: 'init' | 'call' }
    /** Its process ended: `exit status 1`, `signal: killed`. */
    | { kind: 'ended'; reason: string; outOfMemory: boolean; during: 'init' | 'call' }
    | { kind: 'too-large'; bytes: number }
    /** No environment could be made; `reason` is the host's. */
    | { kind: 'unavailable'; reason: string }
  );

export interface OutcomeFacts {
  environment?: EnvironmentFacts | undefined;
  /** Real milliseconds from the moment the program could see the call. */
  millis: number;
  memoryUsedMiB: number;
}

/** Why an archive was refused. */
export class CodeRefused extends Error {
  override readonly name = 'CodeRefused';
  readonly reason: 'not-zip' | 'too-large' | 'path' | 'link';

  constructor(reason: CodeRefused['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface InstalledCode {
  files: number;
  bytes: number;
}

export interface Functions {
  /** Why this toolchain cannot be used and what to install, or undefined when it can. */
  toolchainProblem(toolchain: Toolchain): Promise<string | undefined>;
  /**
   * Unpacks a zip archive under a name. Nothing is done when it is there. Throws `CodeRefused`: not an archive, more than `bytesMax` unpacked, or
   * names or links that lead out of it.
   */
  install(name: string, archive: Uint8Array, bytesMax: number): Promise<InstalledCode>;
  hasCode(name: string): Promise<boolean>;
  /** Bytes of installed code; zero when it is not there. */
  codeBytes(name: string): Promise<number>;
  /** Names of the code that is installed. */
  installed(): Promise<string[]>;
  removeCode(name: string): Promise<void>;
  /** Runs a call in an idle environment of the spec, or in a new one. Never rejects but with what `open` threw. */
  invoke(spec: FunctionSpec, call: Invocation): Promise<Outcome>;
  /** Makes environments ready before they are called, up to this many of the key; they are not let go while it is so. */
  provision(spec: FunctionSpec, count: number): Promise<{ ready: number; problem?: string | undefined }>;
  /** They are as any others of the key from now on. Safe to repeat. */
  unprovision(key: string): Promise<void>;
  /** Lets go of environments of a group, but those of the keys to be kept: idle ones now, others after their call. */
  discard(group: string, keep: readonly string[]): void;
  close(): Promise<void>;
}

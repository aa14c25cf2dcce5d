/**
 * The record of finished calls. Calls are collected and written in batches, because a row per call would double the price of a cheap one; the
 * real cloud delivers its trail minutes later, so the last fraction of a second before a crash may be missing. Loaded services that
 * listen (`records`) get the same batches: last use of keys, last accessed services.
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { Store, Value } from '../store/store.ts';
import { defineTable, scopedWriter } from '../store/tables.ts';
import type { Identity } from './caller.ts';
import type { Log } from './log.ts';
import type { CallRecord } from './service.ts';

/** One call as kept: what CloudTrail's event history shows. */
export interface CallRow {
  at: Millis;
  requestId: string;
  service: string;
  operation: string;
  arn: string;
  userName?: string | undefined;
  kind: Identity['kind'];
  accessKeyId?: string | undefined;
  sourceIp: string;
  userAgent: string;
  readOnly: boolean;
  errorCode?: string | undefined;
  errorMessage?: string | undefined;
  input?: Value | undefined;
  output?: Value | undefined;
  /** Account and unique id of the identity. */
  callerAccount: string;
  callerId: string;
  invokedBy?: string | undefined;
}

/** Calls of one account in one Region, in order of time. */
export const Calls = defineTable<CallRow>()({ name: 'kernel.calls', scope: 'region', key: (row) => [row.at, row.requestId] });

/** Real milliseconds between batches. */
const flushInterval = 100;
/** Calls kept in memory before a batch is forced. */
const batchMax = 5000;
/** CloudTrail's event history holds 90 days ("Working with CloudTrail event history"). */
const historyKept: Millis = 90 * 86_400_000;
/** Calls kept per account and Region. */
const historyRowsMax = 20_000;
/** Every so many batches the history is trimmed. */
const trimEvery = 100;

const secretMembers = new Set([
  'password',
  'newpassword',
  'oldpassword',
  'secretaccesskey',
  'sessiontoken',
  'masteruserpassword',
  'plaintext',
  'secretstring',
  'secretbinary',
  'privatekey',
  'tokencode',
  'webidentitytoken',
  'samlassertion',
  'temporarypassword',
  'proposedpassword',
  'previouspassword',
  'clientsecret',
  'secrethash',
  'accesstoken',
  'idtoken',
  'refreshtoken',
  'confirmationcode',
  'authparameters',
  'challengeresponses',
  'platformcredential',
  'environment',
]);
const hidden = 'HIDDEN_DUE_TO_SECURITY_REASONS';
const inputDepthMax = 12;

/** Plain data of an operation's input, with secrets hidden as CloudTrail hides them and blobs by their size. */
function recordableInput(input: unknown, depth = 0): Value | undefined {
  if (input === null || typeof input === 'string' || typeof input === 'number' || typeof input === 'boolean') return input;
  if (input === undefined || depth > inputDepthMax) return undefined;
  if (typeof input === 'bigint') return input.toString();
  if (input instanceof Date) return input.toISOString();
  if (input instanceof Uint8Array) return `<${input.byteLength} bytes>`;
  if (Array.isArray(input)) return input.map((entry) => recordableInput(entry, depth + 1) ?? null);
  if (typeof input !== 'object' || Symbol.asyncIterator in input) return undefined;
  const members: Record<string, Value> = {};
  for (const [name, value] of Object.entries(input)) {
    const plain = secretMembers.has(name.toLowerCase()) ? hidden : recordableInput(value, depth + 1);
    if (plain !== undefined) members[name] = plain;
  }
  return members;
}

export class Recorder {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners: ((batch: readonly CallRecord[]) => Promise<void>)[] = [];
  #batch: CallRecord[] = [];
  #writing: Promise<void> = Promise.resolve();
  #waiting = false;
  #batches = 0;

  constructor(store: Store, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Gets every batch from now on. */
  listen(listener: (batch: readonly CallRecord[]) => Promise<void>): void {
    this.#listeners.push(listener);
  }

  /** Takes one finished call; it is on disk within `flushInterval` real milliseconds. */
  record(call: CallRecord): void {
    this.#batch.push(call);
    if (this.#batch.length >= batchMax) void this.flush();
    else if (!this.#waiting) {
      this.#waiting = true;
      void this.#clock.pause(flushInterval).then(() => {
        this.#waiting = false;
        return this.flush();
      });
    }
  }

  /** Writes what has been collected; resolves when it is written and listeners are done. */
  flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length > 0) this.#writing = this.#writing.then(() => this.#write(batch));
    return this.#writing;
  }

  async #write(batch: readonly CallRecord[]): Promise<void> {
    try {
      await this.#store.transact(async (tx) => {
        for (const call of batch) {
          if (call.account === '' || call.data === true) continue;
          await scopedWriter(tx, Calls, call).put(rowOf(call));
        }
      });
      this.#batches += 1;
      if (this.#batches % trimEvery === 1) await this.#trim(batch);
      for (const listener of this.#listeners) await listener(batch);
    } catch (error) {
      this.#log('error', 'The record of calls could not be written.', { error });
    }
  }

  async #trim(batch: readonly CallRecord[]): Promise<void> {
    const scopes = new Map(batch.map((call) => [`${call.account}/${call.region}`, call]));
    const oldest = this.#clock.now() - historyKept;
    await this.#store.transact(async (tx) => {
      for (const scope of scopes.values()) {
        const table = scopedWriter(tx, Calls, scope);
        const excess = (await table.count()) - historyRowsMax;
        const rows = await table.list({ limit: Math.max(excess, 1000) });
        for (const [index, row] of rows.entries()) {
          if (index < excess || row.at < oldest) await table.delete(row.at, row.requestId);
        }
      }
    });
  }
}

/** The row of a finished call, with secrets hidden. */
export function rowOf(call: CallRecord): CallRow {
  return {
    at: call.at,
    requestId: call.requestId,
    service: call.service,
    operation: call.operation,
    arn: call.identity.arn,
    userName: call.identity.userName,
    kind: call.identity.kind,
    accessKeyId: call.accessKeyId,
    sourceIp: call.sourceIp,
    userAgent: call.userAgent,
    readOnly: call.readOnly,
    errorCode: call.errorCode,
    errorMessage: call.errorMessage,
    input: recordableInput(call.input),
    output: recordableInput(call.output),
    callerAccount: call.identity.account,
    callerId: call.identity.userId,
    invokedBy: call.invokedBy,
  };
}

/**
 * The context behind requests and tasks: a thin view on the kernel with scope, caller and time fixed.
 */
import type { Clock, Millis } from '../base/clock.ts';
import { parseArn } from '../base/arn.ts';
import type { IdSort } from '../base/ids.ts';
import type { StoreTransaction } from '../store/store.ts';
import { listAllScopes, scopedReader, scopedWriter, type Table, type TableReader, type TableWriter } from '../store/tables.ts';
import { type Caller, type Identity, serviceCaller } from './caller.ts';
import type { ServiceClients } from './clients.generated.ts';
import type { Context, DomainEvent, Parts, Scope, ServiceCaller, Transaction, Waiting } from './context.ts';
import type { Kernel } from './kernel.ts';
import type { Check } from './service.ts';
import type { Trace } from './trace.ts';

export interface ContextFacts {
  account: string;
  region: string;
  service: string;
  operation: string;
  requestId: string;
  caller: Caller;
  now: Millis;
  trace?: Trace | undefined;
  /** Listens for the caller's going away; absent for calls that no connection waits for. */
  onGone?: ((listener: () => void) => () => void) | undefined;
}

export class RequestContext implements Context {
  readonly partition = 'aws';
  readonly account: string;
  readonly region: string;
  readonly service: string;
  readonly operation: string;
  readonly requestId: string;
  readonly caller: Caller;
  readonly now: Millis;
  readonly #kernel: Kernel;
  readonly #trace: Trace | undefined;
  readonly #onGone: ContextFacts['onGone'];

  constructor(kernel: Kernel, facts: ContextFacts) {
    this.#kernel = kernel;
    this.account = facts.account;
    this.region = facts.region;
    this.service = facts.service;
    this.operation = facts.operation;
    this.requestId = facts.requestId;
    this.caller = facts.caller;
    this.now = facts.now;
    this.#trace = facts.trace;
    this.#onGone = facts.onGone;
  }

  get clock(): Clock {
    return this.#kernel.clock;
  }

  table<Row, Index extends string>(table: Table<Row, Index>): TableReader<Row, Index> {
    return scopedReader(this.#kernel.store, table, this);
  }

  tableIn<Row, Index extends string>(scope: Scope, table: Table<Row, Index>): TableReader<Row, Index> {
    return scopedReader(this.#kernel.store, table, scope);
  }

  everywhere<Row, Index extends string>(table: Table<Row, Index>): Promise<readonly { scope: Scope; row: Row }[]> {
    return listAllScopes(this.#kernel.store, table);
  }

  transact<T>(body: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#kernel.store.transact((tx) => body(new RowTransaction(this.#kernel, this, tx)));
  }

  id(sort: IdSort): string {
    return this.#kernel.ids.next(sort);
  }

  uuid(): string {
    return this.#kernel.ids.uuid();
  }

  bytes(count: number): Uint8Array {
    return this.#kernel.ids.bytes(count);
  }

  call<Name extends keyof ServiceClients>(service: Name): ServiceCaller<ServiceClients[Name]> {
    return this.#kernel.caller(service, this);
  }

  asService(): Context {
    return this.#with({ caller: serviceCaller(this.service, this.account) });
  }

  onAccountOf(sourceArn: string, sourceAccount?: string, principal: string = this.service): Context {
    // S3's ARNs carry no account: the context's own is the bucket's then.
    const owner = sourceAccount ?? (parseArn(sourceArn)?.account || this.account);
    return this.#with({ caller: { ...serviceCaller(principal, this.account), sourceArn, sourceAccount: owner } });
  }

  asIdentity(identity: Identity): Context {
    const { sourceIp, userAgent, secureTransport, calledVia } = serviceCaller(this.service, this.account);
    return this.#with({ caller: { ...identity, sourceIp, userAgent, secureTransport, calledVia } });
  }

  permit(check: Check): Promise<void> {
    return this.#kernel.permit(this, check);
  }

  inScope({ account = this.account, region = this.region }: Partial<Scope>): Context {
    // Only these two: whoever hands a whole context as the scope stays the service that it is.
    return this.#with({ account, region });
  }

  internal<Api>(service: string): Promise<Api> {
    return this.#kernel.api(service, this) as Promise<Api>;
  }

  part<Name extends keyof Parts>(name: Name): Parts[Name] {
    const part = this.#kernel.parts[name];
    if (part === undefined) throw new Error(`Boot provided no part named ${String(name)}.`);
    return part;
  }

  underWay<T>(work: Promise<T>): Promise<T> {
    return this.#kernel.activity.track(work);
  }

  rest(real: Millis, signal: AbortSignal): Promise<void> {
    return this.#kernel.activity.rest(this.clock, real, signal);
  }

  trace(line: string): void {
    this.#trace?.add(line);
  }

  onGone(listener: () => void): () => void {
    return this.#onGone?.(listener) ?? (() => undefined);
  }

  #with(changes: Partial<ContextFacts>): RequestContext {
    const { account, region, service, operation, requestId, caller, now } = this;
    return new RequestContext(this.#kernel, {
      account,
      region,
      service,
      operation,
      requestId,
      caller,
      now,
      trace: this.#trace,
      onGone: this.#onGone,
      ...changes,
    });
  }
}

class RowTransaction implements Transaction {
  readonly #kernel: Kernel;
  readonly #ctx: Context;
  readonly #tx: StoreTransaction;

  constructor(kernel: Kernel, ctx: Context, tx: StoreTransaction) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.#tx = tx;
  }

  table<Row, Index extends string>(table: Table<Row, Index>): TableWriter<Row, Index> {
    return scopedWriter(this.#tx, table, this.#ctx);
  }

  tableIn<Row, Index extends string>(scope: Scope, table: Table<Row, Index>): TableWriter<Row, Index> {
    return scopedWriter(this.#tx, table, scope);
  }

  emit(event: DomainEvent): Promise<void> {
    return this.#kernel.bus.emit(this.#tx, event, this.#ctx);
  }

  schedule(waiting: Waiting): Promise<void> {
    const place = this.#place();
    const watch = this.#kernel.registry.ready(place.service)?.watches?.includes(waiting.task);
    return this.#kernel.scheduler.schedule(this.#tx, { ...waiting, ...place, watch });
  }

  unschedule(task: string, key: string): Promise<void> {
    return this.#kernel.scheduler.cancel(this.#tx, { task, key, ...this.#place() });
  }

  hint(reconciler: string, key: string): void {
    const { account, region, service } = this.#place();
    this.#tx.afterCommit(() => this.#kernel.hint(service, reconciler, { account, region, key }));
  }

  #place(): { service: string; account: string; region: string } {
    return { service: this.#ctx.service, account: this.#ctx.account, region: this.#ctx.region };
  }
}

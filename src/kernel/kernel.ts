/**
 * The kernel: what services are written against, put together. It owns no rule of any service and touches no socket; boot builds it, the gateway
 * and the admin API drive it.
 */
import { isDiskFull } from '../base/errors.ts';
import { BlobsAwayError } from '../planes/blobs/types.ts';
import type { CloudClock } from '../base/clock.ts';
import type { IdSource } from '../base/ids.ts';
import type { Store } from '../store/store.ts';
import { clearAccount, defineTable, scopedReader } from '../store/tables.ts';
import { Activity } from './activity.ts';
import { authorise, authoriseChecks } from './authorise.ts';
import { Bus, deliveryTask } from './bus.ts';
import { isOwnService, serviceCaller, viaService } from './caller.ts';
import { ApiChaos } from './chaos.ts';
import type { ServiceClients } from './clients.generated.ts';
import { ClockMover } from './clock-mover.ts';
import type { Context, Parts, Scope, ServiceCaller, WebName } from './context.ts';
import { AwsError, notImplemented } from './errors.ts';
import type { Log } from './log.ts';
import { actionOf } from './policy/operations.ts';
import { Reconcilers } from './reconcile.ts';
import { Recorder } from './recorder.ts';
import { Registry } from './registry.ts';
import { type ContextFacts, RequestContext } from './request-context.ts';
import { type DueJob, Scheduler } from './scheduler.ts';
import type { Check, Handler, ReconcileKey, ServiceDefinition, ServiceEntry } from './service.ts';
import { Traces } from './trace.ts';
import { ZoneFaults } from './zone-faults.ts';

interface SetupRow {
  service: string;
}

/** Which services have set up this account in this Region. */
const Setups = defineTable<SetupRow>()({ name: 'kernel.setups', scope: 'region', key: (row) => [row.service] });

interface UsedRow {
  service: string;
}

/** Services that this cloud has ever loaded: what works by itself has work only where somebody once asked for it. */
const Used = defineTable<UsedRow>()({ name: 'kernel.used', scope: 'cloud', key: (row) => [row.service] });

/** The scope of what belongs to no account. */
const nobody: Scope = { account: '', region: '' };

/** Jobs fired at once. */
const jobConcurrency = 8;

export interface KernelOptions {
  store: Store;
  clock: CloudClock;
  ids: IdSource;
  log: Log;
  services: readonly ServiceEntry[];
  parts: Partial<Parts>;
}

export class Kernel {
  readonly store: Store;
  readonly clock: CloudClock;
  readonly ids: IdSource;
  readonly log: Log;
  readonly parts: Partial<Parts>;
  readonly registry: Registry;
  readonly scheduler: Scheduler;
  readonly bus: Bus;
  readonly recorder: Recorder;
  readonly reconcilers: Reconcilers;
  readonly activity = new Activity();
  readonly mover: ClockMover;
  readonly chaos: ApiChaos;
  readonly traces: Traces;
  readonly zones: ZoneFaults;
  /** Host names that users gave to what a service serves (custom domains), and that service. A cache: services fill it from their rows. */
  readonly webNames = new Map<string, WebName>();
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #settingUp = new Map<string, Promise<void>>();

  constructor({ store, clock, ids, log, services, parts }: KernelOptions) {
    this.store = store;
    this.clock = clock;
    this.ids = ids;
    this.log = log;
    this.zones = new ZoneFaults(store, clock, parts.fabric);
    this.parts = { ...parts, zones: this.zones, webNames: this.webNames };
    this.registry = new Registry(services, (definition) => this.#loaded(definition));
    this.scheduler = new Scheduler({
      ...{ store, clock, log, concurrency: jobConcurrency },
      run: (job) => this.#fire(job),
      stands: ({ service, region }) => this.#stands(service, region),
    });
    this.bus = new Bus(this.registry, () => this.scheduler, clock, ids);
    this.recorder = new Recorder(store, clock, log);
    this.reconcilers = new Reconcilers(clock, log, (service, key, task) => this.systemContext(service, key, task));
    const { scheduler, reconcilers, activity, recorder } = this;
    this.mover = new ClockMover({ store, clock, scheduler, reconcilers, activity, recorder });
    this.chaos = new ApiChaos(clock);
    this.traces = new Traces(() => clock.realNow());
  }

  /** Loads the services that work without being asked, lets due jobs fire, and brings every plane in line with the rows. */
  async start(): Promise<void> {
    await this.zones.load();
    const used = new Set((await scopedReader(this.store, Used, nobody).list()).map((row) => row.service));
    const working = this.registry.entries.filter((entry) => entry.eager && used.has(entry.name));
    await Promise.all(working.map((entry) => this.registry.get(entry.name)));
    this.scheduler.start();
  }

  /** Stops in the order that loses nothing: no new jobs, running ones finish, the record is written, listeners close. */
  async stop(): Promise<void> {
    await this.scheduler.stop();
    await this.reconcilers.stop();
    await this.recorder.flush();
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }

  /**
   * One operation, from authorisation to record. Throws `AwsError`: the service's own, or 501 for what Pilvi does not implement, or 500 for
   * a bug of ours, whose cause goes to the log.
   */
  async invoke(facts: ContextFacts, input: unknown): Promise<unknown> {
    let ctx = new RequestContext(this, facts);
    let failure: AwsError | undefined;
    let output: unknown;
    try {
      const found = this.#regionOf(ctx, input);
      const region = found instanceof Promise ? await found : found;
      if (region !== undefined) ctx = new RequestContext(this, { ...facts, region });
      output = await this.#perform(ctx, input);
      return output;
    } catch (error) {
      failure = error instanceof AwsError ? error : (this.#hostTrouble(error, ctx) ?? this.#bug(error, ctx));
      throw failure;
    } finally {
      this.#record(ctx, input, output, failure);
    }
  }

  /** Asks policies whether the caller of `ctx` may do one thing more. Throws the service's access-denied error. */
  permit(ctx: Context, check: Check): Promise<void> {
    return authoriseChecks(this.registry, ctx.service, [check], ctx, (service) =>
      this.systemContext(service, ctx, ctx.operation),
    );
  }

  /** A context for a caller that came by another way than an operation. */
  contextFor(facts: ContextFacts): Context {
    return new RequestContext(this, facts);
  }

  /** A context in which a service acts by itself. */
  systemContext(service: string, scope: Scope, operation: string): Context {
    const { account, region } = scope;
    return new RequestContext(this, {
      account,
      region,
      service,
      operation,
      requestId: this.ids.uuid(),
      caller: serviceCaller(service, account),
      now: this.clock.now(),
    });
  }

  /** Typed in-process calls to a service, for `ctx.call`. */
  caller<Name extends keyof ServiceClients>(service: Name, ctx: Context): ServiceCaller<ServiceClients[Name]> {
    const caller = viaService(ctx.caller, ctx.service);
    const { account, region } = ctx;
    return new Proxy({} as ServiceCaller<ServiceClients[Name]>, {
      get: (_target, method) => {
        if (typeof method !== 'string' || method === 'then') return undefined;
        const operation = method.charAt(0).toUpperCase() + method.slice(1);
        return (input: unknown) =>
          this.invoke(
            { account, region, service, operation, requestId: this.ids.uuid(), caller, now: this.clock.now() },
            input ?? {},
          );
      },
    });
  }

  /** What a service offers others in process. Throws when it offers nothing: a bug of the caller. */
  async api(service: string, ctx: Context): Promise<unknown> {
    const definition = await this.registry.get(service);
    if (definition?.api === undefined) throw new Error(`Service ${service} offers no api.`);
    return definition.api(this.systemContext(service, ctx, ctx.operation));
  }

  /** Wakes a reconciler of a service for one key. */
  hint(service: string, name: string, key: ReconcileKey): void {
    const wake = (definition: ServiceDefinition | undefined): void => {
      const reconciler = definition?.reconcilers?.[name];
      if (reconciler === undefined) this.log('error', 'A hint names no reconciler, by a bug of Pilvi.', { service, name });
      else if (reconciler.decides === true && this.#stands(service, key.region)) return;
      else this.reconcilers.hint(service, name, reconciler, key);
    };
    const ready = this.registry.ready(service);
    if (ready !== undefined) wake(ready);
    else
      void this.activity.track(
        this.registry.get(service).then(wake, (error) => this.log('error', 'A service could not be loaded.', { service, error })),
      );
  }

  /** Takes a zone down or brings it back; resolves when what runs there has ended, or runs again. */
  async setZoneDown(zone: string, down: boolean): Promise<void> {
    await this.zones.set(zone, down);
    await this.#visitEverything();
    this.scheduler.look();
    await this.reconcilers.idle();
  }

  /** Removes all rows of one account, or of every account, and lets the planes follow. The clock keeps its time. */
  async reset(account?: string): Promise<void> {
    await this.recorder.flush();
    for (const definition of this.#readyServices())
      await definition.onReset?.(account, this.systemContext(definition.name, { account: account ?? '', region: '' }, 'reset'));
    if (account === undefined) await this.store.clear([]);
    else await clearAccount(this.store, account);
    await this.#rememberUse(this.#readyServices());
    this.#settingUp.clear();
    if (account === undefined) {
      // Time never goes back, so the clock is no part of what is emptied.
      await this.mover.save();
      this.chaos.clear();
      await this.zones.load();
    }
    // Once more, because some of what was left could not go while something else held it (the disk of a machine).
    for (let pass = 0; pass < 2; pass++) {
      await this.#visitEverything();
      await this.reconcilers.idle();
    }
  }

  /** What a service does by itself in a Region stops with the Region, and goes on where it was when that is back. Global services are in no Region. */
  #stands(service: string, region: string): boolean {
    return this.zones.downSince(region) !== undefined && this.registry.ready(service)?.global !== true;
  }

  #readyServices(): ServiceDefinition[] {
    return this.registry.entries.flatMap(({ name }) => this.registry.ready(name) ?? []);
  }

  async #visitEverything(): Promise<void> {
    for (const definition of this.#readyServices()) await this.#visitAll(definition);
  }

  #regionOf(ctx: RequestContext, input: unknown): string | undefined | Promise<string | undefined> {
    const read = (definition: ServiceDefinition | undefined) =>
      definition?.regionOf?.((input ?? {}) as Readonly<Record<string, unknown>>, ctx);
    const ready = this.registry.ready(ctx.service);
    return ready === undefined ? this.registry.get(ctx.service).then(read) : read(ready);
  }

  async #perform(ctx: RequestContext, input: unknown): Promise<unknown> {
    const definition = this.registry.ready(ctx.service) ?? (await this.registry.get(ctx.service));
    const handler = (definition?.handlers as Readonly<Record<string, Handler<unknown, unknown>>> | undefined)?.[ctx.operation];
    if (definition === undefined || handler === undefined) throw notImplemented(ctx.service, ctx.operation);
    if (this.zones.downSince(ctx.region) !== undefined)
      throw new AwsError('ServiceUnavailable', `The Region ${ctx.region} is down.`, { status: 503 });
    await this.#setUp(definition, ctx);
    await this.chaos.strike(ctx);
    const resolved = definition.resolve?.((input ?? {}) as Readonly<Record<string, unknown>>, ctx);
    const meant = resolved === undefined ? input : resolved instanceof Promise ? await resolved : resolved;
    await authorise(this.registry, definition, meant, ctx, (service) => this.systemContext(service, ctx, ctx.operation));
    ctx.trace('authorise: allowed');
    await definition.before?.(meant as Readonly<Record<string, unknown>>, ctx);
    const output = await handler(meant, ctx);
    ctx.trace('dispatch: done');
    return output ?? {};
  }

  async #setUp(definition: ServiceDefinition, ctx: RequestContext): Promise<void> {
    if (definition.accountSetup === undefined || ctx.account === '') return;
    const id = `${definition.name} ${ctx.account} ${ctx.region}`;
    let settingUp = this.#settingUp.get(id);
    if (settingUp === undefined) {
      settingUp = this.#setUpOnce(definition, ctx);
      this.#settingUp.set(id, settingUp);
      settingUp.catch(() => this.#settingUp.delete(id));
    }
    await settingUp;
  }

  async #setUpOnce(definition: ServiceDefinition, ctx: RequestContext): Promise<void> {
    if ((await scopedReader(this.store, Setups, ctx).get(definition.name)) !== undefined) return;
    const system = this.systemContext(definition.name, ctx, 'accountSetup');
    await definition.accountSetup?.(system);
    await system.transact((tx) => tx.table(Setups).put({ service: definition.name }));
  }

  /** Before their first rows: after a crash the next start must find who has work to go on with. */
  async #rememberUse(definitions: readonly ServiceDefinition[]): Promise<void> {
    const used = scopedReader(this.store, Used, nobody);
    const known = await Promise.all(definitions.map((definition) => used.get(definition.name)));
    const fresh = definitions.filter((_, index) => known[index] === undefined);
    if (fresh.length === 0) return;
    await this.systemContext('kernel', nobody, 'use').transact(async (tx) => {
      for (const { name } of fresh) await tx.table(Used).put({ service: name });
    });
  }

  async #loaded(definition: ServiceDefinition): Promise<void> {
    const system = this.systemContext(definition.name, nobody, 'start');
    await this.#rememberUse([definition]);
    if (definition.records !== undefined) {
      const { records } = definition;
      this.recorder.listen((batch) => records(batch, system));
    }
    const stop = await definition.start?.(system);
    if (stop !== undefined) this.#stops.push(stop);
    await this.#visitAll(definition);
  }

  async #visitAll(definition: ServiceDefinition): Promise<void> {
    for (const [name, reconciler] of Object.entries(definition.reconcilers ?? {})) {
      const keys = await reconciler.keys(this.systemContext(definition.name, nobody, name));
      for (const key of keys) {
        if (reconciler.decides === true && this.#stands(definition.name, key.region)) continue;
        this.reconcilers.hint(definition.name, name, reconciler, key);
      }
    }
  }

  async #fire(job: DueJob): Promise<void> {
    const ctx = this.systemContext(job.service, job, job.task);
    if (job.task === deliveryTask) return this.bus.deliver(job, ctx);
    const definition = await this.registry.get(job.service);
    const task = definition?.tasks?.[job.task];
    if (task === undefined) throw new Error(`Service ${job.service} has no task ${job.task}.`);
    return task({ key: job.key, due: job.due, payload: job.payload }, ctx);
  }

  /**
   * The host's trouble, not the caller's and no bug: what was asked for did not happen, and may when there is room again, or when what holds the bytes
   * answers. Undefined for all else.
   */
  #hostTrouble(error: unknown, ctx: Context): AwsError | undefined {
    const what = isDiskFull(error)
      ? 'the disk that holds the state of this cloud is full'
      : error instanceof BlobsAwayError
        ? 'the store that holds the bytes of this cloud does not answer'
        : undefined;
    if (what === undefined) return undefined;
    this.log('error', `A request was refused: ${what}.`, { operation: ctx.operation, reason: (error as Error).message });
    return new AwsError('ServiceUnavailable', `The request cannot be handled now: ${what}.`, { status: 503, cause: error });
  }

  #bug(error: unknown, ctx: Context): AwsError {
    this.log('error', 'An operation failed by a bug of Pilvi.', {
      requestId: ctx.requestId,
      service: ctx.service,
      operation: ctx.operation,
      error,
    });
    ctx.trace(`bug: ${error instanceof Error ? error.message : String(error)}`);
    return new AwsError(
      'InternalFailure',
      'The request processing has failed because of an unknown error, exception or failure.',
      { status: 500, cause: error },
    );
  }

  #record(ctx: Context, input: unknown, output: unknown, failure: AwsError | undefined): void {
    const { service, operation, account, region, requestId, caller } = ctx;
    const readOnly = readOnlyNames.test(operation);
    // What services read for themselves is their own business; what they change is on the record ("invokedBy").
    if (isOwnService(caller) && readOnly) return;
    this.recorder.record({
      at: ctx.now,
      service,
      operation,
      action: actionOf(service, operation),
      account,
      region: this.registry.ready(service)?.global === true ? 'us-east-1' : region,
      identity: caller,
      accessKeyId: caller.accessKeyId,
      sourceIp: caller.sourceIp,
      userAgent: caller.userAgent,
      requestId,
      readOnly,
      data: (this.registry.ready(service)?.dataOperations as readonly string[] | undefined)?.includes(operation),
      errorCode: failure?.code,
      errorMessage: failure?.message,
      input: input as never,
      output: readOnly ? undefined : (output as never),
      invokedBy: caller.kind === 'service' ? caller.arn : caller.calledVia.at(-1),
    });
  }
}

/** Operations that change nothing, by the names AWS gives them. */
const readOnlyNames = /^(Get|List|Describe|Head|Lookup|Query|Scan|Search|Select|BatchGet|Simulate|Test|View)/;

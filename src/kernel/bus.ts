/**
 * The bus: domain events from the service where something happened to those that want to know. An event is a due row, written in the transaction
 * that made it true and fired by the scheduler, so none is lost in a crash. Deliveries of one source to one
 * subscriber are a lane in its account and Region: they keep their order. An event nobody subscribes to costs
 * nothing.
 */
import type { Clock } from '../base/clock.ts';
import type { IdSource } from '../base/ids.ts';
import type { StoreTransaction, Value } from '../store/store.ts';
import type { Context, DomainEvent } from './context.ts';
import type { Registry } from './registry.ts';
import type { DueJob, Scheduler } from './scheduler.ts';

/** Task name under which deliveries wait; not a name a service can take. */
export const deliveryTask = '$event';

export class Bus {
  readonly #registry: Registry;
  readonly #scheduler: () => Scheduler;
  readonly #clock: Clock;
  readonly #ids: IdSource;

  constructor(registry: Registry, scheduler: () => Scheduler, clock: Clock, ids: IdSource) {
    this.#registry = registry;
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#ids = ids;
  }

  /** Puts one delivery per subscriber into the transaction. */
  async emit(tx: StoreTransaction, event: DomainEvent, scope: { account: string; region: string }): Promise<void> {
    for (const service of this.#registry.subscribers(`${event.source}:${event.detailType}`)) {
      const payload: Value = {
        source: event.source,
        detailType: event.detailType,
        detail: event.detail,
        resources: event.resources,
      };
      const { account, region } = scope;
      await this.#scheduler().schedule(tx, {
        service,
        task: deliveryTask,
        account,
        region,
        key: this.#ids.next('job'),
        due: this.#clock.now(),
        lane: `${deliveryTask} ${event.source}`,
        payload,
      });
    }
  }

  /** Hands a fired delivery to its subscriber. */
  async deliver(job: DueJob, ctx: Context): Promise<void> {
    const event = job.payload as unknown as DomainEvent;
    const definition = await this.#registry.get(job.service);
    const { events } = definition ?? {};
    await (events?.[`${event.source}:${event.detailType}`] ?? events?.['*'])?.(event, ctx);
  }
}

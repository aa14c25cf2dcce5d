/**
 * What becomes of a Spot request with its instance: served, interrupted with two minutes' notice, closed or opened again when the instance ends
 * ("Spot Instance interruptions", "Spot request status", EC2 User Guide).
 */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { ec2Arn } from '../tags.ts';
import { priceMillis, priceSince, spotPrice } from './prices.ts';
import { type SpotPlan, type SpotRequestRow, SpotRequests } from './state.ts';

/** From the notice to the interruption ("a warning that is issued two minutes before"). */
const noticeMillis = 120_000;
/** Cloud time between two attempts to serve an open request. */
export const retryMillis = 60_000;

const fulfilled = { code: 'fulfilled', message: 'Your Spot request is fulfilled.' };

/** Writes the request that an instance serves; both name each other. Returns the instance's row with it. */
export async function serveRequest(
  tx: Transaction,
  ctx: Context,
  instance: InstanceRow,
  given: { plan: SpotPlan; launch: Value; tags: SpotRequestRow['tags']; request?: SpotRequestRow | undefined },
): Promise<InstanceRow> {
  const { plan, launch, tags, request } = given;
  const row: SpotRequestRow = {
    ...(request ?? { ...plan, id: ctx.id('spotRequest'), created: ctx.now, launch, tags, imageId: instance.imageId }),
    state: 'active',
    status: { ...fulfilled, at: ctx.now },
    instanceId: instance.id,
    instanceType: instance.type,
    zone: instance.zone,
  };
  await tx.table(SpotRequests).put(row);
  if (plan.maxPrice !== undefined)
    await tx.schedule({ task: 'watchSpotPrice', key: instance.id, due: priceSince(ctx.now) + priceMillis });
  return { ...instance, spot: { requestId: row.id, type: plan.type, behaviour: plan.behaviour, maxPrice: plan.maxPrice } };
}

async function setStatus(
  tx: Transaction,
  ctx: Context,
  id: string,
  change: Partial<SpotRequestRow> & { code: string; message: string },
): Promise<void> {
  const { code, message, ...rest } = change;
  const row = await tx.table(SpotRequests).get(id);
  if (row === undefined || row.state === 'closed' || row.state === 'cancelled') return;
  await tx.table(SpotRequests).put({ ...row, ...rest, status: { code, message, at: ctx.now } });
}

/** An instance ends or stops for good: a one-time request is closed, a persistent one opened again. */
export async function endSpot(tx: Transaction, ctx: Context, row: InstanceRow): Promise<void> {
  if (row.spot === undefined) return;
  await tx.unschedule('interruptSpot', row.id);
  await tx.unschedule('watchSpotPrice', row.id);
  const why = row.spot.notice?.because;
  const code =
    why === undefined
      ? 'instance-terminated-by-user'
      : why === 'price'
        ? 'instance-terminated-by-price'
        : 'instance-terminated-no-capacity';
  const message =
    why === undefined
      ? 'Spot instance terminated due to user-initiated termination.'
      : 'Your Spot instance was terminated by Amazon EC2.';
  const again = row.spot.type === 'persistent';
  await setStatus(tx, ctx, row.spot.requestId, {
    state: again ? 'open' : 'closed',
    code,
    message,
    ...(again ? { instanceId: undefined } : {}),
  });
  if (again) await tx.schedule({ task: 'serveSpotRequest', key: row.spot.requestId, due: ctx.now + retryMillis });
}

/** Says of a running Spot Instance that its interruption has become likely ("EC2 instance rebalance recommendations"). Returns its row. */
async function recommend(tx: Transaction, ctx: Context, row: InstanceRow): Promise<InstanceRow> {
  if (row.spot === undefined || row.spot.recommendedAt !== undefined || row.intent !== 'running') return row;
  const next = { ...row, spot: { ...row.spot, recommendedAt: ctx.now } };
  await tx.table(Instances).put(next);
  await tx.emit({
    source: 'aws.ec2',
    detailType: 'EC2 Instance Rebalance Recommendation',
    detail: { 'instance-id': row.id },
    resources: [ec2Arn(ctx, 'instance', row.id)],
  });
  return next;
}

/** Gives notice to a running Spot Instance, with the recommendation at the latest: in its metadata and on the bus; what it is notified of follows in two minutes. */
async function giveNotice(tx: Transaction, ctx: Context, asked: InstanceRow, because: 'capacity' | 'price'): Promise<void> {
  if (asked.spot?.notice !== undefined || asked.intent !== 'running') return;
  const row = await recommend(tx, ctx, asked);
  if (row.spot === undefined) return;
  const { behaviour, requestId } = row.spot;
  // "Hibernation begins immediately": its notice comes without two minutes in advance.
  const at = behaviour === 'hibernate' ? ctx.now : ctx.now + noticeMillis;
  await tx.table(Instances).put({ ...row, spot: { ...row.spot, notice: { at, because } } });
  await tx.emit({
    source: 'aws.ec2',
    detailType: 'EC2 Spot Instance Interruption Warning',
    detail: { 'instance-id': row.id, 'instance-action': behaviour },
    resources: [ec2Arn(ctx, 'instance', row.id)],
  });
  await setStatus(tx, ctx, requestId, {
    code: behaviour === 'terminate' ? 'marked-for-termination' : 'marked-for-stop',
    message: `Your Spot instance is marked for ${behaviour === 'terminate' ? 'termination' : 'stop'}.`,
  });
  await tx.schedule({ task: 'interruptSpot', key: row.id, due: at });
}

/** Recommends to rebalance a running Spot Instance of any account; false when there is none. */
export async function orderRecommendation(ctx: Context, id: string): Promise<boolean> {
  const found = (await ctx.everywhere(Instances)).find(({ row }) => row.id === id && row.spot !== undefined);
  if (found?.row.state !== 'running') return false;
  const own = ctx.inScope(found.scope);
  await own.transact(async (tx) => {
    const row = await tx.table(Instances).get(id);
    if (row !== undefined) await recommend(tx, own, row);
  });
  return true;
}

/** Interrupts a Spot Instance of any account as if its capacity were needed, or gives it its capacity back; false when there is none. */
export async function orderInterruption(ctx: Context, id: string, down: boolean): Promise<boolean> {
  const found = (await ctx.everywhere(Instances)).find(({ row }) => row.id === id && row.spot !== undefined);
  if (found === undefined) return false;
  const own = ctx.inScope(found.scope);
  if (down) {
    if (found.row.state !== 'running') return false;
    await own.transact(async (tx) => {
      const row = await tx.table(Instances).get(id);
      if (row !== undefined) await giveNotice(tx, own, row, 'capacity');
    });
  } else await resumeSpot(own, id);
  return true;
}

/** Starts an instance that an interruption stopped. */
async function resumeSpot(ctx: Context, id: string): Promise<void> {
  const row = await ctx.table(Instances).get(id);
  if (row?.spot?.notice === undefined || row.state !== 'stopped') return;
  const { notice } = row.spot;
  const setNotice = (wanted: typeof notice | undefined) =>
    ctx.transact(async (tx) => {
      await tx
        .table(Instances)
        .update([id], (latest) =>
          latest.spot === undefined
            ? latest
            : { ...latest, spot: { ...latest.spot, notice: wanted, recommendedAt: wanted && latest.spot.recommendedAt } },
        );
    });
  await setNotice(undefined);
  try {
    await ctx
      .asService()
      .call('ec2')
      .startInstances({ InstanceIds: [id] });
  } catch (error) {
    await setNotice(notice);
    throw error;
  }
}

/** Throws IncorrectSpotRequestState for an instance that EC2 itself stopped and alone starts again. */
export function checkStartable({ id, spot, state }: InstanceRow): void {
  if (spot?.notice === undefined || state !== 'stopped') return;
  throw new AwsError(
    'IncorrectSpotRequestState',
    `You can't start the Spot Instance '${id}' because it was interrupted by Amazon EC2. It is started when capacity is available again.`,
  );
}

/** A stopped instance is started: its request is served again. */
export async function markStarted(tx: Transaction, ctx: Context, { spot }: InstanceRow): Promise<void> {
  if (spot !== undefined) await setStatus(tx, ctx, spot.requestId, { state: 'active', ...fulfilled });
}

/** Marks the request of an instance that an interruption stops. */
export async function markStopped(tx: Transaction, ctx: Context, { spot }: InstanceRow): Promise<void> {
  if (spot === undefined) return;
  const why = spot.notice?.because === 'price' ? 'by-price' : 'no-capacity';
  await setStatus(tx, ctx, spot.requestId, {
    state: 'disabled',
    code: spot.notice === undefined ? 'instance-stopped-by-user' : `instance-stopped-${why}`,
    message:
      spot.notice === undefined ? 'Your Spot instance was stopped by you.' : 'Your Spot instance was stopped by Amazon EC2.',
  });
}

/** The price of an instance with a maximum has changed: above it, the instance is interrupted; stopped ones come back below it. */
export const watchSpotPrice: Task = async ({ key }, ctx) => {
  const seen = await ctx.table(Instances).get(key);
  if (seen?.spot?.maxPrice === undefined || seen.state === 'terminated') return;
  const dear = (spotPrice(seen.type, seen.zone, ctx.now) ?? 0) > seen.spot.maxPrice;
  await ctx.transact(async (tx) => {
    const row = await tx.table(Instances).get(key);
    if (row === undefined) return;
    if (dear) await giveNotice(tx, ctx, row, 'price');
    await tx.schedule({ task: 'watchSpotPrice', key, due: priceSince(ctx.now) + priceMillis });
  });
  if (!dear && seen.spot.notice?.because === 'price')
    await resumeSpot(ctx, key).catch((error: unknown) => {
      if (!(error instanceof AwsError)) throw error;
    });
};

/** Throws UnsupportedOperation for a Spot Instance that its request does not let stop ("Stop a Spot Instance"). */
export function checkStoppable({ id, spot }: InstanceRow): void {
  if (spot === undefined || spot.type === 'persistent') return;
  throw new AwsError(
    'UnsupportedOperation',
    `You can't stop the Spot Instance '${id}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.`,
  );
}

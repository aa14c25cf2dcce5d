/** Spot Instance requests: made, served, shown, cancelled; and the history of prices. */
import type { EC2, RequestSpotInstancesRequest, RunInstancesRequest, SpotInstanceRequest } from '@aws-sdk/client-ec2';
import { findRegion } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import { invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters, type FilterValues } from '../filters.ts';
import { stopInstance, terminateInstance } from '../instances/lifecycle.ts';
import { checkLaunch } from '../instances/launch-authorisation.ts';
import { launchSpot } from '../instances/launch.ts';
import { planLaunch } from '../instances/launch-plan.ts';
import { Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, tagsFor } from '../tags.ts';
import { markStopped, retryMillis, watchSpotPrice } from './lifecycle.ts';
import { checkSpot } from './plan.ts';
import { onDemandPrice, priceMillis, priceSince, priceText, spotPrice } from './prices.ts';
import { type SpotRequestRow, SpotRequests } from './state.ts';

const product = 'Linux/UNIX';
const countMax = 1000;
/** "You can view the Spot price history over the last 90 days." */
const historyMillis = 90 * 86_400_000;

function describe(row: SpotRequestRow): SpotInstanceRequest {
  const launch = row.launch as unknown as RunInstancesRequest;
  return {
    SpotInstanceRequestId: row.id,
    CreateTime: new Date(row.created),
    State: row.state,
    Status: { Code: row.status.code, Message: row.status.message, UpdateTime: new Date(row.status.at) },
    Type: row.type,
    InstanceInterruptionBehavior: row.behaviour,
    InstanceId: row.instanceId,
    LaunchedAvailabilityZone: row.zone,
    ProductDescription: product,
    SpotPrice: priceText(row.maxPrice ?? onDemandPrice(row.instanceType) ?? 0),
    ValidUntil: row.validUntil === undefined ? undefined : new Date(row.validUntil),
    LaunchSpecification: {
      ImageId: row.imageId,
      InstanceType: row.instanceType as never,
      KeyName: launch.KeyName,
      SubnetId: launch.SubnetId,
      SecurityGroups: (launch.SecurityGroupIds ?? []).map((GroupId) => ({ GroupId })),
      Placement: row.zone === undefined ? undefined : { AvailabilityZone: row.zone },
      Monitoring: { Enabled: launch.Monitoring?.Enabled === true },
    },
    Tags: describeTags(row.tags),
  };
}

const filters: FilterValues<SpotRequestRow> = {
  'create-time': (row) => new Date(row.created).toISOString(),
  'instance-id': (row) => row.instanceId,
  'launch.image-id': (row) => row.imageId,
  'launch.instance-type': (row) => row.instanceType,
  'launched-availability-zone': (row) => row.zone,
  'product-description': () => product,
  'spot-instance-request-id': (row) => row.id,
  'spot-price': (row) => priceText(row.maxPrice ?? onDemandPrice(row.instanceType) ?? 0),
  state: (row) => row.state,
  'status-code': (row) => row.status.code,
  type: (row) => row.type,
};

/** The launch that a request describes, as RunInstances takes it. */
function launchOf({ LaunchSpecification: given }: RequestSpotInstancesRequest): RunInstancesRequest {
  if (given === undefined) throw missingParameter('LaunchSpecification');
  for (const name of ['AddressingType', 'KernelId', 'RamdiskId'] as const)
    if (given[name] !== undefined) throw parameterNotImplemented('RequestSpotInstances', `LaunchSpecification.${name}`);
  return { ...given, MinCount: 1, MaxCount: 1 } as RunInstancesRequest;
}

/** Tries to serve an open request; what the market refuses leaves it open, with AWS's status. Other refusals of the launch end it as failed. */
async function serve(ctx: Context, row: SpotRequestRow): Promise<void> {
  if (row.validUntil !== undefined && row.validUntil <= ctx.now) {
    await setOpen(ctx, row, { state: 'closed', code: 'schedule-expired', message: 'Your Spot request has expired.' });
    return;
  }
  try {
    const plan = await planLaunch({ input: row.launch as unknown as RunInstancesRequest }, ctx);
    await launchSpot(ctx, plan, row);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    if (error.code === 'SpotMaxPriceTooLow') return setOpen(ctx, row, { code: 'price-too-low', message: error.message });
    if (/^Insufficient/.test(error.code)) return setOpen(ctx, row, { code: 'capacity-not-available', message: error.message });
    await setOpen(ctx, row, { state: 'failed', code: 'bad-parameters', message: error.message });
  }
}

async function setOpen(
  ctx: Context,
  { id }: SpotRequestRow,
  { state = 'open', code, message }: { state?: SpotRequestRow['state']; code: string; message: string },
): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await tx.table(SpotRequests).get(id);
    if (row?.state !== 'open') return;
    await tx.table(SpotRequests).put({ ...row, state, status: { code, message, at: ctx.now } });
    if (state === 'open') await tx.schedule({ task: 'serveSpotRequest', key: id, due: ctx.now + retryMillis });
  });
}

/** An open request is tried again. */
const serveSpotRequest: Task = async ({ key }, ctx) => {
  const row = await ctx.table(SpotRequests).get(key);
  if (row?.state === 'open') await serve(ctx, row);
};

/** The two minutes of a notice are over. */
const interruptSpot: Task = async ({ key }, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Instances).get(key);
    if (row?.spot?.notice === undefined || row.intent !== 'running') return;
    if (row.spot.behaviour === 'terminate')
      return terminateInstance(tx, ctx, row, {
        code: 'Server.SpotInstanceTermination',
        message: 'Server.SpotInstanceTermination: Spot instance termination',
      });
    const hibernate = row.spot.behaviour === 'hibernate' && row.hibernation === true;
    await stopInstance(tx, ctx, hibernate ? { ...row, hibernatedAt: ctx.now } : row, {
      code: 'Server.SpotInstanceShutdown',
      message: 'Server.SpotInstanceShutdown: Spot instance shutdown',
    });
    await markStopped(tx, ctx, row);
  });
};

export const spotHandlers: HandlersOf<EC2> = {
  async RequestSpotInstances(input, ctx) {
    for (const name of ['LaunchGroup', 'AvailabilityZoneGroup', 'BlockDurationMinutes', 'ValidFrom'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('RequestSpotInstances', name);
    const { InstanceCount: count = 1, ClientToken: clientToken } = input;
    if (count < 1 || count > countMax) throw invalidParameterValue(`InstanceCount must be between 1 and ${countMax}.`);
    const launch = launchOf(input);
    const wanted = { type: input.Type, behaviour: input.InstanceInterruptionBehavior, maxPrice: input.SpotPrice };
    // Here, unlike in RunInstances, a persistent request may end its instances and any request may have an end.
    const lenient = input.Type === 'persistent' && (input.InstanceInterruptionBehavior ?? 'terminate') === 'terminate';
    const checked = checkSpot({ ...wanted, ...(lenient ? { type: 'one-time' } : {}), hibernation: false }, ctx.now);
    const until = input.ValidUntil?.getTime();
    if (until !== undefined && until <= ctx.now) throw invalidParameterValue('ValidUntil must be a time in the future.');
    const plan = await planLaunch({ input: launch }, ctx);
    const tags = tagsFor('spot-instances-request', input.TagSpecifications);
    const rows = await ctx.transact(async (tx) => {
      const earlier = clientToken === undefined ? [] : await tx.table(SpotRequests).byIndex('byClientToken', [clientToken]);
      if (earlier.length > 0) return earlier;
      const made: SpotRequestRow[] = [];
      for (let index = 0; index < count; index += 1) {
        const row: SpotRequestRow = {
          ...checked,
          type: input.Type ?? 'one-time',
          validUntil: until,
          id: ctx.id('spotRequest'),
          created: ctx.now,
          state: 'open',
          status: {
            code: 'pending-evaluation',
            message: 'Your Spot request has been submitted for review, and is pending evaluation.',
            at: ctx.now,
          },
          instanceType: plan.type.name,
          imageId: launch.ImageId ?? '',
          launch: JSON.parse(JSON.stringify(launch)) as Value,
          clientToken,
          tags,
        };
        await tx.table(SpotRequests).put(row);
        await tx.schedule({ task: 'serveSpotRequest', key: row.id, due: ctx.now });
        made.push(row);
      }
      return made;
    });
    return { SpotInstanceRequests: rows.map(describe) };
  },

  async DescribeSpotInstanceRequests(input, ctx) {
    const rows = await rowsByIds(ctx, SpotRequests, 'spotRequest', input.SpotInstanceRequestIds);
    const ids = { ids: input.SpotInstanceRequestIds };
    const found = page('DescribeSpotInstanceRequests', applyFilters(rows, input.Filters, filters), (row) => row.id, input, ids);
    return { SpotInstanceRequests: found.rows.map(describe), NextToken: found.nextToken };
  },

  /** The instances of active requests go on running. */
  async CancelSpotInstanceRequests({ SpotInstanceRequestIds: ids }, ctx) {
    if (ids === undefined || ids.length === 0) throw missingParameter('SpotInstanceRequestIds');
    const rows = await ctx.transact(async (tx) => {
      const found = await rowsByIds(tx, SpotRequests, 'spotRequest', ids);
      const changed: SpotRequestRow[] = [];
      for (const row of found) {
        const over = row.state === 'closed' || row.state === 'failed' || row.state === 'cancelled';
        const running = row.state === 'active' || row.state === 'disabled';
        const status = {
          code: running ? 'request-canceled-and-instance-running' : 'canceled-before-fulfillment',
          message: running
            ? 'Your Spot request is canceled, but your instance is still running.'
            : 'Your Spot request is canceled before fulfillment.',
          at: ctx.now,
        };
        const next: SpotRequestRow = over ? row : { ...row, state: 'cancelled', status };
        await tx.table(SpotRequests).put(next);
        await tx.unschedule('serveSpotRequest', row.id);
        changed.push(next);
      }
      return changed;
    });
    const shown = rows.map(({ id, state }) => ({
      SpotInstanceRequestId: id,
      State: state === 'failed' ? ('closed' as const) : state,
    }));
    return {
      CancelledSpotInstanceRequests: shown.map(({ State, ...one }) => ({
        ...one,
        State: State === 'disabled' ? ('cancelled' as const) : State,
      })),
    };
  },

  /** Newest first; each type and zone from the price that held at the start on. */
  async DescribeSpotPriceHistory(input, ctx) {
    const zones = (findRegion(ctx.region)?.zones ?? [])
      .filter(({ type }) => type === 'availability-zone')
      .map(({ name }) => name);
    const zone = input.AvailabilityZone;
    if (zone !== undefined && !zones.includes(zone)) throw invalidParameterValue(`Invalid availability zone: [${zone}]`);
    if (input.AvailabilityZoneId !== undefined) throw parameterNotImplemented('DescribeSpotPriceHistory', 'AvailabilityZoneId');
    if (input.Filters?.length) throw parameterNotImplemented('DescribeSpotPriceHistory', 'Filters');
    const wrong = input.InstanceTypes?.find((type) => !instanceTypes.has(type));
    if (wrong !== undefined) throw invalidParameterValue(`Invalid instance type: ${wrong}`);
    const wantsLinux = (input.ProductDescriptions ?? [product]).some(
      (name) => name === product || name === `${product} (Amazon VPC)`,
    );
    const types = wantsLinux ? (input.InstanceTypes ?? [...instanceTypes.keys()]) : [];
    const end = Math.min(input.EndTime?.getTime() ?? ctx.now, ctx.now);
    const start = Math.max(
      input.StartTime?.getTime() ?? (input.EndTime === undefined ? ctx.now - historyMillis : end),
      ctx.now - historyMillis,
    );
    const times: number[] = [];
    for (let at = priceSince(end); at > priceSince(Math.min(start, end)) - priceMillis; at -= priceMillis) times.push(at);
    const points = times.flatMap((at) =>
      [...types].sort().flatMap((type) =>
        (zone === undefined ? zones : [zone]).flatMap((name) => {
          const price = spotPrice(type, name, at);
          return price === undefined ? [] : [{ type, zone: name, at, price }];
        }),
      ),
    );
    const found = page('DescribeSpotPriceHistory', points, (one) => `${String(1e14 - one.at)}/${one.type}/${one.zone}`, input, {
      least: 1,
    });
    return {
      SpotPriceHistory: found.rows.map((one) => ({
        InstanceType: one.type as never,
        AvailabilityZone: one.zone,
        ProductDescription: product as never,
        SpotPrice: priceText(one.price),
        Timestamp: new Date(one.at),
      })),
      NextToken: found.nextToken ?? '',
    };
  },
};

export const spotAuthorisations: AuthorisationsOf<EC2> = {
  RequestSpotInstances: async ({ LaunchSpecification: given }, ctx) =>
    checkLaunch({ ...given, MinCount: 1, MaxCount: 1 } as RunInstancesRequest, ctx),
  CancelSpotInstanceRequests: (input, ctx) => checkTagged(input.SpotInstanceRequestIds ?? [], ctx),
};

export const spotTasks = { serveSpotRequest, interruptSpot, watchSpotPrice };

/** What EC2 offers inside the process: to the admin API where an instance stands, to Systems Manager the newest images. */
import type { Context } from '../../kernel/context.ts';
import { catalogueImages, type CatalogueImage } from './images/catalogue.ts';
import { EndpointServices } from './endpoint-services/state.ts';
import { cutLink, hangInstance, mendAll, type OrderedFaults, orderedFaults } from './faults.ts';
import { heldInterfaces } from './interfaces/held.ts';
import { subscribe } from './images/subscriptions.ts';
import { type ConnectTarget, connectTarget, pushKey } from './key-pairs/pushed-keys.ts';
import { type AgentFacts, agentFacts } from './instances/agent-facts.ts';
import { recoverByAlarm } from './instances/recovery.ts';
import { Occupants } from './placement/state.ts';
import { onDemandPrice } from './spot/prices.ts';
import { orderInterruption, orderRecommendation } from './spot/lifecycle.ts';
import { Volumes } from './volumes/state.ts';
import { stallVolume } from './volumes/stall.ts';

export type { AgentFacts } from './instances/agent-facts.ts';
export type { InstanceFacts } from './interfaces/held.ts';

export interface Ec2Api extends ReturnType<typeof heldInterfaces> {
  /** `us-east-1a/dc1/rack3/host5` of a running instance or a Dedicated Host of any account; undefined when it is on no host. */
  placeOf(id: string): Promise<string | undefined>;
  /** Lets all I/O of a volume of any account stand still, or go on; false when there is no such volume. */
  stallVolume(id: string, stalled: boolean): Promise<boolean>;
  /** Lets a running instance of any account hang, or go on; false when there is none. */
  hangInstance(id: string, down: boolean): Promise<boolean>;
  /** Gives a running Spot Instance of any account notice of its interruption, or starts one that was stopped by it; false when there is none. */
  interruptSpot(id: string, down: boolean): Promise<boolean>;
  /** Recommends to rebalance a running Spot Instance of any account, as when its interruption becomes likely; false when there is none. */
  recommendRebalance(id: string): Promise<boolean>;
  /** USD per hour of a type, On-Demand; undefined where it is not known. */
  onDemandPrice(type: string): number | undefined;
  /** Cuts an interface, or the path between two (or their instances), or mends it; false when an end does not exist. */
  cutLink(ends: readonly [string] | readonly [string, string], down: boolean): Promise<boolean>;
  /** Instances, interfaces and paths that are broken by order. */
  orderedFaults(): Promise<OrderedFaults>;
  /** Ends all of these. */
  mendAll(): Promise<void>;
  /** Volumes that stand still. */
  stalledVolumes(): Promise<readonly string[]>;
  /** An instance of the account and Region that a key may be pushed to. */
  connectTarget(instanceId: string): Promise<ConnectTarget | undefined>;
  /** Makes an OpenSSH public key valid for a user of an instance, for 60 seconds. */
  pushKey(instanceId: string, user: string, publicKey: string): Promise<void>;
  /** Ids of the account's endpoint services behind a load balancer. */
  endpointServicesOf(balancerArn: string): Promise<readonly string[]>;
  /** Accepts the terms of a Marketplace product for the account; false when there is none. */
  subscribe(productCode: string): Promise<boolean>;
  /** Carries out the recover action of an alarm on an instance of the account and Region. Throws EC2's errors. */
  recoverInstance(instanceId: string): Promise<void>;
  /** What the agent on an instance of the account and Region knows of it; undefined when there is none. */
  agentFacts(instanceId: string): Promise<AgentFacts | undefined>;
  /** The provider's images of a Region, the newest of each kind, with the public parameters of Systems Manager that name them. */
  latestImages(region: string): readonly CatalogueImage[];
}

/** Makes the face for one caller's context. */
export function ec2Api(ctx: Context): Ec2Api {
  return {
    ...heldInterfaces(ctx),
    placeOf: async (id) => (await ctx.table(Occupants).get(id))?.place,
    stallVolume: (id, stalled) => stallVolume(ctx, id, stalled),
    hangInstance: (id, down) => hangInstance(ctx, id, down),
    interruptSpot: (id, down) => orderInterruption(ctx, id, down),
    recommendRebalance: (id) => orderRecommendation(ctx, id),
    onDemandPrice,
    cutLink: (ends, down) => cutLink(ctx, ends, down),
    orderedFaults: () => orderedFaults(ctx),
    mendAll: () => mendAll(ctx),
    stalledVolumes: async () =>
      (await ctx.everywhere(Volumes)).filter(({ row }) => row.stalledSince !== undefined).map(({ row }) => row.id),
    connectTarget: (id) => connectTarget(ctx, id),
    pushKey: (id, user, key) => pushKey(ctx, id, user, key),
    endpointServicesOf: async (arn) =>
      (await ctx.table(EndpointServices).list()).filter(({ balancers }) => balancers.includes(arn)).map(({ id }) => id),
    subscribe: (productCode) => subscribe(ctx, productCode),
    recoverInstance: (instanceId) => recoverByAlarm(ctx, instanceId),
    agentFacts: (instanceId) => agentFacts(ctx, instanceId),
    latestImages: catalogueImages,
  };
}

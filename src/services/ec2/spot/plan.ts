/** What a launch asks of the Spot market, checked ("SpotMarketOptions", API Reference; "Prerequisites for hibernation of Spot Instances"). */
import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue } from '../errors.ts';
import { onDemandPrice, spotPrice } from './prices.ts';
import type { InterruptionBehaviour, SpotPlan } from './state.ts';

const behaviours: readonly string[] = ['terminate', 'stop', 'hibernate'];

interface Wanted {
  type?: string | undefined;
  behaviour?: string | undefined;
  maxPrice?: string | undefined;
  validUntil?: Date | undefined;
  /** HibernationOptions.Configured. */
  hibernation: boolean;
}

/** Throws InvalidParameterValue and InvalidParameterCombination. */
export function checkSpot({ type = 'one-time', behaviour, maxPrice, validUntil, hibernation }: Wanted, now: number): SpotPlan {
  if (type !== 'one-time' && type !== 'persistent') throw invalidParameterValue(`Invalid value '${type}' for SpotInstanceType.`);
  if (behaviour !== undefined && !behaviours.includes(behaviour))
    throw invalidParameterValue(`Invalid value '${behaviour}' for InstanceInterruptionBehavior.`);
  if (hibernation && behaviour !== undefined && behaviour !== 'hibernate')
    throw invalidParameterCombination(
      `The InstanceInterruptionBehavior '${behaviour}' cannot be used when hibernation is configured. Use 'hibernate' or leave it out.`,
    );
  const settled = (behaviour ?? (hibernation ? 'hibernate' : 'terminate')) as InterruptionBehaviour;
  if (type === 'persistent' && settled === 'terminate')
    throw invalidParameterCombination(
      'Persistent Spot Instance requests are only supported when the instance interruption behavior is hibernate or stop.',
    );
  if (type === 'one-time' && settled === 'stop')
    throw invalidParameterCombination('The instance interruption behavior stop is only supported for persistent requests.');
  if (maxPrice !== undefined && !/^\d+(\.\d+)?$/.test(maxPrice))
    throw invalidParameterValue(`Invalid value '${maxPrice}' for MaxPrice.`);
  if (maxPrice !== undefined && Number(maxPrice) <= 0)
    throw invalidParameterValue(`The Spot max price must be greater than 0: ${maxPrice}`);
  if (validUntil !== undefined && validUntil.getTime() <= now)
    throw invalidParameterValue('ValidUntil must be a time in the future.');
  if (validUntil !== undefined && type === 'one-time')
    throw invalidParameterCombination('ValidUntil is only supported for persistent requests.');
  return {
    type,
    behaviour: settled,
    maxPrice: maxPrice === undefined ? undefined : Number(maxPrice),
    validUntil: validUntil?.getTime(),
  };
}

/** The Spot part of RunInstances; undefined for On-Demand. */
export function planSpot(
  { InstanceMarketOptions: market, HibernationOptions }: RunInstancesRequest,
  ctx: Context,
): SpotPlan | undefined {
  if (market === undefined) return undefined;
  if (market.MarketType !== 'spot') {
    if (market.MarketType !== undefined) throw parameterNotImplemented('RunInstances', `MarketType ${market.MarketType}`);
    throw invalidParameterCombination('InstanceMarketOptions needs a MarketType.');
  }
  const { SpotOptions: options = {} } = market;
  if (options.BlockDurationMinutes !== undefined)
    throw parameterNotImplemented('RunInstances', 'InstanceMarketOptions.SpotOptions.BlockDurationMinutes');
  return checkSpot(
    {
      type: options.SpotInstanceType,
      behaviour: options.InstanceInterruptionBehavior,
      maxPrice: options.MaxPrice,
      validUntil: options.ValidUntil,
      hibernation: HibernationOptions?.Configured === true,
    },
    ctx.now,
  );
}

/** Throws what AWS throws when Spot cannot serve a type in a zone, or not for that price. */
export function checkMarket(plan: SpotPlan, type: string, zone: string, now: number): void {
  const price = spotPrice(type, zone, now);
  const most = plan.maxPrice ?? onDemandPrice(type);
  if (price === undefined || most === undefined)
    throw new AwsError('InsufficientInstanceCapacity', 'There is no Spot capacity available that matches your request.', {
      status: 500,
    });
  if (most < price)
    throw new AwsError(
      'SpotMaxPriceTooLow',
      `Your Spot request price of ${most} is lower than the minimum required Spot request fulfillment price of ${price}.`,
    );
}

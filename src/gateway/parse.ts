/** Stage `parse`: the input, typed by the model. */
import type { Kernel } from '../kernel/kernel.ts';
import { parseInput } from '../model/wire.ts';
import type { Stage } from './exchange.ts';

/** Reads the operation's input. Throws ParseError in AWS's wording, and what the service refuses of a request by its form. */
export function parseStage({ registry }: Kernel): Stage {
  return async (exchange) => {
    const { protocol, operation, request } = exchange;
    if (protocol === undefined || operation === undefined) throw new Error('identify has not run.');
    const service = registry.ready(operation.service.name) ?? (await registry.get(operation.service.name));
    service?.checkRequest?.(request, operation);
    exchange.input = parseInput(protocol, operation, request);
  };
}

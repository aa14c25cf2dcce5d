/** Stage `parse`: the input, typed by the model. */
import { parseInput } from '../model/wire.ts';
import type { Stage } from './exchange.ts';

/** Reads the operation's input. Throws ParseError in AWS's wording. */
export const parseStage: Stage = (exchange) => {
  const { protocol, operation } = exchange;
  if (protocol === undefined || operation === undefined) throw new Error('identify has not run.');
  exchange.input = parseInput(protocol, operation, exchange.request);
};

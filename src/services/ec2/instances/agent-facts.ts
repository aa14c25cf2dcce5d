/** What the agent of Systems Manager on an instance knows of it: for the service that manages it. */
import type { Context } from '../../../kernel/context.ts';
import { Interfaces } from '../interfaces/state.ts';
import type { TagMap } from '../vpc/state.ts';
import { Instances, type InstanceState } from './state.ts';

export interface AgentFacts {
  id: string;
  state: InstanceState;
  /** ARN of its instance profile. */
  profileArn?: string | undefined;
  /** Key of its machine in the machines plane. */
  machine: string;
  address: string;
  tags: TagMap;
}

/** Of an instance of the account and Region; undefined when there is none. */
export async function agentFacts(ctx: Context, id: string): Promise<AgentFacts | undefined> {
  const row = await ctx.table(Instances).get(id);
  if (row === undefined) return undefined;
  const card = await ctx.table(Interfaces).firstByIndex('byInstance', [id, 0]);
  const { state, profileArn, tags } = row;
  return { id, state, profileArn, machine: id, address: card?.addresses[0]?.address ?? '', tags };
}

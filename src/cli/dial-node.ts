/** `pilvi dial-node`: the process that opens connections inside a network, started by Pilvi in a namespace. Not for users. */
import { runDialNode } from '../planes/dials/dial-node.ts';

/** Serves until its parent goes. */
export async function dialNode(): Promise<number> {
  await runDialNode();
  return 0;
}

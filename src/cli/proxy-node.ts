/** `pilvi proxy-node`: the process of one load balancer node, started by Pilvi in the node's namespace. Not for users. */
import { runNode } from '../planes/proxy/worker/main.ts';

/** Serves until its parent goes. */
export async function proxyNode(): Promise<number> {
  await runNode();
  return 0;
}

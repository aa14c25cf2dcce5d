/** `pilvi cache-node`: the process of one cache node, started by Pilvi in the node's namespace. Not for users. */
import { runCacheNode } from '../planes/caches/worker/main.ts';

/** Serves until its parent goes. */
export async function cacheNode(): Promise<number> {
  await runCacheNode();
  return 0;
}

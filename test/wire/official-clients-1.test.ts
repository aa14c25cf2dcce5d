/** The proof of the wire, part 1 of 4: see official-clients.ts. */
import { proveShard } from './shards.ts';

proveShard(0, 4);

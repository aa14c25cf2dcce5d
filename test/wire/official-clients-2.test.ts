/** The proof of the wire, part 2 of 4: see official-clients.ts. */
import { proveShard } from './shards.ts';

proveShard(1, 4);

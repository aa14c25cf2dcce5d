/** The proof of the wire, part 3 of 4: see official-clients.ts. */
import { proveShard } from './shards.ts';

proveShard(2, 4);

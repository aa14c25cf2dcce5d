/** The proof of the wire, part 4 of 4: see official-clients.ts. */
import { proveShard } from './shards.ts';

proveShard(3, 4);

/**
 * What clients see of a node whose process died: nothing, as of a machine that lost its power. The kernel would close its connections in good order, and
 * clients that keep idle connections (the official one does) take such a close for none and wait for ever on the next request. So the namespace holds
 * back what a kernel says for a dead process: ends of connections that the client has not ended first, and refusals of new ones. Requests on an old
 * connection are refused once they come, which every client understands.
 */
import { applyPacketRules } from '../../machine/nft.ts';

const table = 'inet pilvi-cache';

/** Rules for the node's namespace. Clients that have ended a connection are remembered for as long as a kernel keeps its half of it. */
const silenceRules = (port: number): string => `
add table ${table}
delete table ${table}
table ${table} {
  set leaving {
    typeof ip saddr . tcp sport
    size 65535
    flags dynamic,timeout
    timeout 2m
  }
  chain incoming {
    type filter hook input priority 0; policy accept;
    tcp dport ${port} tcp flags & fin == fin update @leaving { ip saddr . tcp sport }
  }
  chain outgoing {
    type filter hook output priority 0; policy accept;
    tcp sport ${port} tcp flags & fin == fin ip daddr . tcp dport != @leaving drop
    tcp sport ${port} tcp flags & (rst | ack) == (rst | ack) tcp sequence 0 drop
  }
}
`;

/** From here on a death of the process that listens on `port` is silent. Safe to repeat. Throws `CommandFailed`. */
export const ensureSilence = (namespace: string, port: number): Promise<void> => applyPacketRules(namespace, silenceRules(port));

/** Lets the namespace say again that connections end. Safe to repeat. Throws `CommandFailed`. */
export const removeSilence = (namespace: string): Promise<void> =>
  applyPacketRules(namespace, `add table ${table}\ndelete table ${table}\n`);

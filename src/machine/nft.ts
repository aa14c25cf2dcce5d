/**
 * Packet rules through `nft`: a file of commands is one transaction, so a change is in force as a whole or not at all. Rejected: libnftables through
 * a native module (a compiler at install) and iptables (one program run for each rule, no transactions).
 */
import { runCommand } from './command.ts';
import { inNamespace } from './netns.ts';

/** How much of a table is there: rules of each chain, elements of each set or map. */
export interface TableRead {
  rules: ReadonlyMap<string, number>;
  elements: ReadonlyMap<string, number>;
}

/** An element of a set that counts: its joined fields, and what has matched it. */
export interface CountedElement {
  key: readonly (string | number)[];
  packets: number;
  bytes: number;
}

interface CountedJson {
  nftables: readonly {
    set?: {
      table: string;
      name: string;
      elem?: readonly {
        elem?: { val: { concat?: readonly (string | number)[] }; counter?: { packets: number; bytes: number } };
      }[];
    };
  }[];
}

interface RulesetJson {
  nftables: readonly {
    chain?: { table: string; name: string };
    rule?: { table: string; chain: string };
    set?: { table: string; name: string; elem?: readonly unknown[] };
    map?: { table: string; name: string; elem?: readonly unknown[] };
  }[];
}

/** Applies a file of nft commands as one transaction in the namespace (the caller's own when undefined). Throws `CommandFailed` with nft's message. */
export async function applyPacketRules(namespace: string | undefined, commands: string): Promise<void> {
  if (commands === '') return;
  const argv = ['nft', '-f', '-'];
  await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv), { input: commands });
}

/** Counts what a table of the inet family holds. A table that does not exist has no chains and no sets. Throws `CommandFailed`. */
export async function readPacketRules(namespace: string | undefined, table: string): Promise<TableRead> {
  const argv = ['nft', '-j', 'list', 'ruleset', 'inet'];
  const { stdout } = await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv), {
    outputBytesMax: 64 * 1024 * 1024,
  });
  const rules = new Map<string, number>();
  const elements = new Map<string, number>();
  for (const { chain, rule, set, map } of (JSON.parse(stdout) as RulesetJson).nftables) {
    if (chain?.table === table) rules.set(chain.name, rules.get(chain.name) ?? 0);
    if (rule?.table === table) rules.set(rule.chain, (rules.get(rule.chain) ?? 0) + 1);
    const collection = set ?? map;
    if (collection?.table === table) elements.set(collection.name, collection.elem?.length ?? 0);
  }
  return { rules, elements };
}

/** Elements with counters, by set, of a table of the inet family; sets without any are left out. Protocols and ports are numbers. Throws `CommandFailed`. */
export async function readCountedSets(
  namespace: string | undefined,
  table: string,
): Promise<ReadonlyMap<string, readonly CountedElement[]>> {
  const argv = ['nft', '-n', '-j', 'list', 'ruleset', 'inet'];
  const { stdout } = await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv), {
    outputBytesMax: 64 * 1024 * 1024,
  });
  const found = new Map<string, CountedElement[]>();
  for (const { set } of (JSON.parse(stdout) as CountedJson).nftables) {
    if (set?.table !== table) continue;
    const elements = (set.elem ?? []).flatMap(({ elem }) =>
      elem?.counter === undefined
        ? []
        : [{ key: elem.val.concat ?? [], packets: elem.counter.packets, bytes: elem.counter.bytes }],
    );
    if (elements.length > 0) found.set(set.name, elements);
  }
  return found;
}

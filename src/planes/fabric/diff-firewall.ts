/**
 * The difference between two firewalls as one file of nft commands, which the kernel applies as one transaction. Chains that changed are emptied and
 * written again whole; sets change element by element. The order follows what nftables lets refer to what: sets and chains are declared before
 * rules and elements name them, and go after nothing names them any more.
 */
import { copiesTable } from './plan-copies.ts';
import { type ChainPlan, type FirewallPlan, firewallTable, type SetPlan } from './plan-firewall.ts';

/** Elements in one command; keeps lines readable in error messages. */
const elementsPerCommand = 200;

/** Commands that turn `before` into `after`; the whole table anew when `before` is undefined. Empty when nothing changes. */
export function diffFirewall(before: FirewallPlan | undefined, after: FirewallPlan): string {
  const table = `inet ${firewallTable}`;
  const lines = before === undefined ? [`add table ${table}`, `delete table ${table}`, `add table ${table}`] : [];
  const oldSets: ReadonlyMap<string, SetPlan> = before?.sets ?? new Map();
  const oldChains: ReadonlyMap<string, ChainPlan> = before?.chains ?? new Map();

  for (const [name, set] of after.sets) if (!oldSets.has(name)) lines.push(`add ${set.kind} ${table} ${name} { ${set.type}; }`);
  for (const [name, chain] of after.chains)
    if (!oldChains.has(name))
      lines.push(chain.hook === '' ? `add chain ${table} ${name}` : `add chain ${table} ${name} { ${chain.hook} }`);
  for (const [name, chain] of after.chains) {
    const old = oldChains.get(name);
    if (old !== undefined && sameLines(old.rules, chain.rules)) continue;
    if (old !== undefined) lines.push(`flush chain ${table} ${name}`);
    for (const rule of chain.rules) lines.push(`add rule ${table} ${name} ${rule}`);
  }
  for (const [name, set] of after.sets) lines.push(...diffSet(`${table} ${name}`, oldSets.get(name), set));

  const goneChains = [...oldChains.keys()].filter((name) => !after.chains.has(name));
  for (const name of goneChains) lines.push(`flush chain ${table} ${name}`);
  for (const name of goneChains) lines.push(`delete chain ${table} ${name}`);
  for (const [name, set] of oldSets) if (!after.sets.has(name)) lines.push(`delete ${set.kind} ${table} ${name}`);
  const copies = before?.copies ?? '';
  if (after.copies !== copies) {
    if (after.copies === '') lines.push(`add table ip ${copiesTable}`, `delete table ip ${copiesTable}`);
    else lines.push(after.copies);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function diffSet(name: string, before: SetPlan | undefined, after: SetPlan): string[] {
  const old: ReadonlyMap<string, string> = before?.elements ?? new Map();
  // An element that leads elsewhere now has to go and come back: there is no command that changes one.
  const gone = [...old].filter(([key, value]) => after.elements.get(key) !== value).map(([key]) => key);
  const come = [...after.elements].filter(([key, value]) => old.get(key) !== value);
  return [
    ...commands('delete', name, gone),
    ...commands(
      'add',
      name,
      come.map(([key, value]) => (value === '' ? key : `${key} : ${value}`)),
    ),
  ];
}

function commands(verb: string, name: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let start = 0; start < elements.length; start += elementsPerCommand)
    lines.push(`${verb} element ${name} { ${elements.slice(start, start + elementsPerCommand).join(', ')} }`);
  return lines;
}

function sameLines(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, index) => line === b[index]);
}

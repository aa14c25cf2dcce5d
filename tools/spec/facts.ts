/** The facts of spec/*.yaml: reading them, and what is wrong with the files themselves. */
import { basename } from 'node:path';
import { parse } from 'yaml';
import type { Finding } from '../check/finding.ts';

export interface Fact {
  id: string;
  /** File name without its ending. */
  topic: string;
  path: string;
  line: number;
  /** Why no test can prove it yet. */
  unproven?: string;
}

const kinds = new Set(['rule', 'default', 'limit', 'feature', 'behaviour']);

/** Reads all topics. `findings` names malformed entries and ids given twice. */
export function readFacts(spec: ReadonlyMap<string, string>): { facts: ReadonlyMap<string, Fact>; findings: Finding[] } {
  const facts = new Map<string, Fact>();
  const findings: Finding[] = [];
  for (const [path, text] of spec) {
    const lines = new Map<string, number>();
    text.split('\n').forEach((content, index) => {
      const id = /^- id:\s*['"]?([\w-]+)/.exec(content)?.[1];
      if (id && !lines.has(id)) lines.set(id, index + 1);
    });
    for (const entry of entriesOf(path, text, findings)) {
      const id = String(entry['id']);
      const line = lines.get(id) ?? 1;
      const fault = faultOf(entry, facts.get(id));
      if (fault) findings.push({ path, line, message: `${id}: ${fault}` });
      else {
        const reason = entry['unproven'];
        facts.set(id, {
          id,
          topic: basename(path, '.yaml'),
          path,
          line,
          ...(typeof reason === 'string' && { unproven: reason }),
        });
      }
    }
  }
  return { facts, findings };
}

function entriesOf(path: string, text: string, findings: Finding[]): Record<string, unknown>[] {
  try {
    const entries: unknown = parse(text) ?? [];
    if (Array.isArray(entries)) return entries as Record<string, unknown>[];
    findings.push({ path, line: 1, message: 'a topic is a list of facts' });
  } catch (error) {
    findings.push({ path, line: 1, message: `not YAML: ${String(error)}` });
  }
  return [];
}

function faultOf(entry: Record<string, unknown>, known: Fact | undefined): string | undefined {
  if (!/^[A-Z][A-Z0-9]*-\d{3}$/.test(String(entry['id']))) return 'an id is letters, a dash and three digits, as IAM-004';
  if (known) return `the id is taken by ${known.path}:${known.line}`;
  for (const member of ['fact', 'check']) if (typeof entry[member] !== 'string') return `has no ${member}`;
  const reason = entry['unproven'];
  if (reason !== undefined && typeof reason !== 'string') return 'unproven gives its reason as text';
  return kinds.has(String(entry['kind'])) ? undefined : `kind is one of ${[...kinds].join(', ')}`;
}

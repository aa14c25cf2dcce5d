/** From a question to a reply: the deepest zone answers, aliases are followed through all sources. Pure but for the sources it asks. */
import type { DnsAsker, DnsQuestion, DnsRecord, DnsReply, ZoneAnswer, ZoneSource } from './types.ts';

/** Aliases followed in one reply; a chain that is longer, or runs in a circle, ends there as a resolver's own guard does. */
const aliasesMax = 9;

/** Answers from the sources; what no source knows does not exist (this internet has no other names). A source that throws gives SERVFAIL. */
export async function resolveQuestion(
  sources: readonly ZoneSource[],
  question: DnsQuestion,
  asker: DnsAsker,
  unknown: 'NXDOMAIN' | 'REFUSED',
): Promise<DnsReply & { healthy?: boolean | undefined }> {
  const answers: DnsRecord[] = [];
  let name = question.name;
  let authoritative = false;
  let healthy: boolean | undefined;
  for (let alias = 0; alias <= aliasesMax; alias += 1) {
    let found: ZoneAnswer | undefined;
    try {
      found = await askDeepest(sources, { ...question, name }, asker);
    } catch {
      return { status: 'SERVFAIL', answers: [], authorities: [], authoritative: false };
    }
    // An alias that leads out of all zones is a good answer on its own; the first name must be ours.
    if (found === undefined) {
      const status = alias > 0 && unknown === 'REFUSED' ? 'NOERROR' : unknown;
      return { status, answers, authorities: [], authoritative };
    }
    if (alias === 0) authoritative = found.delegation === undefined;
    if (found.delegation !== undefined)
      return { status: 'NOERROR', answers, authorities: found.delegation, glue: found.glue, authoritative };
    answers.push(...found.records);
    healthy = found.healthy ?? healthy;
    const next = aliasOf(found.records, question);
    if (next !== undefined) {
      if (answers.some((record) => record.name === next)) break;
      name = next;
      continue;
    }
    if (found.records.length > 0) return { status: 'NOERROR', answers, authorities: [], authoritative, healthy };
    return { status: found.exists ? 'NOERROR' : 'NXDOMAIN', answers, authorities: negative(found), authoritative, healthy };
  }
  return { status: 'SERVFAIL', answers: [], authorities: [], authoritative: false };
}

async function askDeepest(
  sources: readonly ZoneSource[],
  question: DnsQuestion,
  asker: DnsAsker,
): Promise<ZoneAnswer | undefined> {
  let best: ZoneAnswer | undefined;
  for (const source of sources) {
    const answer = await source.answer(question, asker);
    if (answer !== undefined && (best === undefined || depth(answer.apex) > depth(best.apex))) best = answer;
  }
  return best;
}

function depth(apex: string): number {
  return apex === '' ? 0 : apex.split('.').length;
}

/** The name that an alias among the records leads to, unless the alias itself was asked for. */
function aliasOf(records: readonly DnsRecord[], { type }: DnsQuestion): string | undefined {
  if (type === 'CNAME' || type === 'ANY' || records.some((record) => record.type === type)) return undefined;
  const alias = records.find((record) => record.type === 'CNAME');
  return alias?.type === 'CNAME' ? plainName(alias.data) : undefined;
}

/** RFC 2308: a negative answer carries the zone's SOA, and lives as long as the lesser of that record and its minimum. */
function negative({ apex, soa, soaTtl = 900 }: ZoneAnswer): DnsRecord[] {
  return soa === undefined ? [] : [{ name: apex, type: 'SOA', ttl: Math.min(soa.minimum ?? 900, soaTtl), data: soa }];
}

/** A name as sources and askers compare it: small letters, no dot at the end. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Whether a name is the apex or lies below it. */
export function isInZone(name: string, apex: string): boolean {
  return apex === '' || name === apex || name.endsWith(`.${apex}`);
}

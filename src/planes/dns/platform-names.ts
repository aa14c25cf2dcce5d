/**
 * Names of the platform's own: its API under the real cloud's names, so that unmodified clients inside find it, and under `.localhost`, as URLs in answers
 * have it for clients on the host; what else is called `localhost` is the asker itself.
 */
import { isInZone } from './resolve.ts';
import type { DnsQuestion, DnsRecord, ZoneAnswer, ZoneSource } from './types.ts';

const ttlSeconds = 60;
const localhost = 'localhost';

export interface PlatformNames {
  /** Address in the internet at which the API answers to this name; undefined when it is none of the API's. */
  addressOf: (name: string) => string | undefined;
  /** Suffixes under which the API has its names: `amazonaws.com`. */
  apexes: readonly string[];
}

/** The zones of the platform. */
export function platformNames({ apexes, addressOf }: PlatformNames): ZoneSource {
  return {
    name: 'platform',
    mayAnswer: (name) => isInZone(name, localhost) || apexes.some((one) => isInZone(name, one)),
    answer(question) {
      if (isInZone(question.name, localhost)) {
        const api = addressOf(question.name);
        return api === undefined
          ? answerAddress(question, localhost, '127.0.0.1', '::1')
          : answerAddress(question, localhost, api);
      }
      const apex = apexes.find((one) => isInZone(question.name, one));
      if (apex === undefined) return undefined;
      const address = addressOf(question.name);
      if (address === undefined) return { apex, records: [], exists: question.name === apex };
      return answerAddress(question, apex, address);
    },
  };
}

/** An answer that is one address, of one kind or of both. */
export function answerAddress({ name, type }: DnsQuestion, apex: string, ip4: string, ip6?: string): ZoneAnswer {
  const records: DnsRecord[] = [];
  if (type === 'A' || type === 'ANY') records.push({ name, type: 'A', ttl: ttlSeconds, data: ip4 });
  if (ip6 !== undefined && (type === 'AAAA' || type === 'ANY')) records.push({ name, type: 'AAAA', ttl: ttlSeconds, data: ip6 });
  return { apex, records, exists: true };
}

/** Dates of signed requests. */

/** `20260926T120000Z` in milliseconds since the epoch; undefined for anything else, also for a day or an hour that does not exist. */
export function parseAmzDate(text: string): number | undefined {
  if (!/^\d{8}T\d{6}Z$/.test(text)) return undefined;
  const at = (from: number, to: number) => Number(text.slice(from, to));
  const [year, month, day, hour, minute, second] = [at(0, 4), at(4, 6), at(6, 8), at(9, 11), at(11, 13), at(13, 15)] as const;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const millis = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(millis);
  return back.getUTCMonth() === month - 1 && back.getUTCDate() === day ? millis : undefined;
}

/** The date of HTTP (RFC 9110 section 5.6.7, the fixed format) in milliseconds since the epoch; undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  if (!/^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|UTC|[+-]0000)$/.test(text)) return undefined;
  const millis = Date.parse(text);
  return Number.isNaN(millis) ? undefined : millis;
}

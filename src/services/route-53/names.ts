/**
 * Domain names as Route 53 keeps them ("DNS domain name format"): small letters, a dot at the end, characters other than letters, digits, `-`, `_`
 * as `\ooo` in octal. Order is by labels from the right ("ListResourceRecordSets", sort order).
 */

const plain = /^[a-z0-9_-]+$/;

/** The normal form of a name, with the dot at the end. */
export function normalName(text: string): string {
  const full = text.endsWith('.') ? text : `${text}.`;
  return full.replace(/\\(\d{3})|[^\\]/g, (letter, octal: string | undefined) => {
    const code = octal === undefined ? letter.charCodeAt(0) : Number.parseInt(octal, 8);
    const small = String.fromCharCode(code).toLowerCase();
    if (small === '.' && octal === undefined) return '.';
    return plain.test(small) ? small : `\\${code.toString(8).padStart(3, '0')}`;
  });
}

/** What is wrong with a name, in the service's words; undefined when nothing is. */
export function nameProblem(text: string): string | undefined {
  const name = normalName(text);
  const fatal = (kind: string, words: string): string => `FATAL problem: ${kind} (${words}) encountered with '${text}'`;
  if (text === '' || text === '.') return fatal('DomainNameEmpty', 'Domain name is empty');
  const labels = name.slice(0, -1).split('.');
  if (labels.includes('')) return fatal('DomainLabelEmpty', 'Domain label is empty');
  const bytes = (label: string): number => label.replace(/\\\d{3}/g, 'x').length;
  if (labels.some((label) => bytes(label) > 63)) return fatal('DomainLabelTooLong', 'Domain label is too long');
  if (bytes(name) > 255) return fatal('DomainNameTooLong', 'Domain name is too long');
  if (/[^\x21-\x7e]/.test(text)) return fatal('UnsupportedCharacter', 'Value contains unsupported characters');
  return undefined;
}

/** The name for DNS: without the dot at the end, escapes resolved, as the plane takes it. */
export function dnsName(name: string): string {
  return name.replace(/\.$/, '').replace(/\\(\d{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Labels from the right, joined so that text order is the API's order: `com.example.www.` */
export function reversedName(name: string): string {
  return `${name.replace(/\.$/, '').split('.').reverse().join('.')}.`;
}

/** Whether a name is the zone's or lies below it; both in normal form. */
export function liesIn(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

/** `/hostedzone/Z1` and `Z1` alike. */
export function bareId(id: string | undefined): string {
  return (id ?? '').split('/').at(-1) ?? '';
}

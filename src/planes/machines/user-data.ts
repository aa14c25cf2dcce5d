/**
 * User data as the image's first-boot program understands it: a script, a #cloud-config document, a MIME multipart of these, each possibly
 * compressed with gzip. It is taken apart here, outside the machine, and handed in as plain scripts; the machine needs no parser.
 *
 * What is not understood is never skipped in silence: a note says so on the machine's console. Source: cloud-init, "User-Data Formats".
 */
import { gunzipSync } from 'node:zlib';
import { planCloudConfig } from './cloud-config.ts';

export interface BootPart {
  /** File name; parts run in the order of their names. */
  name: string;
  content: Uint8Array;
  /** False: once in the life of the root volume. */
  eachBoot: boolean;
}

export interface BootPlan {
  parts: readonly BootPart[];
  /** Lines for the console. */
  notes: readonly string[];
}

/** Bytes that compressed user data may grow to. */
const expandedBytesMax = 16 * 1024 * 1024;
const partsMax = 64;

/** Takes user data apart. Never throws: what cannot be read becomes a note. */
export function planUserData(userData: Uint8Array | undefined): BootPlan {
  const parts: BootPart[] = [];
  const notes: string[] = [];
  if (userData !== undefined && userData.length > 0) addData(userData, undefined, { parts, notes });
  return { parts, notes };
}

interface Collected {
  parts: BootPart[];
  notes: string[];
}

function addData(raw: Uint8Array, contentType: string | undefined, to: Collected): void {
  const bytes = expand(raw, to.notes);
  if (bytes === undefined) return;
  const start = bytes.subarray(0, 256).toString('latin1');
  if (start.startsWith('#!')) addScript(bytes, to);
  else if (start.startsWith('#cloud-config') || contentType === 'text/cloud-config') addCloudConfig(bytes, to);
  else if (contentType === undefined && /^(content-type|mime-version):/i.test(start)) addMultipart(bytes, to);
  else if (contentType === 'text/x-shellscript') addScript(bytes, to);
  else
    to.notes.push(
      `User data that begins with ${JSON.stringify(start.split('\n', 1)[0]?.slice(0, 60))} is not supported and was not run.`,
    );
}

function expand(raw: Uint8Array, notes: string[]): Buffer | undefined {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: expandedBytesMax });
  } catch (error) {
    notes.push(`Compressed user data cannot be read: ${(error as Error).message}.`);
    return undefined;
  }
}

function addScript(content: Uint8Array, to: Collected): void {
  to.parts.push({ name: partName(to), content, eachBoot: false });
}

function addCloudConfig(bytes: Buffer, to: Collected): void {
  const plan = planCloudConfig(bytes.toString());
  to.notes.push(...plan.notes);
  if (plan.bootScript !== undefined)
    to.parts.push({ name: `${partName(to)}-bootcmd`, content: Buffer.from(plan.bootScript), eachBoot: true });
  if (plan.script !== undefined)
    to.parts.push({ name: `${partName(to)}-cloud-config`, content: Buffer.from(plan.script), eachBoot: false });
}

/** cloud-init's own names for scripts. */
function partName(to: Collected): string {
  return `part-${String(to.parts.length + 1).padStart(3, '0')}`;
}

/** RFC 2046, as far as tools that write user data use it: one level, parts in 7bit, 8bit or base64. */
function addMultipart(bytes: Buffer, to: Collected): void {
  const text = bytes.toString('latin1').replaceAll('\r\n', '\n');
  const boundary = /^content-type:\s*multipart\/[^;\n]+;[^\n]*(?:\n[ \t][^\n]*)*?boundary="?([^"\n;]+)"?/im.exec(text)?.[1];
  if (boundary === undefined) {
    to.notes.push('User data looks like MIME but names no boundary; it was not run.');
    return;
  }
  const [, ...sections] = text.split(`--${boundary}`);
  for (const section of sections.slice(0, partsMax)) {
    if (section.startsWith('--')) return;
    const split = section.indexOf('\n\n');
    if (split < 0) continue;
    const head = section.slice(0, split);
    const body = section.slice(split + 2).replace(/\n$/, '');
    const isBase64 = /^content-transfer-encoding:\s*base64/im.test(head);
    addData(
      Buffer.from(body, isBase64 ? 'base64' : 'latin1'),
      /^content-type:\s*([^;\s]+)/im.exec(head)?.[1]?.toLowerCase() ?? '',
      to,
    );
  }
}

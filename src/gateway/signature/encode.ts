/**
 * The percent-encoding of SigV4: every byte but A-Z a-z 0-9 - . _ ~ is written %XX with upper-case digits ("Create a signed AWS API
 * request", UriEncode). Text arrives as latin-1, one character for each byte, as Node hands over request lines and headers.
 */
const encoded: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return /[A-Za-z0-9\-._~]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

const plainPath = /^[A-Za-z0-9\-._~/]*$/;
const plainPart = /^[A-Za-z0-9\-._~]*$/;

/** Value of a hexadecimal digit's character code, or -1. */
function digit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Encodes what is there, percent signs too: the second encoding of services other than S3. Slashes stay. */
export function encodePath(path: string): string {
  if (plainPath.test(path)) return path;
  const bytes = asLatin1(path);
  let result = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    result += code === 47 ? '/' : encoded[code];
  }
  return result;
}

/** Brings an encoded path into canonical encoding, as S3 does with the key: decodes once and encodes again. An encoded slash stays encoded. */
export function recodePath(path: string): string {
  return plainPath.test(path) ? path : recode(asLatin1(path), '/', '%2B');
}

/** The same for the name or the value of a query parameter, where a plus sign is a space. */
export function recodeQueryPart(part: string): string {
  return plainPart.test(part) ? part : recode(asLatin1(part), '%2F', '%20');
}

/** Decodes a query part to text (UTF-8); sequences that are not valid stay as they are. */
export function decodeQueryPart(part: string): string {
  if (!/[%+]/.test(part)) return part;
  const spaced = part.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

/** Characters above latin-1 cannot come from a socket, only from a caller in this process; they are taken as UTF-8. */
export function asLatin1(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of latin-1.
  return /^[\u0000-\u00ff]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

function recode(text: string, slash: string, plus: string): string {
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 37) {
      const high = digit(text.charCodeAt(i + 1));
      const low = digit(text.charCodeAt(i + 2));
      if (high >= 0 && low >= 0) {
        result += encoded[high * 16 + low];
        i += 2;
        continue;
      }
    }
    result += code === 47 ? slash : code === 43 ? plus : encoded[code];
  }
  return result;
}

/**
 * XML as the AWS protocols use it: elements, attributes, text. A reader with named bounds and a writer's escapes, nothing more.
 *
 * Read in one pass over the text, in linear time. Document types, entities of one's own and processing instructions are refused, so nothing can
 * expand. Prefixes of element names are dropped: no AWS document has two elements that differ in their namespace only. Rejected: an npm parser
 * (fast-xml-parser and its like guess types, merge text, and have had bombs of their own; this needs no more than two hundred lines).
 */

export interface XmlElement {
  /** Local name, without prefix. */
  name: string;
  /** Attributes by their full name; undefined when there are none. */
  attributes: Map<string, string> | undefined;
  children: XmlElement[];
  /** All text directly inside, entities resolved. */
  text: string;
}

export interface XmlBounds {
  depthMax: number;
  elementsMax: number;
}

/** The text is not XML that this reader takes; the message says what was found, and where. */
export class XmlError extends Error {
  constructor(message: string, at: number) {
    super(`${message} (at character ${at})`);
    this.name = 'XmlError';
  }
}

/** A name, as far as AWS uses them: letters, digits, `_`, `-`, `.`, one prefix, and anything beyond ASCII. */
const namePattern = /[A-Za-z_\u0080-\uffff][\w.\-:\u0080-\uffff]*/y;
const spacePattern = /[ \t\r\n]*/y;
const attributesMax = 64;

/** Reads a document and answers its root element. Throws XmlError. */
export function parseXml(text: string, bounds: XmlBounds): XmlElement {
  return new XmlReader(text, bounds).document();
}

class XmlReader {
  readonly #text: string;
  readonly #bounds: XmlBounds;
  #at = 0;
  #elements = 0;

  constructor(text: string, bounds: XmlBounds) {
    this.#text = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    this.#bounds = bounds;
  }

  document(): XmlElement {
    this.#space();
    if (this.#text.startsWith('<?xml', this.#at)) {
      this.#at = this.#after('?>', 'an XML declaration that does not end');
    }
    let root: XmlElement | undefined;
    for (;;) {
      this.#space();
      if (this.#at >= this.#text.length) break;
      if (this.#skipComment()) continue;
      if (root !== undefined || this.#text[this.#at] !== '<') throw new XmlError('Content outside of the root element', this.#at);
      root = this.#tree();
    }
    if (root === undefined) throw new XmlError('No root element', this.#at);
    return root;
  }

  /** Reads an element with all that is in it. A stack instead of recursion, so that depth is a bound and not an accident. */
  #tree(): XmlElement {
    const stack: XmlElement[] = [];
    for (;;) {
      const { element, closed } = this.#open();
      stack.at(-1)?.children.push(element);
      if (closed && stack.length === 0) return element;
      if (!closed) {
        stack.push(element);
        if (stack.length > this.#bounds.depthMax)
          throw new XmlError(`More than ${this.#bounds.depthMax} elements deep`, this.#at);
      }
      const root = this.#content(stack);
      if (root !== undefined) return root;
    }
  }

  /** Reads text and end tags up to the next start tag; answers the root once that has ended. */
  #content(stack: XmlElement[]): XmlElement | undefined {
    for (;;) {
      const top = stack.at(-1)!;
      const next = this.#text.indexOf('<', this.#at);
      if (next < 0) throw new XmlError(`<${top.name}> does not end`, this.#at);
      if (next > this.#at) top.text += unescapeXml(this.#text.slice(this.#at, next), this.#at);
      this.#at = next;
      if (this.#text.startsWith('</', next)) {
        this.#close(top);
        stack.pop();
        if (stack.length === 0) return top;
      } else if (this.#text.startsWith('<![CDATA[', next)) {
        const end = this.#after(']]>', 'a CDATA section that does not end');
        top.text += this.#text.slice(next + 9, end - 3);
        this.#at = end;
      } else if (!this.#skipComment()) return undefined;
    }
  }

  #open(): { element: XmlElement; closed: boolean } {
    const start = this.#at;
    if (this.#text.startsWith('<!', start) || this.#text.startsWith('<?', start)) {
      throw new XmlError('Document types, entities and processing instructions are not allowed', start);
    }
    this.#elements += 1;
    if (this.#elements > this.#bounds.elementsMax) throw new XmlError(`More than ${this.#bounds.elementsMax} elements`, start);
    this.#at += 1;
    const element: XmlElement = { name: localName(this.#name()), attributes: undefined, children: [], text: '' };
    for (;;) {
      this.#space();
      if (this.#text.startsWith('/>', this.#at)) {
        this.#at += 2;
        return { element, closed: true };
      }
      if (this.#text[this.#at] === '>') {
        this.#at += 1;
        return { element, closed: false };
      }
      this.#attribute(element);
    }
  }

  #attribute(element: XmlElement): void {
    const name = this.#name();
    this.#space();
    if (this.#text[this.#at] !== '=') throw new XmlError(`Attribute ${name} has no value`, this.#at);
    this.#at += 1;
    this.#space();
    const quote = this.#text[this.#at];
    if (quote !== '"' && quote !== "'") throw new XmlError(`The value of attribute ${name} is not quoted`, this.#at);
    const end = this.#text.indexOf(quote, this.#at + 1);
    if (end < 0) throw new XmlError(`The value of attribute ${name} does not end`, this.#at);
    element.attributes ??= new Map();
    if (element.attributes.size >= attributesMax) throw new XmlError(`More than ${attributesMax} attributes`, this.#at);
    element.attributes.set(name, unescapeXml(this.#text.slice(this.#at + 1, end), this.#at));
    this.#at = end + 1;
  }

  #close(top: XmlElement): void {
    const start = this.#at;
    this.#at += 2;
    const name = localName(this.#name());
    this.#space();
    if (name !== top.name || this.#text[this.#at] !== '>') throw new XmlError(`</${name}> ends <${top.name}>`, start);
    this.#at += 1;
  }

  #skipComment(): boolean {
    if (!this.#text.startsWith('<!--', this.#at)) return false;
    this.#at = this.#after('-->', 'a comment that does not end');
    return true;
  }

  #after(mark: string, problem: string): number {
    const end = this.#text.indexOf(mark, this.#at);
    if (end < 0) throw new XmlError(`There is ${problem}`, this.#at);
    return end + mark.length;
  }

  #name(): string {
    namePattern.lastIndex = this.#at;
    const name = namePattern.exec(this.#text)?.[0];
    if (name === undefined) throw new XmlError('A name was expected', this.#at);
    this.#at += name.length;
    return name;
  }

  #space(): void {
    const code = this.#text.charCodeAt(this.#at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
    spacePattern.lastIndex = this.#at;
    this.#at += spacePattern.exec(this.#text)![0].length;
  }
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

const namedEntities: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);
/** Longest name of an entity, as in `&#x10FFFF;`. */
const entityLengthMax = 8;

function unescapeXml(text: string, at: number): string {
  const normal = text.includes('\r') ? text.replaceAll('\r\n', '\n').replaceAll('\r', '\n') : text;
  let mark = normal.indexOf('&');
  if (mark < 0) return normal;
  let out = '';
  let start = 0;
  while (mark >= 0) {
    const end = normal.slice(mark + 1, mark + 2 + entityLengthMax).indexOf(';');
    const name = normal.slice(mark + 1, mark + 1 + Math.max(end, 0));
    const value = end < 0 ? undefined : (namedEntities.get(name) ?? numericEntity(name));
    if (value === undefined) throw new XmlError(`&${name} is no entity of XML itself`, at);
    out += normal.slice(start, mark) + value;
    start = mark + end + 2;
    mark = normal.indexOf('&', start);
  }
  return out + normal.slice(start);
}

function numericEntity(name: string): string | undefined {
  const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
  if (match === null) return undefined;
  const code = match[1] === undefined ? Number.parseInt(match[2]!, 10) : Number.parseInt(match[1], 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what has to be escaped.
const unsafeText = /[&<>\u0000-\u0008\u000b-\u001f\u0085\u2028\ufffe\uffff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what has to be escaped.
const unsafeAttribute = /[&<>"\u0000-\u001f\u0085\u2028\ufffe\uffff]/;

/** Text as it stands between tags. Characters that XML cannot hold become numeric references, as S3 writes them. */
export function escapeXmlText(text: string): string {
  return unsafeText.test(text) ? text.replace(new RegExp(unsafeText, 'g'), escapeCharacter) : text;
}

/** Text as it stands in a quoted attribute. */
export function escapeXmlAttribute(text: string): string {
  return unsafeAttribute.test(text) ? text.replace(new RegExp(unsafeAttribute, 'g'), escapeCharacter) : text;
}

function escapeCharacter(character: string): string {
  if (character === '&') return '&amp;';
  if (character === '<') return '&lt;';
  if (character === '>') return '&gt;';
  if (character === '"') return '&quot;';
  return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
}

import { describe, expect, test } from 'vitest';
import { escapeXmlAttribute, escapeXmlText, parseXml, XmlError } from './xml.ts';

const bounds = { depthMax: 10, elementsMax: 50 };
const parse = (text: string) => parseXml(text, bounds);

describe('reading XML', () => {
  test('elements, attributes, text, entities, CDATA and comments', () => {
    const root = parse(
      '\ufeff<?xml version="1.0"?>\n<!-- c --><s:A xmlns:s="u" x:type=\'a&amp;b\'>1 &lt; 2<B/><C><![CDATA[<raw>&amp;]]></C>&#x1F600;&#65;</s:A>\n',
    );
    expect(root.name).toBe('A');
    expect(root.attributes?.get('x:type')).toBe('a&b');
    expect(root.text).toBe('1 < 2😀A');
    expect(root.children.map(({ name, text }) => [name, text])).toEqual([
      ['B', ''],
      ['C', '<raw>&amp;'],
    ]);
  });

  test('line ends are normal ones', () => {
    expect(parse('<A>1\r\n2\r3</A>').text).toBe('1\n2\n3');
  });

  test.each([
    ['nothing', ''],
    ['text only', 'hello'],
    ['an element that does not end', '<A>'],
    ['a wrong end', '<A></B>'],
    ['two roots', '<A/><B/>'],
    ['text after the root', '<A/>x'],
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><A>&b;</A>'],
    ['a document type inside', '<A><!DOCTYPE b></A>'],
    ['a processing instruction', '<A><?php x ?></A>'],
    ['an entity that XML does not have', '<A>&b;</A>'],
    ['an entity without end', '<A>&amp</A>'],
    ['a character that does not exist', '<A>&#x110000;</A>'],
    ['an attribute without value', '<A b></A>'],
    ['an attribute without quotes', '<A b=c></A>'],
    ['an attribute without end', '<A b="c></A>'],
    ['a name that is none', '<1A/>'],
    ['CDATA without end', '<A><![CDATA[x</A>'],
    ['a comment without end', '<A><!-- x</A>'],
    ['a declaration without end', '<?xml version="1.0"'],
  ])('refuses %s', (_name, text) => {
    expect(() => parse(text)).toThrow(XmlError);
  });

  test('depth and number of elements are bounded', () => {
    expect(() => parse('<A>'.repeat(10) + '</A>'.repeat(10))).not.toThrow();
    expect(() => parse('<A>'.repeat(11) + '</A>'.repeat(11))).toThrow('More than 10 elements deep');
    expect(() => parse(`<A>${'<B/>'.repeat(50)}</A>`)).toThrow('More than 50 elements');
  });

  test('a million open tags take no stack and little time', () => {
    expect(() => parseXml('<A>'.repeat(1_000_000), { depthMax: 64, elementsMax: 200_000 })).toThrow(XmlError);
  });
});

describe('writing XML', () => {
  test('what would end text or an attribute is escaped, and what XML cannot hold becomes a reference', () => {
    expect(escapeXmlText('a<b>&"\r\u0001')).toBe('a&lt;b&gt;&amp;"&#xD;&#x1;');
    expect(escapeXmlAttribute('a"\n')).toBe('a&quot;&#xA;');
    expect(escapeXmlText('plain ü😀')).toBe('plain ü😀');
  });
});

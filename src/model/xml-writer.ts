/** Writes outputs as XML (restXml, awsQuery, ec2Query), by functions compiled from the model. */
import { escapeXmlAttribute, escapeXmlText } from '../base/xml.ts';
import type { ListSchema, MapSchema, Member, Schema, StructureSchema } from './service-model.ts';
import { textWriter, wrong } from './text-values.ts';
import type { MemberTraits, Shape } from './types.ts';

/** Text of what goes inside an element. */
export type XmlWriter = (value: unknown) => string;

/** Whether date-times show milliseconds always (EC2, S3) or only when there are some. */
export type XmlTimes = 'millis' | 'short';

/** Compiled writers; rebuildable from the model. */
const writers: Record<XmlTimes, WeakMap<Schema, XmlWriter>> = { millis: new WeakMap(), short: new WeakMap() };

/** Writer of the inside of an element of this schema. Writers throw TypeError for a value that is not of its type. */
export function xmlWriter(times: XmlTimes, schema: Schema): XmlWriter {
  const known = writers[times].get(schema);
  if (known !== undefined) return known;
  const writer = compile(times, schema);
  writers[times].set(schema, writer);
  return writer;
}

function compile(times: XmlTimes, schema: Schema): XmlWriter {
  switch (schema.type) {
    case 'structure':
      return xmlStructureWriter(times, schema, () => true);
    case 'list':
      return listWriter(times, schema, schema.member.traits.xml ?? 'member');
    case 'map':
      return mapWriter(times, schema, 'entry');
    case 'string':
      return (value) => (typeof value === 'string' ? escapeXmlText(value) : wrong('string', value));
    default:
      return textWriter(schema, 'date-time', times === 'millis');
  }
}

/** Writer of those members of a structure that `wanted` names and that are no attributes. */
export function xmlStructureWriter(times: XmlTimes, schema: StructureSchema, wanted: (name: string) => boolean): XmlWriter {
  let members: { name: string; member: Member; write: XmlWriter | undefined }[] | undefined;
  return (value) => {
    if (typeof value !== 'object' || value === null) return wrong('structure', value);
    members ??= schema.members
      .filter(({ name, traits }) => wanted(name) && traits.attribute !== 1)
      .map((member) => ({ name: member.name, member, write: undefined }));
    let out = '';
    for (const bound of members) {
      const given = (value as Shape)[bound.name];
      if (given === undefined || given === null) continue;
      bound.write ??= memberWriter(times, bound.member);
      out += bound.write(given);
    }
    return out;
  };
}

/** Writer of a member with its element, or, flat, of one element for each item. */
function memberWriter(times: XmlTimes, { name, schema, traits }: Member): XmlWriter {
  const tag = traits.xml ?? name;
  if (traits.flat === 1 && schema.type === 'list') return listWriter(times, schema, tag);
  if (traits.flat === 1 && schema.type === 'map') return mapWriter(times, schema, tag);
  return elementWriter(times, tag, schema, traits);
}

/** Writer of an element around a value. */
export function elementWriter(times: XmlTimes, tag: string, schema: Schema, traits: MemberTraits): XmlWriter {
  const inside = xmlWriter(times, schema);
  const end = `</${tag}>`;
  const start = `<${tag}${namespaceAttribute(traits)}`;
  const attributes = schema.type === 'structure' ? schema.members.filter((member) => member.traits.attribute === 1) : [];
  if (attributes.length === 0) return (value) => `${start}>${inside(value)}${end}`;
  return (value) => {
    let out = start;
    for (const member of attributes) {
      const given = (value as Shape)[member.name];
      if (typeof given === 'string') out += ` ${member.traits.xml ?? member.name}="${escapeXmlAttribute(given)}"`;
    }
    return `${out}>${inside(value)}${end}`;
  };
}

function namespaceAttribute({ namespace }: MemberTraits): string {
  if (namespace === undefined) return '';
  const [prefix, uri] = namespace;
  return ` xmlns${prefix === '' ? '' : `:${prefix}`}="${escapeXmlAttribute(uri)}"`;
}

function listWriter(times: XmlTimes, schema: ListSchema, itemTag: string): XmlWriter {
  let write: XmlWriter | undefined;
  return (value) => {
    if (!Array.isArray(value)) return wrong('list', value);
    write ??= elementWriter(times, itemTag, schema.member.schema, schema.member.traits);
    let out = '';
    for (const item of value) if (item !== undefined && item !== null) out += write(item);
    return out;
  };
}

function mapWriter(times: XmlTimes, schema: MapSchema, entryTag: string): XmlWriter {
  const keyTag = schema.key.traits.xml ?? 'key';
  const valueTag = schema.value.traits.xml ?? 'value';
  let write: XmlWriter | undefined;
  return (value) => {
    if (typeof value !== 'object' || value === null) return wrong('map', value);
    write ??= elementWriter(times, valueTag, schema.value.schema, schema.value.traits);
    let out = '';
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined || item === null) continue;
      out += `<${entryTag}><${keyTag}>${escapeXmlText(key)}</${keyTag}>${write(item)}</${entryTag}>`;
    }
    return out;
  };
}

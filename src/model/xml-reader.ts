/**
 * Turns elements into the typed input of an operation (restXml bodies). Compiled from the model, one function for each schema. An element that the
 * schema does not have is refused, as S3 refuses it; attributes that it does not have are skipped (xmlns, xsi).
 */
import type { XmlElement } from '../base/xml.ts';
import type { ListSchema, MapSchema, Member, Schema, SimpleSchema, StructureSchema } from './service-model.ts';
import { textReader } from './text-values.ts';
import type { Shape } from './types.ts';

export type XmlReader = (element: XmlElement) => unknown;

/** An element is not what the model asks for. The codecs' callers make AWS's error of it. */
export class XmlShapeError extends Error {}

/** Compiled readers; rebuildable from the model. */
const readers = new WeakMap<Schema, XmlReader>();

/** Reader of a schema. The same reader is given for the same schema. */
function xmlReader(schema: Schema): XmlReader {
  const known = readers.get(schema);
  if (known !== undefined) return known;
  const reader = compile(schema);
  readers.set(schema, reader);
  return reader;
}

function compile(schema: Schema): XmlReader {
  switch (schema.type) {
    case 'structure':
      return xmlStructureReader(schema, () => true);
    case 'list':
      return wrappedListReader(schema);
    case 'map':
      return wrappedMapReader(schema);
    default:
      return simpleReader(schema);
  }
}

interface BoundMember {
  member: Member;
  read: XmlReader | undefined;
  collect: 'once' | 'list' | 'map';
}

/** Reader of those members of a structure that `wanted` names: HTTP bindings take the others from elsewhere. */
export function xmlStructureReader(schema: StructureSchema, wanted: (name: string) => boolean): XmlReader {
  let elements: Map<string, BoundMember> | undefined;
  let attributes: Member[] = [];
  return (element) => {
    if (elements === undefined) {
      const members = schema.members.filter(({ name }) => wanted(name));
      attributes = members.filter(({ traits }) => traits.attribute === 1);
      elements = new Map(members.filter(({ traits }) => traits.attribute !== 1).map(boundMember));
    }
    const out: Shape = {};
    for (const member of attributes) {
      const text = attribute(element, member.traits.xml ?? member.name);
      if (text !== undefined) out[member.name] = text;
    }
    for (const child of element.children) {
      const bound = elements.get(child.name);
      if (bound === undefined) throw new XmlShapeError(`Unexpected element ${child.name} in ${element.name}.`);
      addChild(out, bound, child);
    }
    if (schema.union && Object.keys(out).length !== 1) throw new XmlShapeError(`Exactly one element must be in ${element.name}.`);
    return out;
  };
}

function boundMember(member: Member): [string, BoundMember] {
  const flat = member.traits.flat === 1;
  const collect = flat && member.schema.type === 'list' ? 'list' : flat && member.schema.type === 'map' ? 'map' : 'once';
  return [member.traits.xml ?? member.name, { member, read: undefined, collect }];
}

function addChild(out: Shape, bound: BoundMember, child: XmlElement): void {
  const { name, schema } = bound.member;
  if (bound.collect === 'list') {
    bound.read ??= xmlReader((schema as ListSchema).member.schema);
    out[name] ??= [];
    (out[name] as unknown[]).push(bound.read(child));
  } else if (bound.collect === 'map') {
    out[name] ??= Object.create(null);
    addEntry(out[name] as Shape, schema as MapSchema, child);
  } else {
    bound.read ??= xmlReader(schema);
    if (Object.hasOwn(out, name)) throw new XmlShapeError(`Element ${child.name} stands twice.`);
    out[name] = bound.read(child);
  }
}

/** An attribute by its name, whatever its prefix. */
function attribute(element: XmlElement, name: string): string | undefined {
  const exact = element.attributes?.get(name);
  if (exact !== undefined || element.attributes === undefined) return exact;
  const local = name.slice(name.indexOf(':') + 1);
  for (const [key, value] of element.attributes) if (key.slice(key.indexOf(':') + 1) === local) return value;
  return undefined;
}

function wrappedListReader(schema: ListSchema): XmlReader {
  const itemName = schema.member.traits.xml ?? 'member';
  return (element) => {
    const read = xmlReader(schema.member.schema);
    return element.children.map((child) => {
      if (child.name !== itemName) throw new XmlShapeError(`Unexpected element ${child.name} in ${element.name}.`);
      return read(child);
    });
  };
}

function wrappedMapReader(schema: MapSchema): XmlReader {
  return (element) => {
    const map: Shape = Object.create(null);
    for (const child of element.children) addEntry(map, schema, child);
    return map;
  };
}

function addEntry(map: Shape, schema: MapSchema, entry: XmlElement): void {
  const keyName = schema.key.traits.xml ?? 'key';
  const valueName = schema.value.traits.xml ?? 'value';
  const key = entry.children.find(({ name }) => name === keyName);
  const value = entry.children.find(({ name }) => name === valueName);
  if (key === undefined || value === undefined)
    throw new XmlShapeError(`An entry of ${entry.name} has no ${keyName} or no ${valueName}.`);
  map[key.text] = xmlReader(schema.value.schema)(value);
}

function simpleReader(schema: SimpleSchema): XmlReader {
  const read = textReader(schema, 'date-time', (type, text) => {
    throw new XmlShapeError(`'${text.slice(0, 256)}' is no ${type}.`);
  });
  return (element) => {
    if (element.children.length > 0)
      throw new XmlShapeError(`Unexpected element ${element.children[0]!.name} in ${element.name}.`);
    return read(element.text);
  };
}

/** Writes a draft down in the packed form, one shape and one operation to a line so that a change of a model is a readable diff. */
import { firstShape, type PackedMember, type PackedOperation, type PackedShape } from '../../src/model/packed.ts';
import type { MemberTraits } from '../../src/model/types.ts';
import {
  type DraftMember,
  type DraftModel,
  type DraftOperation,
  type DraftShape,
  type DraftStructure,
  shapesOf,
} from './draft.ts';

/** The text of models/<service>.json. The same draft always gives the same text. */
export function packModel(model: DraftModel): string {
  const packer = new Packer(model);
  const operations = [...model.operations.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const lines = [
    `"service":${JSON.stringify(model.service)}`,
    ...(model.missingMember === undefined ? [] : [`"missingMember":${JSON.stringify(model.missingMember)}`]),
    ...(model.invalidUnion === undefined ? [] : [`"invalidUnion":${JSON.stringify(model.invalidUnion)}`]),
    `"operations":{\n${operations.map((each) => `${JSON.stringify(each.name)}:${JSON.stringify(packer.operation(each))}`).join(',\n')}\n}`,
    `"errors":${JSON.stringify(model.errors.map((error) => packer.reference(error)))}`,
    `"shapes":[\n${packer
      .shapes()
      .map((shape) => JSON.stringify(shape))
      .join(',\n')}\n]`,
  ];
  return `{\n${lines.join(',\n')}\n}\n`;
}

class Packer {
  readonly #numbers = new Map<DraftShape, number>();
  readonly #unique: DraftShape[] = [];

  constructor(model: DraftModel) {
    const simpleCollections = new Map<string, number>();
    for (const shape of shapesOf(model)) {
      const text = simpleCollectionText(shape);
      const same = text === undefined ? undefined : simpleCollections.get(text);
      const number = same ?? firstShape + this.#unique.length;
      if (same === undefined) this.#unique.push(shape);
      if (text !== undefined) simpleCollections.set(text, number);
      this.#numbers.set(shape, number);
    }
  }

  reference(shape: DraftShape): number {
    return this.#numbers.get(shape)!;
  }

  operation({ input, output, http, host, unwrapped }: DraftOperation): PackedOperation {
    return {
      ...(input && { in: this.reference(input) }),
      ...(output && { out: this.reference(output) }),
      ...(http && { http }),
      ...(host !== undefined && { host }),
      ...(unwrapped && { unwrapped }),
    };
  }

  shapes(): PackedShape[] {
    return this.#unique.map((shape) => this.#shape(shape));
  }

  #shape(shape: DraftShape): PackedShape {
    if (shape.kind === 'list')
      return shape.sparse ? ['list', this.#member(shape.member), 1] : ['list', this.#member(shape.member)];
    if (shape.kind === 'map') {
      const pair = [this.#member(shape.key), this.#member(shape.value)] as const;
      return shape.sparse ? ['map', ...pair, 1] : ['map', ...pair];
    }
    return this.#structure(shape);
  }

  #structure({ kind, name, members, required, rootName, error }: DraftStructure): PackedShape {
    const packed = Object.fromEntries([...members].map(([member, each]) => [member, this.#member(each)]));
    if (kind === 'error') return ['error', name, packed, required, error!];
    return rootName === undefined || rootName === name
      ? [kind, name, packed, required]
      : [kind, name, packed, required, rootName];
  }

  #member({ target, traits }: DraftMember): PackedMember {
    const reference = typeof target === 'number' ? target : this.reference(target);
    return Object.keys(traits).length === 0 ? reference : [reference, sorted(traits)];
  }
}

/** Text that is equal for lists and maps of simple values that are alike; undefined for others. */
function simpleCollectionText(shape: DraftShape): string | undefined {
  const members = shape.kind === 'list' ? [shape.member] : shape.kind === 'map' ? [shape.key, shape.value] : [];
  if (members.length === 0 || members.some(({ target }) => typeof target !== 'number')) return undefined;
  return JSON.stringify([
    shape.kind,
    'sparse' in shape && shape.sparse,
    members.map(({ target, traits }) => [target, sorted(traits)]),
  ]);
}

function sorted(traits: MemberTraits): MemberTraits {
  return Object.fromEntries(Object.entries(traits).sort(([a], [b]) => (a < b ? -1 : 1)));
}

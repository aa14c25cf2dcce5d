/**
 * A layer: keys and values in memory that lie over what is below, in order. The writes of an open transaction are one, the committed writes
 * that have not reached LMDB yet another. A key may be marked as deleted, which hides what is below.
 *
 * Keys are their encoded bytes as text (`keyText`), so that a Map finds them and `<` orders them. Values stay encoded until first read.
 */
import type { Value } from '../store.ts';
import { decodeValue } from './values.ts';

/** Undefined bytes mean deleted. */
export interface Slot {
  readonly bytes: Uint8Array | undefined;
  /** The decoded value once somebody has read it. */
  value?: Value;
}

/** From `low` (inclusive) to `high` (exclusive), as encoded text. */
export interface Span {
  readonly low: string;
  readonly high: string;
}

export interface LayerEntry {
  readonly text: string;
  readonly slot: Slot;
}

/** More fresh keys than this are sorted in together, fewer inserted one by one. */
const insertionsMax = 32;

export class Layer {
  readonly slots = new Map<string, Slot>();
  /** Bytes of all keys and values ever set: the size of the log that holds them, nearly. */
  bytes = 0;
  #sorted: string[] = [];
  #fresh: string[] = [];

  set(text: string, slot: Slot): void {
    const before = this.slots.size;
    this.slots.set(text, slot);
    if (this.slots.size > before) this.#fresh.push(text);
    this.bytes += text.length + (slot.bytes?.length ?? 0);
  }

  /** Entries in the span, in order of their keys. */
  within({ low, high }: Span): LayerEntry[] {
    if (this.slots.size === 0) return [];
    this.#sort();
    const sorted = this.#sorted;
    const entries: LayerEntry[] = [];
    for (let i = position(sorted, low); i < sorted.length; i++) {
      const text = sorted[i]!;
      if (text >= high) break;
      entries.push({ text, slot: this.slots.get(text)! });
    }
    return entries;
  }

  #sort(): void {
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    if (fresh.length <= insertionsMax) {
      for (const text of fresh) this.#sorted.splice(position(this.#sorted, text), 0, text);
    } else {
      this.#sorted = [...this.slots.keys()].sort(compareText);
    }
    this.#fresh = [];
  }
}

/** The value of a slot that is not deleted. */
export function slotValue(slot: Slot): Value | undefined {
  if (slot.bytes === undefined) return undefined;
  slot.value ??= decodeValue(slot.bytes);
  return slot.value;
}

/** What the layers (lowest first) say together about a span, in order; an upper layer hides a lower one. */
export function mergeLayers(layers: readonly Layer[], span: Span): LayerEntry[] {
  const parts = layers.map((layer) => layer.within(span)).filter((part) => part.length > 0);
  if (parts.length <= 1) return parts[0] ?? [];
  const merged = new Map<string, Slot>();
  for (const part of parts) for (const { text, slot } of part) merged.set(text, slot);
  return [...merged.entries()].map(([text, slot]) => ({ text, slot })).sort((a, b) => compareText(a.text, b.text));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Index of the first text that is not below `text`. */
function position(sorted: readonly string[], text: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * A layer: keys and values in memory that lie over what is below, in order. The writes of an open transaction are one, the committed writes
 * that have not reached LMDB yet another. A key may be marked as deleted, which hides what is below.
 *
 * Keys are their encoded bytes as text (`keyText`), so that a Map finds them and `<` orders them. Values stay encoded until first read.
 */
import { keyText } from '../keys.ts';
import type { Key, Range, Value } from '../store.ts';
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

/** More fresh keys than this are merged in together, fewer inserted one by one. */
const insertionsMax = 32;
/** Removed keys stay in the order until they are more than this and an eighth of it. */
const removedMax = 32;

export class Layer {
  readonly slots = new Map<string, Slot>();
  /** Bytes of all keys and values ever set: the size of the log that holds them, nearly. */
  bytes = 0;
  /** Slots that mean deleted. */
  tombstones = 0;
  #sorted: string[] = [];
  /** Keys not in `#sorted` yet. */
  #fresh: string[] = [];
  /** Keys without a slot that are still in `#sorted` or `#fresh`. */
  readonly #removed = new Set<string>();

  set(text: string, slot: Slot): void {
    const old = this.slots.get(text);
    this.slots.set(text, slot);
    if (old === undefined && !this.#removed.delete(text)) this.#fresh.push(text);
    if (old !== undefined && old.bytes === undefined) this.tombstones--;
    if (slot.bytes === undefined) this.tombstones++;
    this.bytes += text.length + (slot.bytes?.length ?? 0);
  }

  /** Forgets a key, so that what is below shows. */
  remove(text: string): void {
    const old = this.slots.get(text);
    if (old === undefined) return;
    this.slots.delete(text);
    this.#removed.add(text);
    this.bytes += text.length;
    if (old.bytes === undefined) this.tombstones--;
  }

  /** Entries in the span, in order of their keys or against it. The layer must not change meanwhile. */
  *within({ low, high }: Span, reverse: boolean): Generator<LayerEntry, undefined> {
    if (this.slots.size === 0) return;
    this.#sort();
    const sorted = this.#sorted;
    const step = reverse ? -1 : 1;
    for (let i = reverse ? position(sorted, high) - 1 : position(sorted, low); ; i += step) {
      const text = sorted[i];
      if (text === undefined || (reverse ? text < low : text >= high)) return;
      const slot = this.slots.get(text);
      if (slot !== undefined) yield { text, slot };
    }
  }

  #sort(): void {
    if (this.#removed.size > Math.max(removedMax, this.#sorted.length >> 3)) {
      this.#sorted = this.#sorted.filter((text) => !this.#removed.has(text));
      this.#fresh = this.#fresh.filter((text) => !this.#removed.has(text));
      this.#removed.clear();
    }
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    if (fresh.length <= insertionsMax) {
      for (const text of fresh) this.#sorted.splice(position(this.#sorted, text), 0, text);
    } else {
      this.#sorted = mergeSorted(this.#sorted, fresh.sort(compareText));
    }
    this.#fresh = [];
  }
}

/** The encoded keys of a range. What begins with a prefix lies between its bytes and those with ff behind (see keys.ts). */
export function spanOf(range: Range): Span {
  const prefix = keyText(range.prefix);
  // All tags are above 0f, the store's own mark is below.
  let low = prefix === '' ? '\x10' : prefix;
  let high = `${prefix}\xff`;
  // The least bytes above a key are its own with a zero behind.
  const raise = (key: Key) => {
    const text = `${keyText(key)}\x00`;
    if (text > low) low = text;
  };
  const lower = (key: Key) => {
    const text = keyText(key);
    if (text < high) high = text;
  };
  if (range.after !== undefined) (range.reverse ? lower : raise)(range.after);
  if (range.before !== undefined) (range.reverse ? raise : lower)(range.before);
  return { low, high };
}

/** The value of a slot that is not deleted. */
export function slotValue(slot: Slot): Value | undefined {
  if (slot.bytes === undefined) return undefined;
  slot.value ??= decodeValue(slot.bytes);
  return slot.value;
}

/** What the layers (lowest first) say together about a span, in order or against it; an upper layer hides a lower one. */
export function* mergeLayers(layers: readonly Layer[], span: Span, reverse: boolean): Generator<LayerEntry, undefined> {
  const cursors = layers.map((layer) => layer.within(span, reverse));
  const heads = cursors.map((cursor) => cursor.next().value);
  for (;;) {
    let first: LayerEntry | undefined;
    for (const head of heads) {
      if (head === undefined) continue;
      // Of equal keys the last one looked at, the upper layer's, stays.
      if (first === undefined || (reverse ? head.text >= first.text : head.text <= first.text)) first = head;
    }
    if (first === undefined) return;
    for (const [at, head] of heads.entries()) if (head?.text === first.text) heads[at] = cursors[at]!.next().value;
    yield first;
  }
}

function mergeSorted(left: readonly string[], right: readonly string[]): string[] {
  const merged: string[] = [];
  let at = 0;
  for (const text of right) {
    while (at < left.length && left[at]! < text) merged.push(left[at++]!);
    merged.push(text);
  }
  while (at < left.length) merged.push(left[at++]!);
  return merged;
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

/** Items as they lie in the store: their size and their JSON text. The text is parsed only when somebody looks inside. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../kernel/context.ts';
import { Prepared } from '../../model/prepared.ts';
import type { Key } from '../../store/store.ts';
import { type ItemRow, itemRow } from './state.ts';
import { type Item, itemSize, outputItem } from './values.ts';

export class StoredItem {
  readonly size: number;
  readonly json: string;
  #item: Item | undefined;

  constructor(size: number, json: string, item?: Item) {
    this.size = size;
    this.json = json;
    this.#item = item;
  }

  /** The attributes. Not to be changed. */
  get item(): Item {
    this.#item ??= JSON.parse(this.json) as Item;
    return this.#item;
  }

  row(key: Key): ItemRow {
    return itemRow(key, this.size, this.json);
  }
}

/** What a row holds. */
export function storedOf(row: ItemRow): StoredItem {
  return new StoredItem(row[0], row[1]);
}

/** An item about to be stored. */
export function storeItem(item: Item): StoredItem {
  return new StoredItem(itemSize(item), JSON.stringify(item), item);
}

type OutputItem = Record<string, AttributeValue>;

/** An item for an answer: its text as it is for a client on the wire, official types for a service that called. */
export function present(ctx: Context, stored: StoredItem): OutputItem {
  if (ctx.caller.calledVia.length > 0) return outputItem(stored.item);
  return new Prepared(stored.json, () => outputItem(stored.item)) as unknown as OutputItem;
}

/** The same for attributes that were put together for the answer. */
export function presentItem(ctx: Context, item: Item): OutputItem {
  if (ctx.caller.calledVia.length > 0) return outputItem(item);
  return new Prepared(JSON.stringify(item), () => outputItem(item)) as unknown as OutputItem;
}

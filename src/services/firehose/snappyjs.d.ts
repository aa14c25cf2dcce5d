declare module 'snappyjs' {
  /** Snappy's raw format. */
  export function compress(bytes: Uint8Array): Uint8Array;
  export function uncompress(bytes: Uint8Array): Uint8Array;
}

/** Types of chunk-scripts.mjs, which is plain JavaScript because the build runs it. */
import type { Plugin } from 'esbuild';

export declare const outsidePackages: Plugin;
export declare function toScript(code: string): string;
export declare function compiledCode(text: string, filename: string): Buffer;

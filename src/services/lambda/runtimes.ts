/** Runtimes that functions may have ("Lambda runtimes"), and what runs them here. */
import type { Toolchain } from '../../planes/functions/types.ts';
import { nodeClient } from './clients/node.ts';
import { pythonClient } from './clients/python.ts';

const families: readonly (readonly [RegExp, Toolchain])[] = [
  [/^nodejs(16|18|20|22|24)\.x$/, 'node'],
  [/^python3\.(8|9|10|11|12|13|14)$/, 'python3'],
  [/^java(8\.al2|11|17|21|25)$/, 'java'],
  [/^ruby3\.[2-5]$/, 'ruby'],
  [/^dotnet(6|8|10)$/, 'dotnet'],
  [/^provided\.al2(023)?$/, 'none'],
];

/** As AWS lists them when a name is none of them. */
export const runtimeNames = [
  ...['nodejs24.x', 'nodejs22.x', 'nodejs20.x', 'nodejs18.x', 'nodejs16.x'],
  ...['python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.9', 'python3.8'],
  ...['java25', 'java21', 'java17', 'java11', 'java8.al2', 'dotnet10', 'dotnet8', 'dotnet6'],
  ...['ruby3.5', 'ruby3.4', 'ruby3.3', 'ruby3.2', 'provided.al2023', 'provided.al2'],
];

/** What runs code of this runtime; undefined for no runtime. */
export function toolchainOf(runtime: string): Toolchain | undefined {
  return families.find(([form]) => form.test(runtime))?.[1];
}

/** The client of the Runtime API for handlers of a runtime; undefined where the code brings its own. */
export function clientOf(runtime: string): { file: string; text: string } | undefined {
  switch (toolchainOf(runtime)) {
    case 'node':
      return { file: 'client.mjs', text: nodeClient };
    case 'python3':
      return { file: 'client.py', text: pythonClient };
    default:
      return undefined;
  }
}

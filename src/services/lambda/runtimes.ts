/** Runtimes that functions may have ("Lambda runtimes"), and what runs them here. */
import type { ClientProgram, Toolchain } from '../../planes/functions/types.ts';
import { nodeClient } from './clients/node.ts';
import { javaClient } from './clients/java/client.ts';
import { pythonClient } from './clients/python.ts';
import { rubyClient } from './clients/ruby.ts';

const families: readonly (readonly [RegExp, Toolchain])[] = [
  [/^nodejs(16|18|20|22|24|26)\.x$/, 'node'],
  [/^python3\.(8|9|10|11|12|13|14|15)$/, 'python3'],
  [/^java((8|11|17)\.al2023|8\.al2|11|17|21|25)$/, 'java'],
  [/^ruby(3\.[2-4]|4\.0)$/, 'ruby'],
  [/^dotnet(6|8|10)$/, 'dotnet'],
  [/^provided\.al2(023)?$/, 'none'],
];

/** As AWS lists them when a name is none of them. */
export const runtimeNames = [
  ...['nodejs26.x', 'nodejs24.x', 'nodejs22.x', 'nodejs20.x', 'nodejs18.x', 'nodejs16.x'],
  ...['python3.15', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.9', 'python3.8'],
  ...['java25', 'java21', 'java17', 'java11', 'java8.al2'],
  ...[
    'java17.al2023',
    'java11.al2023',
    'java8.al2023',
    'dotnet10',
    'dotnet8',
    'dotnet6',
    'ruby4.0',
    'ruby3.4',
    'ruby3.3',
    'ruby3.2',
    'provided.al2023',
    'provided.al2',
  ],
];

/** Names that functions had once ("Deprecated runtimes"). */
const former =
  /^(nodejs(4\.3(-edge)?|6\.10|8\.10|10\.x|12\.x|14\.x)?|python(2\.7|3\.6|3\.7)|dotnetcore[123]\.[01]|go1\.x|java8|provided|ruby2\.[57])$/;

export function isFormer(runtime: string): boolean {
  return former.test(runtime);
}

/** What runs code of this runtime; undefined for no runtime. */
export function toolchainOf(runtime: string): Toolchain | undefined {
  return families.find(([form]) => form.test(runtime))?.[1];
}

const clients = {
  node: { main: 'client.mjs', files: { 'client.mjs': nodeClient } },
  python3: { main: 'client.py', files: { 'client.py': pythonClient } },
  ruby: { main: 'client.rb', files: { 'client.rb': rubyClient } },
  java: { main: 'pilvi.Client', files: javaClient },
} as const satisfies Partial<Record<Toolchain, ClientProgram>>;

/** The client of the Runtime API for handlers of a runtime; undefined where the code brings its own. */
export function clientOf(runtime: string): ClientProgram | undefined {
  switch (toolchainOf(runtime)) {
    case 'node':
      return clients.node;
    case 'python3':
      return clients.python3;
    case 'ruby':
      return clients.ruby;
    case 'java':
      return clients.java;
    default:
      return undefined;
  }
}

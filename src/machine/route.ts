/** Reads routes and policy rules as the kernel holds them, to compare with what was planned. Writing goes through link.ts, in the same batches. */
import { runCommand } from './command.ts';
import { inNamespace } from './netns.ts';

interface RouteJson {
  dst: string;
  table?: string;
}

interface RuleJson {
  priority: number;
  fwmark?: string;
}

/** What `readRoutes` found: `table destination` for routes (`main 10.0.0.5`, `1001 default`), the priority for rules. */
export interface RoutesRead {
  routes: ReadonlySet<string>;
  rulePriorities: ReadonlySet<number>;
}

/** IPv4 routes of all tables and policy rules of a namespace (the caller's own when undefined). Throws `CommandFailed` when it does not exist. */
export async function readRoutes(namespace: string | undefined): Promise<RoutesRead> {
  const argv = ['ip', '-json', '-4', '-batch', '-'];
  const { stdout } = await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv), {
    input: 'route show table all\nrule show\n',
  });
  // One JSON array for each command, each on a line of its own.
  const [routes = [], rules = []] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown[]);
  return {
    routes: new Set((routes as RouteJson[]).map(({ dst, table }) => `${table ?? 'main'} ${dst}`)),
    rulePriorities: new Set((rules as RuleJson[]).map(({ priority }) => priority)),
  };
}

/** Rules of application load balancers' listeners. */
import type { ElasticLoadBalancingV2, Rule } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { ruleArn } from './arns.ts';
import { invalidConfiguration, notPermitted, ruleNotFound, validationError } from './errors.ts';
import { describePage, findBalancer, findListener, findRuleRow } from './lookup.ts';
import { checkActions, checkConditions } from './rule-checks.ts';
import { scheduleChecks } from './target-groups.ts';
import type { Context } from '../../kernel/context.ts';
import { type RuleRow, Rules } from './state.ts';
import { mergeTags } from './tags.ts';

/** Per load balancer, default rules not counted ("Quotas for your Application Load Balancers"). */
const rulesMax = 100;
const priorityMax = 50_000;

function describeRule(row: RuleRow): Rule {
  return {
    RuleArn: row.arn,
    Priority: row.isDefault ? 'default' : String(row.priority),
    Conditions: [...row.conditions],
    Actions: [...row.actions],
    IsDefault: row.isDefault,
  };
}

function checkPriority(priority: number | undefined): number {
  if (priority === undefined) throw validationError('A priority must be specified');
  if (priority < 1 || priority > priorityMax)
    throw validationError(
      `1 validation error detected: Value '${priority}' at 'priority' failed to satisfy constraint: Member must have value ${priority < 1 ? 'greater than or equal to 1' : `less than or equal to ${priorityMax}`}`,
    );
  return priority;
}

function priorityInUse(priority: number): AwsError {
  return new AwsError('PriorityInUse', `Priority '${priority}' is currently in use`);
}

/** Lets nodes and health checks follow a change of rules. */
export async function followRules(tx: Transaction, ctx: Context, balancer: string, groups: readonly string[]): Promise<void> {
  tx.hint('balancers', balancer);
  for (const group of groups) await scheduleChecks(tx, ctx, group);
}

export const ruleHandlers: HandlersOf<ElasticLoadBalancingV2> = {
  /** Throws PriorityInUse, TooManyRules, and what conditions and actions are refused with. */
  async CreateRule(input, ctx) {
    if ((input.Transforms?.length ?? 0) > 0) throw parameterNotImplemented('CreateRule', 'Transforms');
    const priority = checkPriority(input.Priority);
    const conditions = checkConditions(input.Conditions);
    const row = await ctx.transact(async (tx) => {
      const listener = await findListener(tx, input.ListenerArn);
      const balancer = await findBalancer(tx, listener.balancer);
      if (balancer.type === 'network')
        throw invalidConfiguration('Rules are not supported for listeners of a Network Load Balancer');
      const rules = await tx.table(Rules).byIndex('byBalancer', [balancer.arn]);
      if (rules.some((rule) => rule.listener === listener.arn && rule.priority === priority)) throw priorityInUse(priority);
      if (rules.filter(({ isDefault }) => !isDefault).length >= rulesMax)
        throw new AwsError('TooManyRules', 'The maximum number of rules has been reached');
      const kept = await checkActions(tx, balancer, listener.protocol, input.Actions);
      const made: RuleRow = {
        ...{ arn: ruleArn(listener.arn, ctx.id('loadBalancerPart')), listener: listener.arn, balancer: balancer.arn },
        ...{ priority, isDefault: false, conditions, ...kept, tags: mergeTags({}, input.Tags) },
      };
      await tx.table(Rules).put(made);
      await followRules(tx, ctx, balancer.arn, kept.groups);
      return made;
    });
    return { Rules: [describeRule(row)] };
  },

  async DescribeRules(input, ctx) {
    const { ListenerArn, RuleArns: arns = [] } = input;
    if (ListenerArn !== undefined && arns.length > 0)
      throw validationError('A listener ARN and rule ARNs cannot be specified at the same time');
    if (ListenerArn === undefined && arns.length === 0) throw validationError('A listener ARN or rule ARNs must be specified');
    const rows =
      ListenerArn === undefined
        ? await Promise.all(arns.map((arn) => findRuleRow(ctx, arn)))
        : await ctx.table(Rules).byIndex('byListener', [(await findListener(ctx, ListenerArn)).arn]);
    const page = describePage('DescribeRules', rows, (row) => [row.listener, row.priority], input);
    return { Rules: page.items.map(describeRule), NextMarker: page.marker };
  },

  async ModifyRule(input, ctx) {
    if ((input.Transforms?.length ?? 0) > 0 || input.ResetTransforms === true)
      throw parameterNotImplemented('ModifyRule', 'Transforms');
    const conditions = input.Conditions === undefined ? undefined : checkConditions(input.Conditions);
    const row = await ctx.transact(async (tx) => {
      const known = await findRuleRow(tx, input.RuleArn);
      if (known.isDefault) throw notPermitted(`Default rule '${known.arn}' cannot be modified`);
      const listener = await findListener(tx, known.listener);
      const balancer = await findBalancer(tx, known.balancer);
      const kept = input.Actions === undefined ? undefined : await checkActions(tx, balancer, listener.protocol, input.Actions);
      const next: RuleRow = { ...known, conditions: conditions ?? known.conditions, ...kept };
      await tx.table(Rules).put(next);
      await followRules(tx, ctx, balancer.arn, next.groups);
      return next;
    });
    return { Rules: [describeRule(row)] };
  },

  async DeleteRule(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await findRuleRow(tx, input.RuleArn);
      if (row.isDefault) throw notPermitted(`Default rule '${row.arn}' cannot be deleted`);
      await tx.table(Rules).delete(row.arn);
      tx.hint('balancers', row.balancer);
    });
    return {};
  },

  /** All at once, so that two rules may change places. */
  async SetRulePriorities(input, ctx) {
    const wanted = (input.RulePriorities ?? []).map(({ RuleArn, Priority }) => ({
      arn: RuleArn,
      priority: checkPriority(Priority),
    }));
    if (wanted.length === 0) throw validationError('Rule priorities must be specified');
    const rows = await ctx.transact(async (tx) => {
      const changed: RuleRow[] = [];
      for (const { arn, priority } of wanted) {
        const row = await findRuleRow(tx, arn);
        if (row.isDefault) throw notPermitted(`Priority for default rule '${row.arn}' cannot be modified`);
        if (changed.some((each) => each.arn === row.arn))
          throw validationError(`The rule '${row.arn}' is specified more than once`);
        changed.push({ ...row, priority });
      }
      const [first] = changed;
      if (first === undefined) throw ruleNotFound();
      if (changed.some(({ listener }) => listener !== first.listener))
        throw validationError('All rules must belong to the same listener');
      const others = (await tx.table(Rules).byIndex('byListener', [first.listener])).filter(
        ({ arn }) => !changed.some((each) => each.arn === arn),
      );
      const taken = new Set(others.map(({ priority }) => priority));
      for (const { priority } of changed) {
        if (taken.has(priority)) throw priorityInUse(priority);
        taken.add(priority);
      }
      for (const row of changed) await tx.table(Rules).put(row);
      tx.hint('balancers', first.balancer);
      return changed;
    });
    return { Rules: rows.map(describeRule) };
  },
};

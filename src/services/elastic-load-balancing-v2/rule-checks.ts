/** Conditions and actions of rules: what a request may say, and the form that is kept ("Listener rules for your Application Load Balancer"). */
import type { Action, RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2';
import { parseCidr4 } from '../../base/cidr.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { groupNotFound, invalidConfiguration, validationError } from './errors.ts';
import { type BalancerRow, type GroupRow, Groups, Rules } from './state.ts';

/** Values of all conditions of a rule, wildcards in them, and target groups of an action ("Quotas"). */
const conditionValuesMax = 5;
const wildcardsMax = 6;
const groupsPerActionMax = 5;

const kindOfField = {
  'path-pattern': 'PathPatternConfig',
  'host-header': 'HostHeaderConfig',
  'http-header': 'HttpHeaderConfig',
  'http-request-method': 'HttpRequestMethodConfig',
  'query-string': 'QueryStringConfig',
  'source-ip': 'SourceIpConfig',
} as const;

/** Values of one condition, checked; old and new form are kept as they came with both filled in. */
function normalise(condition: RuleCondition): RuleCondition {
  const field = condition.Field ?? '';
  const config = kindOfField[field as keyof typeof kindOfField];
  if (config === undefined)
    throw validationError(
      `Condition field '${field}' must be one of '[path-pattern, host-header, http-header, http-request-method, query-string, source-ip]'`,
    );
  if (condition.RegexValues !== undefined && condition.RegexValues.length > 0)
    throw parameterNotImplemented('CreateRule', 'Conditions.RegexValues');
  const given = condition[config] as { Values?: readonly unknown[]; RegexValues?: readonly string[] } | undefined;
  if (given?.RegexValues !== undefined && given.RegexValues.length > 0)
    throw parameterNotImplemented('CreateRule', `${config}.RegexValues`);
  const old = condition.Values ?? [];
  if (old.length > 0 && (given?.Values?.length ?? 0) > 0)
    throw validationError(`You cannot specify both '${config}' and 'Values' for a condition`);
  if (field === 'query-string') {
    const pairs = condition.QueryStringConfig?.Values ?? [];
    if (pairs.length === 0) throw validationError('A condition value must be specified');
    for (const { Key, Value } of pairs) for (const text of [Key ?? '', Value ?? '']) checkText(field, text, 128);
    return { Field: field, QueryStringConfig: { Values: pairs } };
  }
  const values = (old.length > 0 ? old : (given?.Values ?? [])) as string[];
  if (values.length === 0) throw validationError('A condition value must be specified');
  for (const value of values) checkValue(field, value);
  if (field === 'http-header') {
    const name = condition.HttpHeaderConfig?.HttpHeaderName ?? '';
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,40}$/.test(name)) throw validationError(`The HTTP header name '${name}' is not valid`);
    return { Field: field, HttpHeaderConfig: { HttpHeaderName: name, Values: values } };
  }
  const shown = field === 'path-pattern' || field === 'host-header' ? { Values: values } : {};
  return { Field: field, ...shown, [config]: { Values: values } };
}

function checkText(field: string, value: string, max: number): void {
  if (value.length > max)
    throw validationError(`Condition value '${value.slice(0, 40)}' of '${field}' must be at most ${max} characters long`);
}

function checkValue(field: string, value: string): void {
  checkText(field, value, 128);
  if (field === 'path-pattern' && !/^[A-Za-z0-9_\-.$/~"'@:+&*?!%=,;()[\]{}|^\\#<>`]+$/.test(value))
    throw validationError(`The path pattern '${value}' contains characters that are not valid`);
  if (field === 'host-header' && !(/^[A-Za-z0-9\-.*?_]+$/.test(value) && value.includes('.')))
    throw validationError(`The host header value '${value}' is not valid`);
  if (field === 'http-request-method' && !/^[A-Z_-]{1,40}$/.test(value))
    throw validationError(`The HTTP request method '${value}' is not valid`);
  if (field === 'source-ip' && parseCidr4(value) === undefined)
    throw validationError(`The source IP '${value}' is not a valid CIDR block`);
}

/** Conditions of a rule. Throws ValidationError, TooManyConditions. */
export function checkConditions(conditions: readonly RuleCondition[] | undefined): RuleCondition[] {
  if (conditions === undefined || conditions.length === 0) throw validationError('A condition must be specified');
  const kept = conditions.map(normalise);
  for (const field of ['path-pattern', 'host-header', 'http-request-method', 'source-ip'])
    if (kept.filter((each) => each.Field === field).length > 1)
      throw validationError(`Rule cannot have more than one condition with field '${field}'`);
  const values = kept.flatMap(valuesOf);
  if (values.length > conditionValuesMax)
    throw new AwsError(
      'TooManyConditions',
      `The maximum number of condition values per rule, ${conditionValuesMax}, has been reached`,
    );
  if (values.join('').replaceAll(/[^*?]/g, '').length > wildcardsMax)
    throw new AwsError(
      'TooManyConditions',
      `The maximum number of condition wildcards per rule, ${wildcardsMax}, has been reached`,
    );
  return kept;
}

function valuesOf(condition: RuleCondition): string[] {
  if (condition.QueryStringConfig !== undefined)
    return (condition.QueryStringConfig.Values ?? []).map(({ Key = '', Value = '' }) => `${Key}=${Value}`);
  const config = kindOfField[condition.Field as keyof typeof kindOfField];
  return [...((condition[config] as { Values?: string[] } | undefined)?.Values ?? [])];
}

/** Actions of a rule or listener for this load balancer, in the form that is kept. Throws ValidationError, TargetGroupNotFound and kin. */
export async function checkActions(
  tx: Transaction | Context,
  balancer: BalancerRow,
  listenerProtocol: string,
  actions: readonly Action[] | undefined,
): Promise<{ actions: Action[]; groups: string[] }> {
  if (actions === undefined || actions.length === 0) throw validationError('An action must be specified');
  for (const { Type, JwtValidationConfig } of actions) {
    if (Type?.startsWith('authenticate-') === true || JwtValidationConfig !== undefined || Type === 'jwt-validation')
      throw parameterNotImplemented('CreateRule', `Actions.Type ${Type}`);
    if (Type === undefined || !['forward', 'redirect', 'fixed-response'].includes(Type))
      throw validationError(`Action type '${Type ?? ''}' is not valid`);
  }
  if (actions.length > 1) throw new AwsError('TooManyActions', 'The maximum number of actions per rule has been reached');
  const [action] = actions as [Action];
  if (action.Order !== undefined && (action.Order < 1 || action.Order > 50_000))
    throw validationError('The action order must be between 1 and 50000');
  if (balancer.type === 'network' && action.Type !== 'forward')
    throw validationError(`Action type '${action.Type}' is not supported for listeners of a Network Load Balancer`);
  if (action.Type === 'redirect') return { actions: [redirect(action, listenerProtocol)], groups: [] };
  if (action.Type === 'fixed-response') return { actions: [fixed(action)], groups: [] };
  return forward(tx, balancer, listenerProtocol, action);
}

function redirect(action: Action, listenerProtocol: string): Action {
  const given = action.RedirectConfig;
  if (given === undefined) throw validationError("A 'redirect' action needs a redirect configuration");
  const {
    Protocol = '#{protocol}',
    Port = '#{port}',
    Host = '#{host}',
    Path = '/#{path}',
    Query = '#{query}',
    StatusCode,
  } = given;
  if (StatusCode !== 'HTTP_301' && StatusCode !== 'HTTP_302')
    throw validationError(`The redirect status code '${StatusCode ?? ''}' must be HTTP_301 or HTTP_302`);
  if (!/^(HTTPS?|#\{protocol\})$/.test(Protocol))
    throw validationError(`The redirect protocol '${Protocol}' must be HTTP, HTTPS or #{protocol}`);
  if (listenerProtocol === 'HTTPS' && Protocol === 'HTTP')
    throw invalidConfiguration('An HTTPS listener cannot redirect to HTTP');
  if (Port !== '#{port}' && !(/^\d{1,5}$/.test(Port) && Number(Port) >= 1 && Number(Port) <= 65_535))
    throw validationError(`The redirect port '${Port}' must be between 1 and 65535 or #{port}`);
  if (!Path.startsWith('/') || Path.length > 128)
    throw validationError(`The redirect path '${Path}' must begin with '/' and be at most 128 characters long`);
  if (Query.length > 128) throw validationError('The redirect query must be at most 128 characters long');
  const samePlace = Protocol === '#{protocol}' && Host === '#{host}' && Port === '#{port}' && Path === '/#{path}';
  if (samePlace) throw invalidConfiguration('The redirect configuration would cause a loop');
  return { Type: 'redirect', Order: action.Order, RedirectConfig: { Protocol, Port, Host, Path, Query, StatusCode } };
}

const contentTypes = ['text/plain', 'text/css', 'text/html', 'application/javascript', 'application/json'];

function fixed(action: Action): Action {
  const { StatusCode = '', ContentType, MessageBody } = action.FixedResponseConfig ?? {};
  if (!/^[245]\d\d$/.test(StatusCode))
    throw validationError(`The fixed response status code '${StatusCode}' must be 2XX, 4XX or 5XX`);
  if (ContentType !== undefined && !contentTypes.includes(ContentType))
    throw validationError(`The content type '${ContentType}' is not supported`);
  if ((MessageBody?.length ?? 0) > 1024) throw validationError('The message body must be at most 1024 characters long');
  return { Type: 'fixed-response', Order: action.Order, FixedResponseConfig: { StatusCode, ContentType, MessageBody } };
}

async function forward(
  tx: Transaction | Context,
  balancer: BalancerRow,
  listenerProtocol: string,
  action: Action,
): Promise<{ actions: Action[]; groups: string[] }> {
  const tuples =
    action.ForwardConfig?.TargetGroups ??
    (action.TargetGroupArn === undefined ? [] : [{ TargetGroupArn: action.TargetGroupArn }]);
  if (tuples.length === 0) throw validationError('A target group ARN must be specified');
  if (tuples.length > groupsPerActionMax)
    throw new AwsError(
      'TooManyUniqueTargetGroupsPerLoadBalancer',
      `A forward action can have at most ${groupsPerActionMax} target groups`,
    );
  if (
    action.TargetGroupArn !== undefined &&
    action.ForwardConfig !== undefined &&
    (tuples.length !== 1 || tuples[0]?.TargetGroupArn !== action.TargetGroupArn)
  )
    throw validationError('The target group ARN and the forward configuration name different target groups');
  const kept: { TargetGroupArn: string; Weight: number }[] = [];
  for (const { TargetGroupArn: arn = '', Weight } of tuples) {
    const group = await tx.table(Groups).get(arn);
    if (group === undefined) throw groupNotFound();
    checkProtocols(balancer, listenerProtocol, group, arn);
    if (group.type !== 'lambda' && group.vpcId !== balancer.vpcId)
      throw invalidConfiguration(`The target group '${arn}' and the load balancer '${balancer.arn}' are in different VPCs`);
    if (Weight !== undefined && (Weight < 0 || Weight > 999))
      throw validationError('The weight of a target group must be between 0 and 999');
    if (kept.some((each) => each.TargetGroupArn === arn))
      throw validationError('A target group cannot be named twice in one action');
    await checkExclusive(tx, balancer, arn);
    kept.push({ TargetGroupArn: arn, Weight: Weight ?? (tuples.length === 1 ? 1 : 0) });
  }
  const sticky = action.ForwardConfig?.TargetGroupStickinessConfig;
  const seconds = sticky?.DurationSeconds;
  if (sticky?.Enabled === true && (seconds === undefined || seconds < 1 || seconds > 604_800))
    throw validationError('The duration of target group stickiness must be between 1 and 604800 seconds');
  return {
    groups: kept.map(({ TargetGroupArn }) => TargetGroupArn),
    actions: [
      {
        Type: 'forward',
        Order: action.Order,
        TargetGroupArn: kept.length === 1 ? kept[0]!.TargetGroupArn : undefined,
        ForwardConfig: {
          TargetGroups: kept,
          TargetGroupStickinessConfig:
            sticky?.Enabled === true ? { Enabled: true, DurationSeconds: seconds } : { Enabled: false },
        },
      },
    ],
  };
}

const groupProtocols: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['HTTP', 'HTTPS'],
  HTTPS: ['HTTP', 'HTTPS'],
  TCP: ['TCP', 'TCP_UDP'],
  TLS: ['TCP', 'TLS'],
  UDP: ['UDP', 'TCP_UDP'],
  TCP_UDP: ['TCP_UDP'],
};

function checkProtocols(balancer: BalancerRow, listener: string, { type, protocol: group }: GroupRow, arn: string): void {
  if (type === 'lambda' && balancer.type === 'application') return;
  if (type === 'lambda')
    throw invalidConfiguration(
      `Target group '${arn}' with target type 'lambda' is not supported by load balancers of type '${balancer.type}'`,
    );
  if (groupProtocols[listener]?.includes(group) !== true)
    throw new AwsError(
      'IncompatibleProtocols',
      `The ${group} protocol of target group '${arn}' is not supported by a listener with the ${listener} protocol of a load balancer of type '${balancer.type}'`,
    );
}

/** A target group is behind one load balancer at a time. */
async function checkExclusive(tx: Transaction | Context, balancer: BalancerRow, group: string): Promise<void> {
  const other = (await tx.table(Rules).byIndex('byGroup', [group])).find((rule) => rule.balancer !== balancer.arn);
  if (other !== undefined)
    throw new AwsError(
      'TargetGroupAssociationLimit',
      `The following target groups cannot be associated with more than one load balancer: ${group}`,
    );
}

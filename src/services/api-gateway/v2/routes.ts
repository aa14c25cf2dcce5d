/** Routes of HTTP and WebSocket APIs, and what WebSocket routes answer with. */
import type { ApiGatewayV2, Route } from '@aws-sdk/client-apigatewayv2';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict } from '../errors.ts';
import { changeDefinition, given, pageItems, readDefinition, requireApi, requirePart } from './lookup.ts';
import type { Definition, RouteDef } from './state.ts';

const httpKey = /^(?:\$default|(?:GET|PUT|POST|DELETE|PATCH|HEAD|OPTIONS|ANY) \/\S*)$/;

function describeRoute({ responses: _responses, ...route }: RouteDef): Route {
  return route;
}

/** Checks a route among those that there are. Throws BadRequestException, ConflictException. */
export function checkRoute(draft: Definition, route: RouteDef, protocol: string): RouteDef {
  const { RouteKey: key = '', Target: target, AuthorizationType: type = 'NONE', AuthorizerId: authorizerId } = route;
  if (protocol === 'HTTP' && !httpKey.test(key))
    throw badRequest(
      'The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"',
    );
  if (protocol === 'HTTP' && /\{[^}]*\+\}.+/.test(key))
    throw badRequest('Greedy path variables must be at the end of the route key');
  if (key === '') throw badRequest('Route key is required');
  for (const other of Object.values(draft.routes))
    if (other.RouteId !== route.RouteId && other.RouteKey === key)
      throw conflict(`Route with key ${key} already exists for this API`);
  if (target !== undefined) {
    const id = /^integrations\/(.+)$/.exec(target)?.[1];
    if (id === undefined) throw badRequest('Invalid target specified: it must be of the form integrations/{integrationId}');
    if (draft.integrations[id] === undefined) throw badRequest(`Invalid integration ID specified ${id}`);
  }
  const allowed = protocol === 'HTTP' ? ['NONE', 'AWS_IAM', 'JWT', 'CUSTOM'] : ['NONE', 'AWS_IAM', 'CUSTOM'];
  if (!allowed.includes(type)) throw badRequest(`Authorization type ${type} is not supported for protocol ${protocol}`);
  if (type !== 'NONE' && protocol === 'WEBSOCKET' && key !== '$connect')
    throw badRequest('Currently, authorization is restricted to the $connect route only');
  if (type === 'JWT' || type === 'CUSTOM') {
    const authorizer = authorizerId === undefined ? undefined : draft.authorizers[authorizerId];
    if (authorizer === undefined)
      throw badRequest(
        authorizerId === undefined ? 'Authorizer ID must be specified' : `Authorizer ID ${authorizerId} does not exist`,
      );
    if ((authorizer.AuthorizerType === 'JWT') !== (type === 'JWT'))
      throw badRequest('Authorizer type and authorization type do not match');
  }
  if (protocol === 'HTTP') {
    if (route.ApiKeyRequired === true) throw badRequest('API key is not supported for HTTP APIs');
    if (route.RequestModels !== undefined || route.RequestParameters !== undefined)
      throw badRequest('Request models and parameters are not supported for HTTP APIs');
  }
  return route;
}

export const routeHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateRoute(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    if (input.ApiKeyRequired === true && protocol === 'WEBSOCKET') throw parameterNotImplemented('CreateRoute', 'ApiKeyRequired');
    if (input.RequestModels !== undefined && protocol === 'WEBSOCKET')
      throw parameterNotImplemented('CreateRoute', 'RequestModels');
    if (input.RequestParameters !== undefined && protocol === 'WEBSOCKET')
      throw parameterNotImplemented('CreateRoute', 'RequestParameters');
    const route: RouteDef = {
      ...(given(input, ['ApiId']) as Route),
      RouteId: ctx.id('gatewayPart'),
      RouteKey: input.RouteKey,
      ApiKeyRequired: false,
      AuthorizationType: input.AuthorizationType ?? 'NONE',
      responses: {},
    };
    return changeDefinition(ctx, input.ApiId, (draft) => {
      draft.routes[route.RouteId] = checkRoute(draft, route, protocol);
      return describeRoute(route);
    });
  },

  async GetRoute(input, ctx) {
    const { routes } = await readDefinition(ctx, input.ApiId);
    return describeRoute(requirePart(routes, 'Route', input.RouteId));
  },

  async GetRoutes(input, ctx) {
    const { routes } = await readDefinition(ctx, input.ApiId);
    const { Items, ...page } = pageItems(`GetRoutes ${input.ApiId}`, Object.values(routes), ({ RouteId }) => RouteId, input);
    return { Items: Items.map(describeRoute), ...page };
  },

  async UpdateRoute(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    if (protocol === 'WEBSOCKET')
      for (const name of ['RequestModels', 'RequestParameters'] as const)
        if (input[name] !== undefined) throw parameterNotImplemented('UpdateRoute', name);
    return changeDefinition(ctx, input.ApiId, (draft) => {
      const route = requirePart(draft.routes, 'Route', input.RouteId);
      const changed: RouteDef = { ...route, ...(given(input, ['ApiId', 'RouteId']) as Partial<Route>) };
      draft.routes[route.RouteId] = checkRoute(draft, changed, protocol);
      return describeRoute(changed);
    });
  },

  async DeleteRoute(input, ctx) {
    await changeDefinition(ctx, input.ApiId, (draft) => {
      delete draft.routes[requirePart(draft.routes, 'Route', input.RouteId).RouteId];
    });
    return {};
  },

  async CreateRouteResponse(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    if (protocol !== 'WEBSOCKET') throw badRequest('Route responses are not supported for HTTP APIs');
    if (input.RouteResponseKey !== '$default') throw badRequest('Route response key must be $default');
    for (const name of ['ResponseModels', 'ResponseParameters', 'ModelSelectionExpression'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateRouteResponse', name);
    const response = { RouteResponseId: ctx.id('gatewayPart'), RouteResponseKey: input.RouteResponseKey };
    return changeDefinition(ctx, input.ApiId, (draft) => {
      const route = requirePart(draft.routes, 'Route', input.RouteId);
      if (Object.keys(route.responses).length > 0) throw conflict('Route response already exists');
      route.responses[response.RouteResponseId] = response;
      return response;
    });
  },

  async UpdateRouteResponse(input, ctx) {
    for (const name of ['ResponseModels', 'ResponseParameters', 'ModelSelectionExpression'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('UpdateRouteResponse', name);
    if (input.RouteResponseKey !== undefined && input.RouteResponseKey !== '$default')
      throw badRequest('Route response key must be $default');
    return changeDefinition(ctx, input.ApiId, (draft) =>
      requirePart(requirePart(draft.routes, 'Route', input.RouteId).responses, 'Route Response', input.RouteResponseId),
    );
  },

  async GetRouteResponse(input, ctx) {
    const { routes } = await readDefinition(ctx, input.ApiId);
    return requirePart(requirePart(routes, 'Route', input.RouteId).responses, 'Route Response', input.RouteResponseId);
  },

  async GetRouteResponses(input, ctx) {
    const { routes } = await readDefinition(ctx, input.ApiId);
    return { Items: Object.values(requirePart(routes, 'Route', input.RouteId).responses) };
  },

  async DeleteRouteResponse(input, ctx) {
    await changeDefinition(ctx, input.ApiId, (draft) => {
      const { responses } = requirePart(draft.routes, 'Route', input.RouteId);
      requirePart(responses, 'Route Response', input.RouteResponseId);
      delete responses[input.RouteResponseId ?? ''];
    });
    return {};
  },
};

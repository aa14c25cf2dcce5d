/** Terraform with its official provider: a REST API and an HTTP API, made, changed where the configuration is, and taken away again. */
import { APIGateway } from '@aws-sdk/client-api-gateway';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { freshAccount } from '../../support/cloud.ts';
import { providerFor, Terraform, terraformRefused } from '../../support/terraform.ts';
import { call, hostUrl } from './rest.ts';

const account = freshAccount();
let terraform: Terraform | undefined;

const configuration = (answer: string) => `${providerFor(account, inject('endpoint'), ['apigateway', 'apigatewayv2'])}
resource "aws_api_gateway_rest_api" "shop" {
  name               = "shop"
  description        = "made by terraform"
  binary_media_types = ["image/png"]
  endpoint_configuration { types = ["REGIONAL"] }
  tags               = { Team = "shop" }
}
resource "aws_api_gateway_resource" "items" {
  rest_api_id = aws_api_gateway_rest_api.shop.id
  parent_id   = aws_api_gateway_rest_api.shop.root_resource_id
  path_part   = "items"
}
resource "aws_api_gateway_model" "item" {
  rest_api_id  = aws_api_gateway_rest_api.shop.id
  name         = "Item"
  content_type = "application/json"
  schema       = jsonencode({ type = "object" })
}
resource "aws_api_gateway_request_validator" "body" {
  rest_api_id           = aws_api_gateway_rest_api.shop.id
  name                  = "body"
  validate_request_body = true
}
resource "aws_api_gateway_method" "get" {
  rest_api_id          = aws_api_gateway_rest_api.shop.id
  resource_id          = aws_api_gateway_resource.items.id
  http_method          = "GET"
  authorization        = "NONE"
  api_key_required     = false
  request_validator_id = aws_api_gateway_request_validator.body.id
  request_parameters   = { "method.request.querystring.q" = false }
  request_models       = { "application/json" = aws_api_gateway_model.item.name }
}
resource "aws_api_gateway_integration" "get" {
  rest_api_id       = aws_api_gateway_rest_api.shop.id
  resource_id       = aws_api_gateway_resource.items.id
  http_method       = aws_api_gateway_method.get.http_method
  type              = "MOCK"
  request_templates = { "application/json" = jsonencode({ statusCode = 200 }) }
}
resource "aws_api_gateway_method_response" "ok" {
  rest_api_id         = aws_api_gateway_rest_api.shop.id
  resource_id         = aws_api_gateway_resource.items.id
  http_method         = aws_api_gateway_method.get.http_method
  status_code         = "200"
  response_parameters = { "method.response.header.X-Own" = true }
}
resource "aws_api_gateway_integration_response" "ok" {
  rest_api_id         = aws_api_gateway_rest_api.shop.id
  resource_id         = aws_api_gateway_resource.items.id
  http_method         = aws_api_gateway_method.get.http_method
  status_code         = aws_api_gateway_method_response.ok.status_code
  response_parameters = { "method.response.header.X-Own" = "'1'" }
  response_templates  = { "application/json" = "${answer}" }
  depends_on          = [aws_api_gateway_integration.get]
}
resource "aws_api_gateway_gateway_response" "missing" {
  rest_api_id   = aws_api_gateway_rest_api.shop.id
  response_type = "MISSING_AUTHENTICATION_TOKEN"
  status_code   = "404"
}
resource "aws_api_gateway_deployment" "now" {
  rest_api_id = aws_api_gateway_rest_api.shop.id
  triggers    = { answer = "${answer}" }
  depends_on  = [aws_api_gateway_integration_response.ok, aws_api_gateway_gateway_response.missing]
  lifecycle { create_before_destroy = true }
}
resource "aws_api_gateway_stage" "prod" {
  rest_api_id   = aws_api_gateway_rest_api.shop.id
  deployment_id = aws_api_gateway_deployment.now.id
  stage_name    = "prod"
  variables     = { color = "blue" }
}
resource "aws_api_gateway_method_settings" "all" {
  rest_api_id = aws_api_gateway_rest_api.shop.id
  stage_name  = aws_api_gateway_stage.prod.stage_name
  method_path = "*/*"
  settings {
    throttling_burst_limit = 50
    throttling_rate_limit  = 100
    metrics_enabled        = true
  }
}
resource "aws_api_gateway_api_key" "one" { name = "one" }
resource "aws_api_gateway_usage_plan" "basic" {
  name = "basic"
  api_stages {
    api_id = aws_api_gateway_rest_api.shop.id
    stage  = aws_api_gateway_stage.prod.stage_name
  }
  quota_settings {
    limit  = 20
    period = "WEEK"
  }
  throttle_settings {
    burst_limit = 5
    rate_limit  = 10
  }
}
resource "aws_api_gateway_usage_plan_key" "one" {
  key_id        = aws_api_gateway_api_key.one.id
  key_type      = "API_KEY"
  usage_plan_id = aws_api_gateway_usage_plan.basic.id
}
resource "aws_apigatewayv2_api" "web" {
  name          = "web"
  protocol_type = "HTTP"
  cors_configuration {
    allow_origins = ["https://a.example"]
    allow_methods = ["GET"]
    max_age       = 60
  }
}
resource "aws_apigatewayv2_integration" "shop" {
  api_id             = aws_apigatewayv2_api.web.id
  integration_type   = "HTTP_PROXY"
  integration_method = "GET"
  integration_uri    = "http://\${aws_api_gateway_rest_api.shop.id}.execute-api.us-east-1.amazonaws.com:4566/prod/items"
}
resource "aws_apigatewayv2_route" "shop" {
  api_id    = aws_apigatewayv2_api.web.id
  route_key = "GET /shop"
  target    = "integrations/\${aws_apigatewayv2_integration.shop.id}"
}
resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.web.id
  name        = "$default"
  auto_deploy = true
  default_route_settings {
    throttling_burst_limit = 100
    throttling_rate_limit  = 50
  }
}
resource "aws_apigatewayv2_api" "chat" {
  name                       = "chat"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}
output "rest" { value = aws_api_gateway_rest_api.shop.id }
output "http" { value = aws_apigatewayv2_api.web.id }
`;

beforeEach((context) => context.skip(terraformRefused !== undefined, terraformRefused));
beforeAll(async () => {
  if (terraformRefused === undefined) terraform = await Terraform.open();
}, 60_000);
afterAll(() => terraform?.close());

const run = async (...args: string[]): Promise<string> => (await terraform?.run(...args)) ?? '';

test('terraform apply makes APIs that answer, finds all unchanged but a change, which is deployed, and destroy leaves nothing', async () => {
  await terraform?.write(configuration('first'));
  await run('init');
  await run('apply', '-auto-approve');
  const rest = (await run('output', '-raw', 'rest')).trim();
  const answer = await call(hostUrl(rest, '/prod/items'));
  expect([answer.status, answer.text, answer.headers['x-own']]).toEqual([200, 'first', '1']);
  expect((await call(hostUrl(rest, '/prod/none'))).status).toBe(404);
  await terraform?.write(configuration('second'));
  // Everything else is found unchanged: what an empty plan would say, for one load of the provider's schema less, which costs seconds.
  expect(await run('apply', '-auto-approve')).toContain('Apply complete! Resources: 1 added, 2 changed, 1 destroyed.');
  expect((await call(hostUrl(rest, '/prod/items'))).text).toBe('second');
  await run('destroy', '-auto-approve');
  expect((await new APIGateway(account.config()).getRestApis({})).items ?? []).toEqual([]);
  expect((await new ApiGatewayV2(account.config()).getApis({})).Items ?? []).toEqual([]);
}, 240_000);

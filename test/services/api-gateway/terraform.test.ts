/** Terraform with its official provider: a REST API and an HTTP API, made, found unchanged, changed, and taken away again. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { APIGateway } from '@aws-sdk/client-api-gateway';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { freshAccount } from '../../support/cloud.ts';
import { call, hostUrl } from './rest.ts';

const run = promisify(execFile);
/** Where providers lie that were fetched before; nothing is downloaded in a test. */
const mirror = '/opt/tf-plugins';
const account = freshAccount();
let folder = '';

const configuration = (answer: string) => `
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "${account.id}"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {
    apigateway   = "${inject('endpoint')}"
    apigatewayv2 = "${inject('endpoint')}"
  }
}
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

const terraform = async (...args: string[]): Promise<string> => {
  const env = { PATH: process.env['PATH'], HOME: folder, TF_CLI_CONFIG_FILE: path.join(folder, 'rc'), CHECKPOINT_DISABLE: '1' };
  return (await run('terraform', [...args, '-no-color'], { cwd: folder, env })).stdout;
};

const missing = existsSync(mirror) ? undefined : `there is no provider in ${mirror}`;
beforeEach((context) => context.skip(missing !== undefined, missing));
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilvi-terraform-'));
  await writeFile(path.join(folder, 'rc'), `provider_installation {\n  filesystem_mirror { path = "${mirror}" }\n}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('terraform apply makes APIs that answer, plan finds nothing to do, a change is deployed, destroy leaves nothing', async () => {
  await writeFile(path.join(folder, 'main.tf'), configuration('first'));
  await terraform('init');
  await terraform('apply', '-auto-approve');
  const rest = (await terraform('output', '-raw', 'rest')).trim();
  const answer = await call(hostUrl(rest, '/prod/items'));
  expect([answer.status, answer.text, answer.headers['x-own']]).toEqual([200, 'first', '1']);
  expect((await call(hostUrl(rest, '/prod/none'))).status).toBe(404);
  expect(await terraform('plan')).toContain('No changes.');
  await writeFile(path.join(folder, 'main.tf'), configuration('second'));
  await terraform('apply', '-auto-approve');
  expect((await call(hostUrl(rest, '/prod/items'))).text).toBe('second');
  await terraform('destroy', '-auto-approve');
  expect((await new APIGateway(account.config()).getRestApis({})).items ?? []).toEqual([]);
  expect((await new ApiGatewayV2(account.config()).getApis({})).Items ?? []).toEqual([]);
}, 240_000);

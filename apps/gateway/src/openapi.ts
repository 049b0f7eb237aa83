import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { GatewayModule } from './gateway.module.js';
import { openApiDocument } from './openapi-document.js';

/** Prints the API document without starting anything: `node apps/gateway/dist/openapi.js > docs/openapi.json`. */
const unused = (): never => {
  throw new Error('the document is made without constructing anything');
};
const app = await NestFactory.create(GatewayModule.of(unused), new FastifyAdapter(), { preview: true, logger: false });
process.stdout.write(`${JSON.stringify(openApiDocument(app), undefined, 2)}\n`);

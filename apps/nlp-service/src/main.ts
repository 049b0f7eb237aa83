import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { connectBroker, NatsCommandSender, NatsQueryAsker, NatsStrategy } from '@taskmaster/messaging';
import { announceReady, createLogger, frameworkLogger, onShutdown, sayThatItWaits, sayWhyItEnds } from '@taskmaster/service-kit';
import { readConfig } from './config.js';
import { createInterpreter } from './create-interpreter.js';
import { NlpModule } from './nlp.module.js';
import { failPoison } from './poison.js';
import { SERVICE_NAME } from './reply.js';

sayWhyItEnds(SERVICE_NAME);
const config = readConfig(process.env);
const logger = createLogger({ service: SERVICE_NAME, level: config.LOG_LEVEL });
const connection = await connectBroker({ url: config.NATS_URL, name: SERVICE_NAME, onWaiting: sayThatItWaits(logger, 'NATS_URL') });
const ports = {
  sender: new NatsCommandSender(connection),
  queries: new NatsQueryAsker(connection),
  interpreter: await createInterpreter(config),
  now: () => performance.now(),
};
const strategy = new NatsStrategy({
  connection,
  onPoison: (notice, error) => failPoison(ports, notice, error),
  onFailure: (what, error) => {
    logger.warn({ what, err: error }, 'handler failed');
  },
});
const app = await NestFactory.createMicroservice(NlpModule.with(ports, logger), { strategy, logger: frameworkLogger(logger) });
await app.listen();
onShutdown([{ name: 'app', close: () => app.close() }], { logger });
announceReady({ service: SERVICE_NAME }, logger);
logger.info({ provider: config.NLP_PROVIDER, caching: config.NLP_CACHING }, 'understands requirements');

import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { connectBroker, NatsStrategy } from '@taskmaster/messaging';
import { announceReady, createLogger, frameworkLogger, onShutdown, sayThatItWaits, sayWhyItEnds } from '@taskmaster/service-kit';
import { readConfig, SERVICE_NAME } from './config.js';
import { openStateService } from './state-service.js';
import { StateModule } from './state.module.js';

sayWhyItEnds(SERVICE_NAME);
const config = readConfig(process.env);
const logger = createLogger({ service: SERVICE_NAME, level: config.LOG_LEVEL });
const connection = await connectBroker({ url: config.NATS_URL, name: SERVICE_NAME, onWaiting: sayThatItWaits(logger, 'NATS_URL') });
const onRegressed = (error: Error): void => {
  logger.fatal({ err: error }, 'the log went backwards: look at the database before starting again');
  process.exit(1);
};
const service = await openStateService(config, { connection, logger, onRegressed });
const strategy = new NatsStrategy({
  connection,
  onFailure: (what, error) => {
    logger.warn({ what, err: error }, 'handler failed');
  },
});
const app = await NestFactory.createMicroservice(StateModule.with(service), { strategy, logger: frameworkLogger(logger) });
await app.listen();
const closers = [
  { name: 'relay', close: () => service.relay.stop() },
  { name: 'app', close: () => app.close() },
  { name: 'service', close: () => service.close() },
];
onShutdown(closers, { logger });
announceReady({ service: SERVICE_NAME }, logger);

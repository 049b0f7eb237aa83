import type { CommandDoor } from '@taskmaster/contracts';
import { NestFactory } from '@nestjs/core';
import { connectBroker, NatsStrategy } from '@taskmaster/messaging';
import { createLogger, frameworkLogger, sayThatItWaits, type Closer, type Logger } from '@taskmaster/service-kit';
import { CommandsController } from './commands.controller.js';
import { SERVICE_NAME, type StateConfig } from './config.js';
import type { LocalWork } from './local-work.js';
import { openStateService } from './state-service.js';
import { StateModule } from './state.module.js';

/** One replica that answers. */
export interface RunningStateService {
  /** Where its own process hands in commands, without a broker between. */
  readonly door: CommandDoor;
  readonly here: LocalWork;
  readonly logger: Logger;
  /** What has to be closed, in this order. */
  readonly closers: readonly Closer[];
}

/** Connects, migrates where it may, and answers commands and queries. @throws Fault when the database cannot be used */
export async function startStateService(config: StateConfig): Promise<RunningStateService> {
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
  return {
    door: app.get(CommandsController),
    here: service.here,
    logger,
    closers: [
      { name: 'relay', close: () => service.relay.stop() },
      { name: 'app', close: () => app.close() },
      { name: 'service', close: () => service.close() },
    ],
  };
}
